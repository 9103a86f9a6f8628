"""Operations: all that software can do to the machine.

A thread of the model, user or kernel, is a coroutine. Whatever it does to the machine it does by
awaiting an operation; the hart that runs it performs the operation, spends its cycles and sends the
result back. So preemption needs no threads, a run is deterministic, and the same program can be
timed, driven through every interleaving, or put on real hardware.
"""

from collections.abc import Generator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, TypeVar

from uintr.registers import Csr, UipiFunction

from .events import Event

__all__ = [
    "AmoAdd",
    "AmoAnd",
    "AmoOr",
    "AwaitTicket",
    "Clear",
    "Compute",
    "CsrClear",
    "CsrRead",
    "CsrSet",
    "CsrWrite",
    "Ecall",
    "Fence",
    "Load",
    "Log",
    "Op",
    "Path",
    "PathBegin",
    "PathEnd",
    "PathWork",
    "ReadTime",
    "Registers",
    "SendIpi",
    "SetTimer",
    "SfenceVma",
    "SpinWhile",
    "Store",
    "Swap",
    "Uipi",
    "Uret",
    "WaitForInterrupt",
]

R = TypeVar("R")


class Op(Generic[R]):
    """One operation; ``await op`` yields it to the hart and gives its result."""

    __slots__ = ()

    def __await__(self) -> Generator["Op[Any]", R, R]:
        return (yield self)


@dataclass(frozen=True, slots=True)
class Registers:
    """The argument registers of a system call (RISC-V a7, a0 to a5), and of its answer.

    ``number`` is the system call, ``cap`` the capability pointer on the way in and the badge on the
    way out, ``info`` the message information word, ``message`` the first four message registers.
    """

    number: int = 0
    cap: int = 0
    info: int = 0
    message: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Compute(Op[None]):
    """Spend ``cycles`` (>= 0) on work that touches nothing shared; interruptible in user mode."""

    cycles: int


@dataclass(frozen=True, slots=True)
class Load(Op[int]):
    """Read the 64-bit word at ``address`` (virtual in user mode, physical in the kernel)."""

    address: int


@dataclass(frozen=True, slots=True)
class Store(Op[None]):
    """Write the 64-bit word at ``address``."""

    address: int
    value: int


@dataclass(frozen=True, slots=True)
class Swap(Op[int]):
    """Atomically exchange the word at ``address`` (amoswap.d.aqrl); returns the value before."""

    address: int
    value: int


@dataclass(frozen=True, slots=True)
class AmoAdd(Op[int]):
    """Atomically add to the word at ``address`` (amoadd.d.aqrl); returns the value before."""

    address: int
    value: int


@dataclass(frozen=True, slots=True)
class AmoAnd(Op[int]):
    """Atomically AND into the word at ``address`` (amoand.d.aqrl); returns the value before."""

    address: int
    value: int


@dataclass(frozen=True, slots=True)
class AmoOr(Op[int]):
    """Atomically OR into the word at ``address`` (amoor.d.aqrl); returns the value before."""

    address: int
    value: int


@dataclass(frozen=True, slots=True)
class Clear(Op[None]):
    """Zero ``size`` bytes from physical ``address`` on, a word a store (kernel only)."""

    address: int
    size: int


@dataclass(frozen=True, slots=True)
class Fence(Op[None]):
    """Order memory operations: ``kind`` is a RISC-V predecessor,successor pair such as "rw,w"."""

    kind: str = "rw,rw"


@dataclass(frozen=True, slots=True)
class SfenceVma(Op[None]):
    """Forget cached translations, of the page at ``address`` or of all pages if None."""

    address: int | None = None


@dataclass(frozen=True, slots=True)
class SpinWhile(Op[None]):
    """Busy-wait until the word at ``address`` differs from ``value``, or until cycle ``until``.

    Stands for a polling loop of one iteration every ``machine.spin_iteration`` cycles. In user mode
    interrupts are taken meanwhile, and the word is looked at again after each.
    """

    address: int
    value: int
    until: int | None = None


