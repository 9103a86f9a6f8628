"""User interrupts on a board: UART bridge, run controller, tops, builds and the UART device."""
