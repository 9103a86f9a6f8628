"""Numbers of system calls, invocations, errors and object types: seL4's, as ReL4 extends them.

seL4's numbers are those of its RISC-V 64-bit, non-MCS, SMP configuration. WakeSyscallHandler and
the three Uintr invocations are ReL4's; the invocations stand where ReL4 puts them, between
DomainSetSet and RISCVPageTableMap.
"""

from enum import IntEnum

__all__ = [
    "ASYNC_INVOCATIONS",
    "AsyncLabel",
    "CapSlot",
    "Invocation",
    "ObjectType",
    "SeL4Error",
    "SysCall",
]


class SysCall(IntEnum):
    """System-call numbers (register a7)."""

    CALL = -1
    REPLY_RECV = -2
    SEND = -3
    NB_SEND = -4
    RECV = -5
    REPLY = -6
    YIELD = -7
    NB_RECV = -8
    DEBUG_PUT_CHAR = -9
    DEBUG_DUMP_SCHEDULER = -10
    DEBUG_HALT = -11
    DEBUG_CAP_IDENTIFY = -12
    DEBUG_SNAPSHOT = -13
    DEBUG_NAME_THREAD = -14
    DEBUG_SEND_IPI = -15
    WAKE_SYSCALL_HANDLER = -16


class Invocation(IntEnum):
    """Labels of object invocations (message information, bits 63:12)."""

    INVALID = 0
    UNTYPED_RETYPE = 1
    TCB_READ_REGISTERS = 2
    TCB_WRITE_REGISTERS = 3
    TCB_COPY_REGISTERS = 4
    TCB_CONFIGURE = 5
    TCB_SET_PRIORITY = 6
    TCB_SET_MC_PRIORITY = 7
    TCB_SET_SCHED_PARAMS = 8
    TCB_SET_IPC_BUFFER = 9
    TCB_SET_SPACE = 10
    TCB_SUSPEND = 11
    TCB_RESUME = 12
    TCB_BIND_NOTIFICATION = 13
    TCB_UNBIND_NOTIFICATION = 14
    TCB_SET_AFFINITY = 15
    TCB_SET_TLS_BASE = 16
    CNODE_REVOKE = 17
    CNODE_DELETE = 18
    CNODE_CANCEL_BADGED_SENDS = 19
    CNODE_COPY = 20
    CNODE_MINT = 21
    CNODE_MOVE = 22
    CNODE_MUTATE = 23
    CNODE_ROTATE = 24
    CNODE_SAVE_CALLER = 25
    IRQ_ISSUE_IRQ_HANDLER = 26
    IRQ_ACK_IRQ = 27
    IRQ_SET_IRQ_HANDLER = 28
    IRQ_CLEAR_IRQ_HANDLER = 29
    DOMAIN_SET_SET = 30
    UINTR_REGISTER_SENDER = 31
    UINTR_REGISTER_RECEIVER = 32
    UINTR_REGISTER_ASYNC_SYSCALL = 33
    RISCV_PAGE_TABLE_MAP = 34
    RISCV_PAGE_TABLE_UNMAP = 35
    RISCV_PAGE_MAP = 36
    RISCV_PAGE_UNMAP = 37
    RISCV_PAGE_GET_ADDRESS = 38
    RISCV_ASID_CONTROL_MAKE_POOL = 39
    RISCV_ASID_POOL_ASSIGN = 40
    RISCV_IRQ_ISSUE_IRQ_HANDLER_TRIGGER = 41


class AsyncLabel(IntEnum):
    """Labels of asynchronous system calls, as published."""

    UNTYPED_RETYPE = 0
    PUT_CHAR = 1
    RISCV_PAGE_TABLE_MAP = 2
    RISCV_PAGE_TABLE_UNMAP = 3
    RISCV_PAGE_MAP = 4
    RISCV_PAGE_UNMAP = 5
    RISCV_PAGE_GET_ADDRESS = 6
    CNODE_REVOKE = 7
    CNODE_DELETE = 8
    CNODE_CANCEL_BADGED_SENDS = 9
    CNODE_COPY = 10
    CNODE_MINT = 11
    CNODE_MOVE = 12
    CNODE_MUTATE = 13
    CNODE_ROTATE = 14
    TCB_BIND_NOTIFICATION = 15
    TCB_UNBIND_NOTIFICATION = 16
    PUT_STRING = 17


