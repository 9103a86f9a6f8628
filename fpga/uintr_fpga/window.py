"""The board's register window as data: what lies at which word, and what a program's words mean.

The window is what the UART bridge reads and writes, in words of 32 bits. Gateware, host software
and the LiteX export are all made from this module; it imports the standard library alone.

A host does not poke the hardware. It writes a *program*, a list of operations with a checksum, into
the command memory and rings the doorbell; the board executes it and puts the answers, with a
checksum of their own, into the result memory. Since a program has a number, the same one can be
sent again as often as it takes and is executed once.

```
command memory   ... operations, header, doorbell      ends at DOORBELL: one burst writes it all
result memory    STATUS, answers, checksum             starts at STATUS: one burst reads it all
```
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

__all__ = [
    "COMMAND",
    "COMMAND_WORDS",
    "DOORBELL",
    "ECHO",
    "ECHO_WORD",
    "ECHO_WORDS",
    "IDENT_WORD",
    "MAGIC",
    "PROGRAM_WORDS",
    "REGISTERS",
    "RESULT_WORDS",
    "STATUS",
    "VERSION",
    "WINDOW_WORDS",
    "Operation",
    "WindowRegister",
    "checksum",
    "register",
]


@dataclass(frozen=True)
class WindowRegister:
    """One word of the window. ``access`` is ro or rw."""

    name: str
    word: int
    access: str
    doc: str


REGISTERS = (
    WindowRegister("ident", 0x00, "ro", "The letters UINT."),
    WindowRegister(
        "shape",
        0x01,
        "ro",
        "Version 7:0, harts 15:8, interrupt lines a hart 19:16, latency 23:20, Intel flavour 24.",
    ),
    WindowRegister("receivers", 0x02, "ro", "Receivers of the controller."),
    WindowRegister("table_pages", 0x03, "ro", "Size of the table memory in 4 KiB pages."),
    WindowRegister("base_low", 0x04, "ro", "Address of the controller."),
    WindowRegister("base_high", 0x05, "ro", "Its upper half."),
    WindowRegister("table_base_low", 0x06, "ro", "Address of the table memory."),
    WindowRegister("table_base_high", 0x07, "ro", "Its upper half."),
    WindowRegister("clock_hz", 0x08, "ro", "Clock of the board."),
    WindowRegister("features", 0x09, "ro", "Extensions, as `uintr.registers.Feature`."),
    WindowRegister(
        "errors",
        0x0A,
        "rw",
        "Framing errors 7:0, overruns 15:8, timed-out commands 23:16, refused programs 31:24; each "
        "stays at 255. A write clears all.",
    ),
    WindowRegister("scratch", 0x0B, "rw", "A word for the host."),
    WindowRegister(
        "state", 0x0C, "ro", "A program is being executed 0, free-running 1, quiescent 2."
    ),
    WindowRegister("cycles", 0x0D, "ro", "Clock cycles stepped since power-on, modulo 2^32."),
)
"""The plain registers, in order of their words."""

VERSION = 1
IDENT_WORD = 0x5549_4E54

ECHO = 0x80
ECHO_WORDS = 0x40
ECHO_WORD = 0xEC00_0000
"""A word of the echo range reads as ECHO_WORD + its address: a host finds out with it where in a
command the bridge stands."""

COMMAND = 0x100
COMMAND_WORDS = 256
DOORBELL = COMMAND + COMMAND_WORDS
"""The command memory's last word is the header, and the word behind it is the doorbell."""

STATUS = 0x300
RESULT_WORDS = 256
"""Reading STATUS waits until the program is done. The answers follow, then their checksum."""

WINDOW_WORDS = 0x400
"""Words beyond read as zero, and writing them has no effect."""

PROGRAM_WORDS = COMMAND_WORDS - 3
"""Most operation words of a program: with header and doorbell they still fit one burst of 255."""

MAGIC = 0x5C
"""Bits 31:24 of a header; bits 23:16 are the program's number, bits 8:0 its operation words.

STATUS has the number of the last program in bits 31:24, its refusal of an unknown operation in bit
16, and the number of answer words in bits 8:0.
"""


class Operation(IntEnum):
    """Bits 31:28 of an operation's first word."""

    PRIVILEGE = 1  #: hart 5:0, level 9:8
    REQUEST = 2  #: hart 5:0, kind 10:8, function 22:16; 27:24 say which words follow:
    #: address low, address high, data low, data high; those left out are zero
    RUN = 3  #: cycles 23:0 (at least 1), 24: nothing was under way before, 25: do not stop early
    RESET = 4  #: one clock cycle under reset
    WIPE = 5  #: clear the table memory
    FREE = 6  #: bit 0: let the clock run freely until the next program begins
    #: RUN answers: cycles 23:0, quiescent 24, responses 31:25; the lines, 32 a word; for each
    #: response hart 5:0 and status 11:8, data low, data high


def checksum(words: Iterable[int]) -> int:
    """CRC-32 (that of Ethernet and zlib) of the words' bytes, lowest first."""
    return zlib.crc32(b"".join(word.to_bytes(4, "little") for word in words))


def register(name: str) -> WindowRegister:
    """The register called ``name``. Raises KeyError."""
    for each in REGISTERS:
        if each.name == name:
            return each
    raise KeyError(f"the window has no register {name!r}")
