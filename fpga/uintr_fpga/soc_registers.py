"""The registers of a board with harts: pure data, for gateware and host."""

from enum import IntEnum

__all__ = ["CONSOLE_BYTES", "IDENT", "REGISTER_BIT", "SocRegister"]

REGISTER_BIT = 30
"""Bit of the bridge's word address: set for registers, clear for main memory."""
IDENT = int.from_bytes(b"RV64", "big")
CONSOLE_BYTES = 2048


class SocRegister(IntEnum):
    """Words behind `REGISTER_BIT`."""

    IDENT = 0  #: the letters RV64
    SHAPE = 1  #: harts 7:0, main memory in KiB 31:8
    RUN = 2  #: 0: the harts are in reset, and memory is the host's
    LATENCY = 3  #: memory latency 7:0, jitter 15:8
    SEED = 4
    CONSOLE = 5  #: read takes a byte, bit 8 says that there was one; write gives one to the program
    WAITING = 6  #: bytes to be taken, 15:0; the program's input is not taken yet, 16
    TOHOST = 7  #: 32 bits of what was stored; nonzero once the program has ended
    TOHOST_ADDRESS = 8
    CYCLES = 9  #: 32 bits, since RUN was set
    RETIRED = 10  #: instructions of hart 0
