"""States of harts, memory and devices, and the steps between them.

The explorer stands where the harts of a simulated machine stand. Its user hart runs a thread, and
on top of it, whenever a user interrupt is pending and none is being served, the interrupt handler.
The kernel runs on a hart of its own, or (one hart) on top of the thread or its handler at any later
moment, and then to its end, because inside the kernel no interrupt is taken.

A step is one operation of one actor (`Actor`), or one store that leaves a hart's buffer; the actor
then goes on by itself through all operations that are *local*: those that no operation of another
actor can influence or be influenced by, now or ever. A local operation can be moved in front of all
that other actors do since the actor's operation before, without any actor seeing a difference; so
leaving out the other orders loses no local state of any actor and no final state. Which words
others read and write is not declared but observed: whenever an access is seen for the first time,
the exploration begins again with what is known now (`Learned`). In the last exploration all accesses
are known, and the first unknown one of any run would have come up in it, since all that happens
before that access is explored.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from rel4.abi.numbers import SysCall
from rel4.machine.ops import (
    AmoAdd,
    AmoOr,
    Ecall,
    Fence,
    Load,
    Op,
    Registers,
    SpinWhile,
    Store,
    Swap,
    Uipi,
    Uret,
)
from uintr.registers import UipiFunction

from .actors import Automaton, End, ExploreError, Failure, Node
from .memory import BARRIER, Buffer, Early, demand, drainable, orders, quarrel
from .program import DEREGISTER, SIGNAL, WAKE, AwaitWake, Program
from .trace import Line, describe

__all__ = ["Actor", "Choice", "Learned", "State", "System"]

WORD = (1 << 64) - 1


class Actor(IntEnum):
    """Streams of operations."""

    USER = 0
    INTERRUPT = 1
    KERNEL = 2


class State(NamedTuple):
    """One state. Of each actor there is the number of its automaton's node; -1: it does not run.

    ``pending`` holds user-interrupt vectors, ``wake`` what the kernel is asked to do.
    """

    memory: tuple[int, ...]
    buffers: tuple[Buffer, ...]
    early: tuple[Early, ...]
    pending: int
    wake: int
    at: tuple[int, int, int]


class Choice(NamedTuple):
    """A step: of ``actor`` (its ``option``-th result), or, if ``actor`` is None, the store at
    position ``option`` of hart ``hart``'s buffer reaches memory."""

    actor: Actor | None
    option: int
    hart: int = 0


class Learned(Exception):  # noqa: N818  # no error: the exploration begins again
    """An actor accessed a word as it was not known to."""


class Accesses:
    """Who reads and who writes each word, as bit sets of actors."""

    def __init__(self) -> None:
        self.read: dict[int, int] = {}
        self.written: dict[int, int] = {}


class _Plan:
    """What `System` remembers of a node: how to perform its operation, and whether it is local."""

    __slots__ = ("address", "bad", "empties", "kind", "local", "op", "shared", "slot", "value")

    def __init__(self, op: Op[Any]) -> None:
        self.op = op
        self.kind = type(op)
        self.address: int = getattr(op, "address", -1)
        self.value: int = getattr(op, "value", 0)
        self.slot = -1
        self.local = False
        self.shared = False  # the word is touched by both harts
        self.empties = False  # the operation waits until the hart's buffer is empty
        self.bad = ""


class _Work:
    """A state being changed."""

    __slots__ = ("at", "buffers", "early", "lines", "memory", "operations", "pending", "wake")

    def __init__(self, state: State, nodes: list[Node | None], lines: "list[Line] | None") -> None:
        self.memory = list(state.memory)
        self.buffers = [list(buffer) for buffer in state.buffers]
        self.early = [dict(early) for early in state.early]
        self.pending = state.pending
        self.wake = state.wake
        self.at = nodes
        self.lines = lines
        self.operations = 0

    def freeze(self) -> State:
        at = self.at
        return State(
            tuple(self.memory),
            tuple(map(tuple, self.buffers)),
            tuple([tuple(sorted(early.items())) if early else () for early in self.early]),
            self.pending,
            self.wake,
            tuple([-1 if node is None else node.number for node in at]),  # type: ignore[arg-type]
        )