@dataclass(frozen=True, slots=True)
class AwaitTicket(Op[None]):
    """Busy-wait until the word at ``address``, which counts up one by one and was ``seen``, has
    come to ``ticket`` (kernel only). As `SpinWhile` and a load at each value, but what simulates
    the hart is woken by the last one alone."""

    address: int
    seen: int
    ticket: int


@dataclass(frozen=True, slots=True)
class CsrRead(Op[int]):
    """Read a user-interrupt CSR."""

    csr: Csr


@dataclass(frozen=True, slots=True)
class CsrWrite(Op[int]):
    """Write a user-interrupt CSR; returns the value before."""

    csr: Csr
    value: int


@dataclass(frozen=True, slots=True)
class CsrSet(Op[int]):
    """Set bits of a user-interrupt CSR; returns the value before."""

    csr: Csr
    value: int


@dataclass(frozen=True, slots=True)
class CsrClear(Op[int]):
    """Clear bits of a user-interrupt CSR; returns the value before."""

    csr: Csr
    value: int


@dataclass(frozen=True, slots=True)
class Uipi(Op[int]):
    """Execute a UIPI instruction; returns rd (the pending word for READ, else 0)."""

    function: UipiFunction
    operand: int = 0


@dataclass(frozen=True, slots=True)
class Uret(Op[None]):
    """Return from a user-interrupt handler. The coroutine that awaits it is not resumed."""


@dataclass(frozen=True, slots=True)
class Ecall(Op[Registers]):
    """Trap into the kernel with these registers; returns the registers it returns with."""

    registers: Registers


@dataclass(frozen=True, slots=True)
class WaitForInterrupt(Op[None]):
    """Sleep until an interrupt is pending (the idle thread's only instruction)."""


@dataclass(frozen=True, slots=True)
class SendIpi(Op[None]):
    """Interrupt another hart (SBI send_ipi): a trap with cause "ipi" is pending there."""

    hart: int


@dataclass(frozen=True, slots=True)
class SetTimer(Op[None]):
    """Write this hart's stimecmp: a timer trap is pending from cycle ``deadline`` on."""

    deadline: int


@dataclass(frozen=True, slots=True)
class ReadTime(Op[int]):
    """Read the time CSR, in cycles."""


@dataclass(frozen=True, slots=True)
class Log(Op[None]):
    """Append an event to the log. Costs nothing; the hart fills in cycle and hart."""

    event: Event


@dataclass(frozen=True, slots=True)
class PathBegin(Op[None]):
    """Begin of a software path with a known total cost; see `Path`. Without a name it has none:
    operations inside cost what they cost, and are not charged against the path around it."""

    name: str


@dataclass(frozen=True, slots=True)
class PathWork(Op[None]):
    """The rest of the innermost path's cost is spent here, but for the last ``leaving`` cycles."""

    leaving: int


@dataclass(frozen=True, slots=True)
class PathEnd(Op[None]):
    """End of the innermost path: the rest of its cost is spent here."""

    name: str


class Path:
    """``async with Path("user.fetch"):`` makes the enclosed software cost what costs.toml says.

    Published costs are totals of a path through the code. Operations inside the path are charged
    against that total, and what they leave is spent at its end. Where they need more, as in work
    whose amount varies, the path costs what they need. Cycles that the user-interrupt hardware
    needs, and other code that interrupts the path, come on top.

    A path that ends by showing its result to another hart awaits `work` before it does, since the
    other must not see the result before the work is done.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def on_top(cls) -> "Path":
        """What is enclosed is not charged against the path around it but comes on top of it."""
        return cls("")

    async def spend(self) -> None:
        """Spend the whole cost of a path that encloses nothing."""
        await PathBegin(self.name)
        await PathEnd(self.name)

    async def __aenter__(self) -> "Path":
        await PathBegin(self.name)
        return self

    async def work(self, *, leaving: int) -> None:
        """Spend what is left of the path's cost, but for ``leaving`` cycles for its last steps."""
        await PathWork(leaving)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not GeneratorExit:  # a coroutine that is thrown away performs no more operations
            await PathEnd(self.name)
