"""A run, line by line, for a reader."""

from dataclasses import dataclass
from typing import Any

from rel4.abi.numbers import AsyncLabel, SysCall
from rel4.machine.ops import (
    AmoAdd,
    AmoOr,
    Ecall,
    Fence,
    Load,
    Op,
    SpinWhile,
    Store,
    Swap,
    Uipi,
    Uret,
)
from uintr.registers import UipiFunction

from .actors import Failure

__all__ = ["Line", "describe", "render"]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened: on which hart, who did it, what. ``address``, ``op`` and ``result``
    are there if it was an operation."""

    hart: int
    who: str
    what: str
    op: Op[Any] | None = None
    result: Any = None
    address: int = -1


def _value(field: str, value: int) -> str:
    if not field.endswith(".word0"):
        return f"{value:#x}" if value > 9_999 else str(value)
    label = value >> 32 & 0xFFFF
    name = AsyncLabel(label).name if label in AsyncLabel.__members__.values() else str(label)
    return f"{{cid {value & 0xFFFF_FFFF}, {name}, error {value >> 48}}}"


def describe(op: Op[Any], result: Any, field: str, note: str = "") -> str:
    """An operation on the word called ``field``, with its result, in words."""
    match op:
        case Load():
            text = f"load   {field} -> {_value(field, result)}"
        case Store(_, value):
            text = f"store  {field} := {_value(field, value)}"
        case Swap(_, value):
            text = f"swap   {field} := {_value(field, value)} -> {_value(field, result)}"
        case AmoAdd(_, value):
            text = f"add    {field} += {value} -> {result}"
        case AmoOr(_, value):
            text = f"or     {field} |= {value:#x} -> {result:#x}"
        case Fence(kind):
            text = f"fence  {kind}"
        case SpinWhile(_, value):
            text = f"spin   while {field} = {value}: over"
        case Uipi(function):
            of = f" of vector {op.operand}" if function is UipiFunction.SEND else ""
            text = f"uipi   {function.name}{of}" + ("" if result is None else f" -> {result:#x}")
        case Ecall(registers):
            text = f"ecall  {SysCall(registers.number).name}"
        case Uret():
            text = "uret"
        case Failure(reason):
            text = f"fails: {reason}"
        case _:
            text = "asked"
    return text + note


def render(lines: list[Line]) -> str:
    """All lines, numbered, in columns."""
    width = max((len(line.who) for line in lines), default=0)
    digits = len(str(len(lines)))
    return "\n".join(
        f"{number:>{digits}}  hart {line.hart}  {line.who:<{width}}  {line.what}"
        for number, line in enumerate(lines, start=1)
    )