ASYNC_INVOCATIONS: dict[AsyncLabel, tuple[Invocation, int]] = {
    AsyncLabel.UNTYPED_RETYPE: (Invocation.UNTYPED_RETYPE, 1),
    AsyncLabel.RISCV_PAGE_TABLE_MAP: (Invocation.RISCV_PAGE_TABLE_MAP, 1),
    AsyncLabel.RISCV_PAGE_TABLE_UNMAP: (Invocation.RISCV_PAGE_TABLE_UNMAP, 0),
    AsyncLabel.RISCV_PAGE_MAP: (Invocation.RISCV_PAGE_MAP, 1),
    AsyncLabel.RISCV_PAGE_UNMAP: (Invocation.RISCV_PAGE_UNMAP, 0),
    AsyncLabel.RISCV_PAGE_GET_ADDRESS: (Invocation.RISCV_PAGE_GET_ADDRESS, 0),
    AsyncLabel.CNODE_REVOKE: (Invocation.CNODE_REVOKE, 0),
    AsyncLabel.CNODE_DELETE: (Invocation.CNODE_DELETE, 0),
    AsyncLabel.CNODE_CANCEL_BADGED_SENDS: (Invocation.CNODE_CANCEL_BADGED_SENDS, 0),
    AsyncLabel.CNODE_COPY: (Invocation.CNODE_COPY, 1),
    AsyncLabel.CNODE_MINT: (Invocation.CNODE_MINT, 1),
    AsyncLabel.CNODE_MOVE: (Invocation.CNODE_MOVE, 1),
    AsyncLabel.CNODE_MUTATE: (Invocation.CNODE_MUTATE, 1),
    AsyncLabel.CNODE_ROTATE: (Invocation.CNODE_ROTATE, 2),
    AsyncLabel.TCB_BIND_NOTIFICATION: (Invocation.TCB_BIND_NOTIFICATION, 1),
    AsyncLabel.TCB_UNBIND_NOTIFICATION: (Invocation.TCB_UNBIND_NOTIFICATION, 0),
}
"""The invocation that an asynchronous call is, and how many extra capabilities it takes. The words
of the request are: the invoked capability, the extra capabilities, the message registers, all as in
the synchronous invocation. PutChar and PutString invoke nothing."""


class SeL4Error(IntEnum):
    """Error codes (label of a reply). All but the last are seL4's."""

    NO_ERROR = 0
    INVALID_ARGUMENT = 1
    INVALID_CAPABILITY = 2
    ILLEGAL_OPERATION = 3
    RANGE_ERROR = 4
    ALIGNMENT_ERROR = 5
    FAILED_LOOKUP = 6
    TRUNCATED_MESSAGE = 7
    DELETE_FIRST = 8
    REVOKE_FIRST = 9
    NOT_ENOUGH_MEMORY = 10
    CANCELLED = 0x100
    """Ours: the syscall buffer was deregistered before the call was served; it had no effect."""


class ObjectType(IntEnum):
    """Object types of Untyped_Retype (RISC-V 64)."""

    UNTYPED = 0
    TCB = 1
    ENDPOINT = 2
    NOTIFICATION = 3
    CAP_TABLE = 4
    RISCV_GIGA_PAGE = 5
    RISCV_4K_PAGE = 6
    RISCV_MEGA_PAGE = 7
    RISCV_PAGE_TABLE = 8


class CapSlot(IntEnum):
    """Slots of the initial thread's CSpace that the kernel fills at boot."""

    NULL = 0
    INIT_THREAD_TCB = 1
    INIT_THREAD_CNODE = 2
    INIT_THREAD_VSPACE = 3
    IRQ_CONTROL = 4
    ASID_CONTROL = 5
    INIT_THREAD_ASID_POOL = 6
    INIT_THREAD_IPC_BUFFER = 10
    FIRST_UNTYPED = 12
    DEVICE_UNTYPED = 13
    FIRST_FREE = 14
