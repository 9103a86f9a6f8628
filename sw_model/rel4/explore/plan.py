"""Which operations are local: what makes the search finish.

An operation is *local* if no operation that another actor can perform between it and the actor's
operation before can influence it or be influenced by it. Then it can be moved to right behind the
one before, and no actor sees a difference. So the explorer performs local operations at once, and
leaving out the other orders loses no local state of any actor and no final state. At every state
that is kept, all actors are tried; and since an actor's run of local operations must end, nobody is
put off for ever.

Local are: a load of a word that no other actor writes; a store to a word, or an atomic operation on
one, that no other actor accesses; in the weak memory model any store, since it goes into the hart's
own buffer; a fence, unless it has to wait for that buffer; the return from the interrupt handler. A
fence that orders loads is done as early as possible, because loads behind a later one can give no
more than loads behind an earlier one.

"Other actor" means one that can do something in between. The thread waits while its interrupt
handler runs, so it is no other actor for the handler. On one hart the kernel runs to its end, and
nobody is another actor for it.

Who accesses what is not declared but observed: at an access that was not known the exploration
begins again, knowing it (`Learned`). In the last one all accesses were known; and no run has
another one, because the first of them would come after a part of the run that is explored, in some
order.
"""

from typing import Any

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

from .actors import End, ExploreError, Failure, Node
from .memory import orders
from .program import AwaitWake, Program
from .state import Actor

__all__ = ["Accesses", "Learned", "Plan", "Planner"]


class Learned(Exception):  # noqa: N818  # no error: the exploration begins again
    """An actor accessed a word as it was not known to."""


class Accesses:
    """Who reads and who writes each word, as bit sets of actors."""

    def __init__(self) -> None:
        self.read: dict[int, int] = {}
        self.written: dict[int, int] = {}


class Plan:
    """How to perform a node's operation.

    Members
    -------
    slot : place of the word in `State.memory`; -1: nobody writes it, it is 0
    local : it is performed at once
    shared : the word is touched by both harts
    empties : it waits until the hart's buffer is empty
    zero : a load of a word that nobody writes
    bad : what has gone wrong when this node is reached; empty if nothing has
    """

    __slots__ = (
        "address",
        "bad",
        "empties",
        "kind",
        "local",
        "op",
        "shared",
        "slot",
        "value",
        "zero",
    )

    def __init__(self, op: Op[Any]) -> None:
        self.op: Any = op
        self.kind = type(op)
        self.address: int = getattr(op, "address", -1)
        self.value: int = getattr(op, "value", 0)
        self.slot = -1
        self.local = False
        self.shared = False
        self.empties = False
        self.zero = False
        self.bad = ""


class Planner:
    """Makes plans.

    Parameters
    ----------
    program, weak, accesses, reduce : as for `System`

    Members
    -------
    hart : of each actor
    slots : places of words in `State.memory`
    """

    def __init__(self, program: Program, *, weak: bool, accesses: Accesses, reduce: bool) -> None:
        two = program.harts == 2
        self.hart = (0, 0, 1 if two else 0)
        self.slots = {address: slot for slot, address in enumerate(sorted(accesses.written))}
        self._program = program
        self._weak = weak
        self._accesses = accesses
        self._reduce = reduce
        bit = [1 << actor for actor in Actor]
        self._others = (bit[1] | bit[2], bit[2], bit[0] | bit[1] if two else 0)
        self._of_hart = [sum(bit[a] for a in Actor if self.hart[a] == hart) for hart in (0, 1)]

    def reads(self, hart: int, address: int) -> bool:
        """True if an actor of ``hart`` reads the word."""
        return bool(self._accesses.read.get(address, 0) & self._of_hart[hart])

    def branches(self, actor: Actor, op: Op[Any]) -> bool:
        """False if ``op`` is a load that is local."""
        written = self._accesses.written
        return not isinstance(op, Load) or bool(written.get(op.address, 0) & self._others[actor])

    def make(self, actor: Actor, node: Node) -> Plan:
        """The plan of ``actor``'s ``node``."""
        op = node.op
        plan = Plan(op)
        others = self._others[actor]
        plan.slot = self.slots.get(plan.address, -1)
        read = self._accesses.read.get(plan.address, 0)
        written = self._accesses.written.get(plan.address, 0)
        match op:
            case Load():
                plan.local = not written & others
                plan.zero = bool(read >> actor & 1) and not written
            case Store():
                plan.local = not (read | written) & others
            case Swap() | AmoAdd() | AmoOr():
                plan.local = not (read | written) & others
                plan.empties = self._weak
            case Fence():
                plan.local = True
                plan.empties = self._weak and orders(op.kind, "w", "r")
            case Uret():
                plan.local = True
            case AwaitWake():
                plan.empties = self._weak  # the kernel begins by taking its lock
            case Uipi() | Ecall() | SpinWhile() | End() | Failure():
                pass
            case _:
                raise ExploreError(f"an explored program cannot perform {op}")
        if self._weak:
            plan.shared = bool((read | written) & self._of_hart[1 - self.hart[actor]])
            if plan.shared and isinstance(op, Store):
                plan.local = True  # into the buffer, where nobody else looks
        if not others:
            plan.local = not isinstance(op, AwaitWake | End | Failure)
        elif not self._reduce:
            plan.local = False
        plan.bad = op.reason if isinstance(op, Failure) else self._program.blame(node.ledger)
        return plan