class System:
    """The steps of ``program``.

    Parameters
    ----------
    program : what the actors run
    weak : memory model ``rvwmo`` instead of ``sc``; on one hart there is no difference
    accesses : what is known of who accesses what
    reduce : let actors go on through local operations
    merge : treat like local states as one
    learning : take accesses that are new as they come; for the walk along single runs only

    Members
    -------
    bad : nodes of each actor in which something has gone wrong already
    operations : performed in all steps
    """

    def __init__(
        self,
        program: Program,
        *,
        weak: bool,
        accesses: Accesses,
        reduce: bool = True,
        merge: bool = True,
        learning: bool = False,
    ) -> None:
        self.program = program
        self.accesses = accesses
        self._reduce = reduce
        two = program.harts == 2
        self._weak = weak and two
        self._hart = (0, 0, 1 if two else 0)
        # Who can do something between two operations of an actor. The thread waits below its
        # handler; on one hart, nothing comes between two operations of the kernel.
        bit = [1 << actor for actor in Actor]
        self._others = (bit[1] | bit[2], bit[2], bit[0] | bit[1] if two else 0)
        self.addresses = sorted(accesses.written)
        self._slots = {address: slot for slot, address in enumerate(self.addresses)}
        self._elsewhere = tuple(
            sum(bit[other] for other in Actor if self._hart[other] != self._hart[actor])
            for actor in Actor
        )
        self._reads = [
            [
                any(accesses.read.get(address, 0) & bit[a] for a in Actor if self._hart[a] == hart)
                for address in self.addresses
            ]
            for hart in range(2)
        ]
        self._learning = learning
        self.bad: tuple[set[int], set[int], set[int]] = (set(), set(), set())
        self.operations = 0
        self.automata = [
            Automaton(make, worth=self._worth_of(actor), name=program.name_of(actor), merge=merge)
            for actor, make in zip(Actor, program.actors(), strict=True)
        ]

    def settled(self, state: State) -> tuple[int, ...]:
        """Memory of ``state`` once all buffers are empty."""
        memory = list(state.memory)
        for buffer in state.buffers:
            for slot, value in buffer:
                if slot >= 0:
                    memory[slot] = value
        return tuple(memory)

    def slot(self, name: str) -> int:
        """The place in `State.memory` of the word of that name; -1 if nobody writes it."""
        return self._slots.get(self.program.address(name), -1)

    def initial(self, lines: "list[Line] | None" = None) -> State:
        """The state before anything has happened, except local operations."""
        program = self.program
        memory = [0] * len(self.addresses)
        nodes: list[Node | None] = [automaton.root for automaton in self.automata]
        nodes[Actor.INTERRUPT] = None
        empty = ((),) * program.harts
        state = State(tuple(memory), empty, empty, 0, program.wake, (0, -1, 0))
        work = _Work(state, nodes, lines)
        for actor in (Actor.USER, Actor.KERNEL):
            self._go_on(work, actor)
        return work.freeze()

    # --- steps ------------------------------------------------------------------------------------

    def node(self, state: State, actor: Actor) -> Node | None:
        """Where ``actor`` is."""
        number = state.at[actor]
        return None if number < 0 else self.automata[actor].nodes[number]

    def choices(self, state: State) -> list[Choice]:
        """All steps that are possible."""
        found: list[Choice] = []
        thread = self.node(state, Actor.USER)
        handler = self.node(state, Actor.INTERRUPT)
        kernel = self.node(state, Actor.KERNEL)
        assert thread is not None
        assert kernel is not None
        if handler is not None:
            self._options(found, state, Actor.INTERRUPT, handler)
        else:
            self._options(found, state, Actor.USER, thread)
            if state.pending and not isinstance(thread.op, End | Failure):
                found.append(Choice(Actor.INTERRUPT, 0))
        self._options(found, state, Actor.KERNEL, kernel)
        if self._weak and (not self._reduce or quarrel(*state.buffers)):
            for hart, buffer in enumerate(state.buffers):
                found.extend(Choice(None, position, hart) for position in drainable(buffer))
        return found

    def _options(self, found: list[Choice], state: State, actor: Actor, node: Node) -> None:
        plan = self._plan(actor, node)
        hart = self._hart[actor]
        kind = plan.kind
        end = 1
        if kind is Load:
            end += len(self._earlier(state, hart, plan)) + self._waiting(state, hart, plan)
        elif plan.empties:
            if not self._reduce and state.buffers[hart]:
                end = 0
            elif plan.shared:
                end += self._waiting(state, hart, plan)
        elif kind is SpinWhile:
            end += self._waiting(state, hart, plan)
            if getattr(plan.op, "until", None) is None:
                values = [self._seen(state.buffers[hart], state.memory, plan)]
                if end > 1:
                    other = state.buffers[1 - hart]
                    values += [value for slot, value in other if slot == plan.slot]
                options = [n for n, value in enumerate(values) if value != plan.value]
                found.extend(Choice(actor, option) for option in options)
                return
        elif kind is AwaitWake:
            end = state.wake.bit_count()
        elif kind is End or kind is Failure:
            end = 0
        found.extend(Choice(actor, option) for option in range(end))

    def _earlier(self, state: State, hart: int, plan: _Plan) -> tuple[int, ...]:
        """What else a load of the plan's word may give than the newest value, oldest first."""
        if plan.shared and state.early[hart] and not self._holds(state.buffers[hart], plan):
            for slot, values in state.early[hart]:
                if slot == plan.slot:
                    return values
        return ()

    def _waiting(self, state: State, hart: int, plan: _Plan) -> int:
        """Stores to the plan's word that can be demanded from the other hart's buffer."""
        if not plan.shared or not self._reduce or self._holds(state.buffers[hart], plan):
            return 0
        return sum(entry[0] == plan.slot for entry in state.buffers[1 - hart])

    @staticmethod
    def _holds(buffer: Buffer, plan: _Plan) -> bool:
        return any(entry[0] == plan.slot for entry in buffer)

    def step(self, state: State, choice: Choice, lines: "list[Line] | None" = None) -> State:
        """The state after ``choice``; appends what happened to ``lines``, if given."""
        automata = self.automata
        nodes = [
            None if number < 0 else automaton.nodes[number]
            for automaton, number in zip(automata, state.at, strict=True)
        ]
        work = _Work(state, nodes, lines)
        actor = choice.actor
        if actor is None:
            self._drain(work, choice.hart, choice.option)
        else:
            if actor is Actor.INTERRUPT and nodes[actor] is None:
                # Between the entry and the handler's first operation nothing needs to come: what
                # others do there, they can as well do before, since entry only waits for `pending`.
                nodes[actor] = automata[actor].root
                if lines is not None:
                    lines.append(Line(0, "interrupt handler", "user interrupt is taken"))
            self._perform(work, actor, choice.option)
            self._go_on(work, actor)
        self.operations += work.operations
        return work.freeze()

    def _go_on(self, work: _Work, actor: Actor) -> None:
        """Perform local operations of ``actor`` for as long as there are any."""
        hart = self._hart[actor]
        while (node := work.at[actor]) is not None:
            plan = self._plan(actor, node)
            if not plan.local or (plan.empties and work.buffers[hart]):
                return
            self._perform(work, actor, 0)

    # --- operations -------------------------------------------------------------------------------

    def _worth_of(self, actor: Actor) -> Callable[[Op[Any]], bool]:
        """A local operation is performed at once: its node is not worth to be looked up."""
        others = self._others[actor]
        written = self.accesses.written

        def worth(op: Op[Any]) -> bool:
            return not isinstance(op, Load) or bool(written.get(op.address, 0) & others)

        return worth

    def _plan(self, actor: Actor, node: Node) -> _Plan:
        plan: _Plan | None = node.plan
        if plan is None:
            plan = node.plan = self._make_plan(actor, node)
        if self._learning:
            plan.slot = self._slots.get(plan.address, -1)  # it may have come since
        return plan

    def _make_plan(self, actor: Actor, node: Node) -> _Plan:
        op = node.op
        plan = _Plan(op)
        others = self._others[actor]
        plan.slot = self._slots.get(plan.address, -1)
        read = self.accesses.read.get(plan.address, 0)
        written = self.accesses.written.get(plan.address, 0)
        match op:
            case Load():
                plan.local = not written & others
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
            case Uipi() | Ecall() | SpinWhile() | AwaitWake() | End() | Failure():
                pass
            case _:
                raise ExploreError(f"an explored program cannot perform {op}")
        if self._weak:
            plan.shared = bool((read | written) & self._elsewhere[actor])
            if plan.shared and isinstance(op, Store):
                plan.local = True  # into the buffer, where nobody else looks
        if not others:
            plan.local = not isinstance(op, AwaitWake | End | Failure)
        elif not self._reduce:
            plan.local = False
        plan.bad = op.reason if isinstance(op, Failure) else self.program.blame(node.ledger)
        if plan.bad:
            self.bad[actor].add(node.number)
        return plan

    def _seen(self, buffer: Sequence[tuple[int, int]], memory: Sequence[int], plan: _Plan) -> int:
        """The newest value of the plan's word as its hart sees it."""
        for slot, value in reversed(buffer):
            if slot == plan.slot:
                return value
        return memory[plan.slot] if 0 <= plan.slot < len(memory) else 0

    def _touch(self, work: _Work, actor: Actor, plan: _Plan, *, write: bool) -> None:
        """Note an access; a word that is written has a place in memory."""
        accesses = self.accesses
        table = accesses.written if write else accesses.read
        if table.get(plan.address, 0) >> actor & 1:
            return
        table[plan.address] = table.get(plan.address, 0) | 1 << actor
        if not self._learning:
            raise Learned
        if write and plan.address not in self._slots:
            self._slots[plan.address] = len(self._slots)
            self.addresses.append(plan.address)
            self._reads[0].append(True)
            self._reads[1].append(True)
        plan.slot = self._slots.get(plan.address, -1)
        work.memory += [0] * (len(self.addresses) - len(work.memory))

    def _perform(self, work: _Work, actor: Actor, option: int) -> None:
        """Perform the operation that ``actor`` is at."""
        node = work.at[actor]
        assert node is not None
        plan = self._plan(actor, node)
        hart = self._hart[actor]
        kind = plan.kind
        op = plan.op
        result: Any = None
        note = ""
        work.operations += 1
        if plan.empties:
            while work.buffers[hart]:
                self._drain(work, hart, 0)
        if kind is Load:
            self._touch(work, actor, plan, write=False)
            values = work.early[hart].get(plan.slot, ()) if option else ()
            if 0 < option <= len(values):
                at = len(values) - option
                result = values[at]
                work.early[hart][plan.slot] = values[at:]
                note = " (performed early)"
            else:
                self._demand(work, hart, plan, option - len(values))
                result = self._seen(work.buffers[hart], work.memory, plan)
                work.early[hart].pop(plan.slot, None)
        elif kind is Store:
            self._touch(work, actor, plan, write=True)
            if plan.shared:
                work.buffers[hart].append((plan.slot, plan.value))
                note = " (into the hart's buffer)"
            else:
                self._write(work, hart, plan.slot, plan.value)
        elif kind is Swap or kind is AmoOr or kind is AmoAdd:
            self._touch(work, actor, plan, write=True)
            self._demand(work, hart, plan, option)
            work.early[hart].clear()
            result = work.memory[plan.slot]
            if kind is Swap:
                value = plan.value
            elif kind is AmoOr:
                value = result | plan.value
            else:
                value = result + plan.value & WORD
            self._write(work, hart, plan.slot, value)
        elif kind is Fence:
            buffer = work.buffers[hart]
            if buffer and buffer[-1] != BARRIER and orders(op.kind, "w", "w"):
                buffer.append(BARRIER)
            if orders(op.kind, "r", "r"):
                work.early[hart].clear()
        elif kind is SpinWhile:
            self._touch(work, actor, plan, write=False)
            self._demand(work, hart, plan, option)
            work.early[hart].pop(plan.slot, None)
        elif kind is Uipi and op.function is UipiFunction.SEND:
            work.pending |= 1 << op.operand
        elif kind is Uipi and op.function is UipiFunction.READ:
            result, work.pending = work.pending, 0
        elif kind is Ecall and op.registers.number == SysCall.WAKE_SYSCALL_HANDLER:
            result = Registers()
            work.wake |= WAKE
        elif kind is AwaitWake:
            bits = [1 << n for n in range(work.wake.bit_length()) if work.wake >> n & 1]
            result = bits[option]
            work.wake &= ~result
            asked = {WAKE: "handler is ready", DEREGISTER: "deregistration", SIGNAL: "signal"}
            note = f": {asked[result]}"
        elif kind is not Uret:
            raise ExploreError(f"an explored program cannot perform {op}")
        if work.lines is not None:
            field = self.program.field(plan.address) if plan.address >= 0 else ""
            shown = None if kind in (Ecall, AwaitWake) else result
            text = describe(op, shown, field, note)
            work.lines.append(Line(hart, node.task, text, op, result, plan.address))
        if kind is Uret:
            work.at[actor] = None
        else:
            work.at[actor] = self.automata[actor].follow(node, result)

    # --- memory -----------------------------------------------------------------------------------

    def _write(self, work: _Work, hart: int, slot: int, value: int) -> None:
        """``hart`` changes a word of memory."""
        old = work.memory[slot]
        work.memory[slot] = value
        if not self._weak:
            return
        work.early[hart].pop(slot, None)
        other = 1 - hart
        if old != value and self._reads[other][slot]:
            values = work.early[other].get(slot, ())
            work.early[other][slot] = (*values, old)

    def _demand(self, work: _Work, hart: int, plan: _Plan, count: int) -> None:
        """Let the first ``count`` stores to the plan's word leave the other hart's buffer."""
        if count > 0:
            for gone, position in enumerate(demand(work.buffers[1 - hart], plan.slot, count)):
                self._drain(work, 1 - hart, position - gone, tidy=False)
            self._tidy(work.buffers[1 - hart])

    @staticmethod
    def _tidy(buffer: list[tuple[int, int]]) -> None:
        while buffer and buffer[0] == BARRIER:
            buffer.pop(0)

    def _drain(self, work: _Work, hart: int, position: int, *, tidy: bool = True) -> None:
        """A store leaves the hart's buffer."""
        buffer = work.buffers[hart]
        slot, value = buffer.pop(position)
        if tidy:
            self._tidy(buffer)
        self._write(work, hart, slot, value)
        if work.lines is not None:
            field = self.program.field(self.addresses[slot])
            op = Store(self.addresses[slot], value)
            text = describe(op, None, field, " reaches memory")
            work.lines.append(Line(hart, "buffer", text, op, None, op.address))
