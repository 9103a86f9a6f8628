"""What kernel and user agree on, as a header for C and assembler: one source for both languages."""

from enum import IntEnum

from .layout import DATA_ADDRESS, IPC_BUFFER_ADDRESS
from .message import IPC_BUFFER_BYTES, MAX_EXTRA_CAPS, MAX_MESSAGE, REGISTER_MESSAGE, IpcBuffer
from .numbers import (
    ASYNC_INVOCATIONS,
    AsyncLabel,
    CapSlot,
    Invocation,
    ObjectType,
    SeL4Error,
    SysCall,
)
from .syscall_buffer import (
    CLOSED,
    CLOSING,
    HEADER_BYTES,
    ITEM_BYTES,
    ITEM_WORDS,
    MAGIC,
    MAX_CAPACITY,
    MAX_WORDS,
    OPEN,
    SyscallBuffer,
)

__all__ = ["KERNEL_POLICIES", "Moment", "c_header"]


class Moment(IntEnum):
    """Ids of the compiled system's marks: events of the log that it tells itself."""

    BEGIN = 1  #: the measured part begins
    END = 2  #: and ends
    SUBMITTED = 3  #: first word of the request
    HANDLED = 4  #: first word of the reply, by the kernel
    REPLIED = 5  #: first word of the reply, by the user
    TRAP = 6  #: scause
    USER_TRAP = 7  #: vectors that the user's handler took
    TAKEN = 8  #: vectors that the kernel took of its own receiver
    POSTED = 9  #: receiver << 8 | vector, by the kernel
    SENT = 10  #: sender entry, by the user
    ENTRY = 11  #: index << 32 | receiver << 8 | vector: a sender entry was written
    RECEIVER = 12  #: the number of a receiver that the kernel gave to a thread
    KERNEL_RECEIVER = 13  #: the same, to itself on this hart


KERNEL_POLICIES = ("never", "tick", "tick-smp", "ipi", "inline", "uipi", "poll", "adaptive")
"""Policies of the compiled kernel: a buffer names one by its place here when it is registered."""


def c_header() -> str:
    """The header: numbers of `rel4.abi.numbers`, offsets of the IPC buffer and of the syscall
    buffer, the invocation behind each asynchronous call, and policies by number."""
    lines = [
        "/* What kernel and user agree on. Generated from rel4.abi; nothing is typed twice. */",
        "#ifndef REL4_ABI_H",
        "#define REL4_ABI_H",
    ]

    def define(name: str, value: int | str) -> None:
        lines.append(f"#define {name} {hex(value) if isinstance(value, int) else value}")

    kinds: tuple[tuple[str, type[IntEnum]], ...] = (
        ("SYS", SysCall),
        ("INVOCATION", Invocation),
        ("ASYNC", AsyncLabel),
        ("ERROR", SeL4Error),
        ("OBJECT", ObjectType),
        ("SLOT", CapSlot),
        ("MARK", Moment),
    )
    for prefix, kind in kinds:
        lines.append("")
        for member in kind:
            name = "ERROR_NONE" if member is SeL4Error.NO_ERROR else _name(prefix, member.name)
            define(name, f"({member.value})" if member < 0 else member.value)
    lines.append("")
    for number, policy in enumerate(KERNEL_POLICIES):
        define(f"POLICY_{policy.upper().replace('-', '_')}", number)
    lines += ["", "/* Message information, IPC buffer, first mappings. */"]
    define("REGISTER_MESSAGE", REGISTER_MESSAGE)
    define("MAX_MESSAGE", MAX_MESSAGE)
    define("MAX_EXTRA_CAPS", MAX_EXTRA_CAPS)
    define("IPC_BUFFER_BYTES", IPC_BUFFER_BYTES)
    define("IPC_BUFFER_MESSAGE", IpcBuffer.message(0))
    define("IPC_BUFFER_CAPS", IpcBuffer.CAPS)
    define("IPC_BUFFER_UINTR_FLAG", IpcBuffer.UINTR_FLAG)
    define("IPC_BUFFER_ADDRESS", IPC_BUFFER_ADDRESS)
    define("DATA_ADDRESS", DATA_ADDRESS)
    lines += ["", "/* Syscall buffer. */"]
    for offset, name in SyscallBuffer.fields(0, 1).items():
        if offset < HEADER_BYTES:
            define(f"BUFFER_{name.upper().replace('.', '_')}", offset)
    define("BUFFER_ITEMS", HEADER_BYTES)
    define("BUFFER_VERSION", MAGIC)
    define("STATE_OPEN", OPEN)
    define("STATE_CLOSING", CLOSING)
    define("STATE_CLOSED", CLOSED)
    define("ITEM_BYTES", ITEM_BYTES)
    define("ITEM_WORDS", ITEM_WORDS)
    define("MAX_WORDS", MAX_WORDS)
    define("MAX_CAPACITY", MAX_CAPACITY)
    lines += ["", "/* X(asynchronous call, invocation that it is, extra capabilities). */"]
    lines.append("#define ASYNC_INVOCATIONS(X) \\")
    rows = [
        f"    X(ASYNC_{label.name}, INVOCATION_{invocation.name}, {caps})"
        for label, (invocation, caps) in ASYNC_INVOCATIONS.items()
    ]
    lines += [f"{row} \\" for row in rows[:-1]] + [rows[-1]]
    lines += ["", "#endif"]
    return "\n".join(lines) + "\n"


def _name(prefix: str, name: str) -> str:
    return f"{prefix}_{name.removesuffix('_ERROR') if prefix == 'ERROR' else name}"
