"""User interrupts on a board: UART bridge, run controller, board tops, builds and the UART device."""
