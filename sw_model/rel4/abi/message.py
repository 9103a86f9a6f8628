"""The message information word and the layout of the IPC buffer."""

from dataclasses import dataclass

__all__ = [
    "IPC_BUFFER_BYTES",
    "MAX_EXTRA_CAPS",
    "MAX_MESSAGE",
    "REGISTER_MESSAGE",
    "IpcBuffer",
    "MessageInfo",
]

REGISTER_MESSAGE = 4
"""Message registers that travel in CPU registers (a2 to a5); the rest is in the IPC buffer."""
MAX_MESSAGE = 120
MAX_EXTRA_CAPS = 3
IPC_BUFFER_BYTES = 1040


@dataclass(frozen=True, slots=True)
class MessageInfo:
    """seL4's message information: label 63:12, caps unwrapped 11:9, extra caps 8:7, length 6:0."""

    label: int = 0
    length: int = 0
    extra_caps: int = 0
    caps_unwrapped: int = 0

    def word(self) -> int:
        """The word as it travels in a1."""
        return self.label << 12 | self.caps_unwrapped << 9 | self.extra_caps << 7 | self.length

    @classmethod
    def from_word(cls, word: int) -> "MessageInfo":
        """Take a word apart. A length above 120 is cut to 120, as seL4 does."""
        return cls(
            label=word >> 12,
            caps_unwrapped=word >> 9 & 7,
            extra_caps=word >> 7 & 3,
            length=min(word & 0x7F, MAX_MESSAGE),
        )


class IpcBuffer:
    """Byte offsets of seL4's IPC buffer, extended by ReL4's word for user interrupts.

    ==== ==================================================
    0    tag
    8    message registers 0 to 119 (0 to 3 are not used: they travel in registers)
    968  user data
    976  three capability pointers (or badges)
    1000 receive CNode, index, depth
    1024 uintr_flag: sender index that UintrRegisterSender answers
    1032 async_cid
    ==== ==================================================
    """

    CAPS = 976
    RECEIVE = 1000
    UINTR_FLAG = 1024

    @staticmethod
    def message(index: int) -> int:
        """Offset of message register ``index``."""
        return 8 + 8 * index

    @classmethod
    def cap(cls, index: int) -> int:
        """Offset of extra capability ``index``."""
        return cls.CAPS + 8 * index
