"""The steps between states.

The explorer stands where the harts of a simulated machine stand. Its user hart runs a thread, and
on top of it, whenever a user interrupt is pending and none is being served, the interrupt handler.
The kernel runs on a hart of its own, or (one hart) on top of the thread or its handler at any later
moment, and then to its end, because inside the kernel no interrupt is taken.

A step is one operation of one actor, with the local ones that follow it (`rel4.explore.plan`), or
one store that leaves a hart's buffer (`rel4.explore.memory`).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from rel4.abi.numbers import SysCall
from rel4.machine.ops import (
    AmoAdd,
    AmoOr,
    Ecall,
    Fence,
    Load,
    Registers,
    SpinWhile,
    Store,
    Swap,
    Uipi,
    Uret,
)
from uintr.registers import UipiFunction

from .actors import Automaton, End, ExploreError, Failure, Node
from .memory import BARRIER, demand, drainable, orders, quarrel
from .plan import Accesses, Learned, Plan, Planner
from .program import DEREGISTER, SIGNAL, WAKE, AwaitWake, Program
from .state import Actor, Choice, State, Work
from .trace import Line, describe

__all__ = ["System"]

WORD = (1 << 64) - 1
AMO = (Swap, AmoAdd, AmoOr)
ASKED = {WAKE: "the handler is ready", DEREGISTER: "deregister the buffer", SIGNAL: "signal"}


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
        self._weak = weak and program.harts == 2
        self._planner = Planner(program, weak=self._weak, accesses=accesses, reduce=reduce)
        self._hart = self._planner.hart
        self._slots = self._planner.slots
        self.addresses = list(self._slots)
        self._learning = learning
        self.bad: tuple[set[int], set[int], set[int]] = (set(), set(), set())
        self.operations = 0
        self._reads = [
            [self._planner.reads(hart, address) for address in self.addresses] for hart in (0, 1)
        ]
        self.automata = [
            Automaton(
                make,
                worth=partial(self._planner.branches, actor),
                name=program.name_of(actor),
                merge=merge,
            )
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

    def initial(self, lines: list[Line] | None = None) -> State:
        """The state before anything has happened, except local operations."""
        program = self.program
        memory = [0] * len(self.addresses)
        nodes: list[Node | None] = [automaton.root for automaton in self.automata]
        nodes[Actor.INTERRUPT] = None
        empty = ((),) * program.harts
        state = State(tuple(memory), empty, empty, 0, program.wake, (0, -1, 0))
        work = Work(state, nodes, lines)
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
        if plan.empties and not self._reduce and state.buffers[hart]:
            end = 0
        elif kind is Load:
            end += len(self._earlier(state, hart, plan)) + self._waiting(state, hart, plan)
        elif kind in AMO:
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

    def _earlier(self, state: State, hart: int, plan: Plan) -> tuple[int, ...]:
        """What else a load of the plan's word may give than the newest value, oldest first."""
        if plan.shared and state.early[hart] and not self._holds(state.buffers[hart], plan):
            for slot, values in state.early[hart]:
                if slot == plan.slot:
                    return values
        return ()

    def _waiting(self, state: State, hart: int, plan: Plan) -> int:
        """Stores to the plan's word that can be demanded from the other hart's buffer."""
        if not plan.shared or not self._reduce or self._holds(state.buffers[hart], plan):
            return 0
        return sum(entry[0] == plan.slot for entry in state.buffers[1 - hart])

    @staticmethod
    def _holds(buffer: Sequence[tuple[int, int]], plan: Plan) -> bool:
        return any(entry[0] == plan.slot for entry in buffer)

    def step(self, state: State, choice: Choice, lines: list[Line] | None = None) -> State:
        """The state after ``choice``; appends what happened to ``lines``, if given."""
        automata = self.automata
        nodes = [
            None if number < 0 else automaton.nodes[number]
            for automaton, number in zip(automata, state.at, strict=True)
        ]
        work = Work(state, nodes, lines)
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

    def _go_on(self, work: Work, actor: Actor) -> None:
        """Perform local operations of ``actor`` for as long as there are any."""
        hart = self._hart[actor]
        while (node := work.at[actor]) is not None:
            plan = self._plan(actor, node)
            if not plan.local or (plan.empties and work.buffers[hart]):
                return
            if plan.zero and work.lines is None:
                work.operations += 1
                work.at[actor] = self.automata[actor].follow(node, 0)
            else:
                self._perform(work, actor, 0)

    # --- operations -------------------------------------------------------------------------------

    def _plan(self, actor: Actor, node: Node) -> Plan:
        plan: Plan | None = node.plan
        if plan is None:
            plan = node.plan = self._planner.make(actor, node)
            if plan.bad:
                self.bad[actor].add(node.number)
        if self._learning:
            plan.slot = self._slots.get(plan.address, -1)  # it may have come since
            plan.zero = False
        return plan

    def _seen(self, buffer: Sequence[tuple[int, int]], memory: Sequence[int], plan: Plan) -> int:
        """The newest value of the plan's word as its hart sees it."""
        for slot, value in reversed(buffer):
            if slot == plan.slot:
                return value
        return memory[plan.slot] if 0 <= plan.slot < len(memory) else 0

    def _touch(self, work: Work, actor: Actor, plan: Plan, *, write: bool) -> None:
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

    def _perform(self, work: Work, actor: Actor, option: int) -> None:
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
        elif kind in AMO:
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
            if actor is Actor.USER:
                work.wake |= WAKE
            else:
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
            work.early[hart].clear()
            note = f": {ASKED[result]}"
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

    def _write(self, work: Work, hart: int, slot: int, value: int) -> None:
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

    def _demand(self, work: Work, hart: int, plan: Plan, count: int) -> None:
        """Let the first ``count`` stores to the plan's word leave the other hart's buffer."""
        if count > 0:
            for gone, position in enumerate(demand(work.buffers[1 - hart], plan.slot, count)):
                self._drain(work, 1 - hart, position - gone, tidy=False)
            self._tidy(work.buffers[1 - hart])

    @staticmethod
    def _tidy(buffer: list[tuple[int, int]]) -> None:
        while buffer and buffer[0] == BARRIER:
            buffer.pop(0)

    def _drain(self, work: Work, hart: int, position: int, *, tidy: bool = True) -> None:
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
