"""The registers of a thread as seL4_UserContext orders them, over what a context really holds.

System calls use a0 to a5 and a7, which live in the context; the program counter is that of the
operation the thread is in. The others are plain storage: a coroutine keeps its state elsewhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from rel4.machine.context import Context, Program

from .objects import TCB

__all__ = ["NAMES", "ProgramText", "context_of", "pc", "read", "read_all", "write", "write_all"]

ProgramText = Mapping[int, Callable[[], Program]]
"""Code by its address."""

FRAME = ("pc", "ra", "sp", "gp", *(f"s{n}" for n in range(12)))
GENERAL = (*(f"a{n}" for n in range(8)), *(f"t{n}" for n in range(7)), "tp")
NAMES = (*FRAME, *GENERAL)
"""Order of seL4_UserContext: 16 frame registers, 16 general ones."""
MESSAGE = {"a2": 0, "a3": 1, "a4": 2, "a5": 3}
MASK = (1 << 64) - 1


def context_of(tcb: TCB, empty_root: int = 0) -> Context:
    """The thread's context, made when first needed: it has no code yet and faults if it runs."""
    if tcb.context is None:
        tcb.context = Context(tcb.name, None, root=empty_root)
    return tcb.context


def pc(tcb: TCB) -> int:
    """The program counter."""
    return tcb.context.pc if tcb.context is not None else 0


def read(tcb: TCB, name: str) -> int:
    """A register by name."""
    if tcb.context is None:
        return tcb.integers.get(name, 0)
    registers = tcb.context.registers
    match name:
        case "pc":
            return pc(tcb)
        case "a0":
            return registers.cap
        case "a1":
            return registers.info
        case "a7":
            return registers.number & MASK
        case "sp":
            return tcb.context.sp
        case _ if name in MESSAGE:
            return registers.message[MESSAGE[name]]
        case _:
            return tcb.integers.get(name, 0)


def write(tcb: TCB, name: str, value: int, code: ProgramText) -> None:
    """Write a register by name. A new program counter is where the thread goes on: in the operation
    it is in, behind it, or at the beginning of code that was placed there."""
    context = context_of(tcb)
    registers = context.registers
    match name:
        case "pc":
            context.set_pc(value, code.get(value))
        case "a0":
            context.registers = replace(registers, cap=value)
        case "a1":
            context.registers = replace(registers, info=value)
        case "a7":
            context.registers = replace(registers, number=value)
        case "sp":
            context.sp = value
        case _ if name in MESSAGE:
            message = list(registers.message)
            message[MESSAGE[name]] = value
            context.registers = replace(
                registers, message=(message[0], message[1], message[2], message[3])
            )
        case _:
            tcb.integers[name] = value


def read_all(tcb: TCB, count: int) -> tuple[int, ...]:
    """The first ``count`` registers."""
    return tuple(read(tcb, name) for name in NAMES[:count])


def write_all(tcb: TCB, words: list[int], code: ProgramText) -> None:
    """Write the first registers."""
    for name, word in zip(NAMES, words, strict=False):
        write(tcb, name, word, code)
