"""Where things are: the published addresses, which every parameter has as its default."""

from uintr.registers import DEFAULT_BASE

__all__ = [
    "CLINT_BASE",
    "CLINT_BYTES",
    "CONTROLLER_BASE",
    "MSIP_OFFSET",
    "MTIMECMP_OFFSET",
    "MTIME_OFFSET",
    "PHYSICAL_BITS",
    "RAM_BASE",
    "SSWI_BASE",
    "SSWI_BYTES",
    "TOHOST",
    "UART_BASE",
    "UART_BYTES",
]

PHYSICAL_BITS = 32
"""Physical addresses at or above 4 GiB do not exist: they are answered with an access fault."""

RAM_BASE = 0x8000_0000
"""Main memory, and the reset vector of every hart."""
TOHOST = 0x8000_1000
"""Where published programs have the word that ends them."""

CONTROLLER_BASE = DEFAULT_BASE
"""The user-interrupt controller."""

CLINT_BASE = 0x0200_0000
CLINT_BYTES = 0x1_0000
MSIP_OFFSET = 0x0000
"""One 32-bit word a hart: its machine software interrupt."""
MTIMECMP_OFFSET = 0x4000
"""One 64-bit word a hart."""
MTIME_OFFSET = 0xBFF8

SSWI_BASE = 0x02F0_0000
"""One 32-bit word a hart: a write of 1 sets its supervisor software interrupt."""
SSWI_BYTES = 0x1000

UART_BASE = 0x1000_0000
"""The registers of a 16550, one byte each."""
UART_BYTES = 8
