"""Schedules: who moves when, and what a world that is played to its end looks like.

In a *coarse* schedule whoever enters the kernel leaves it before another hart moves. Only a post,
which is no operation of the kernel, may come in between: when a thread has trapped, and the kernel
done nothing yet. The outcomes of all coarse schedules are what is right. A *fine* schedule may
change harts at every stop; whatever it does, its outcome must be one of those.

A schedule branches by `os.fork`: the child takes the other way, and nothing is done twice.
"""

import gc
import mmap
import os
import pickle
import sys
import traceback
from dataclasses import dataclass, field
from typing import Any

from rel4.kernel.invariants import violations
from rel4.kernel.uintr_context import UserInterruptState
from rel4.machine.device import run_sync
from uintr.registers import Feature

from .hardware import hardware_books, hardware_violations, pending, receivers
from .undone import errors_are_undone
from .world import Role, World

__all__ = ["Result", "play_all"]

LOCAL = {"CsrClear", "CsrSet", "CsrWrite", "CsrRead"}
"""Stops of a thread between which no other hart does anything to it that it could tell apart."""
POSTS = {"Uipi SEND", "SendUipi"}
"""Stops of a thread that may come while another waits to be let into the kernel."""
EXPECTED = ("page fault", "SENDUIPI", "no capability")
"""Faults that a thread brings on itself: no memory, no entry, no capability."""
SLOTS = 1 << 18
MOST_MOVES = 600
"""A world that is moved more often than that goes round in circles."""


@dataclass
class Result:
    """What one schedule led to.

    Parameters
    ----------
    outcome : what the order of operations decides
    faults : what must not be, in sentences
    moves : what was done, by hart, as "hart: stop"
    states : hashes of the states that it went through
    known : it came to a state from which another schedule has gone on, and ended there
    """

    outcome: tuple[Any, ...] = ()
    faults: list[str] = field(default_factory=list)
    moves: list[str] = field(default_factory=list)
    states: set[int] = field(default_factory=set)
    known: bool = False


class Visited:
    """Hashes of states, in memory that a process shares with those that it forks. They run one at a
    time, so there is no lock. With ``first``, all come to their end after the first fault."""

    def __init__(self, *, first: bool) -> None:
        self._memory = mmap.mmap(-1, 8 * (SLOTS + 1))
        self._words = memoryview(self._memory).cast("Q")
        self._first = first

    def found(self) -> None:
        """A schedule led to a fault."""
        self._words[SLOTS] = self._first

    @property
    def enough(self) -> bool:
        """No other schedule need be played."""
        return bool(self._words[SLOTS])

    def add(self, state: int) -> bool:
        """Remember a state; False if it was known."""
        word = state & (1 << 64) - 1 or 1
        slot = word % SLOTS
        for _ in range(SLOTS):
            if self._words[slot] == word:
                return False
            if not self._words[slot]:
                self._words[slot] = word
                return True
            slot = (slot + 1) % SLOTS
        raise RuntimeError("there are too many states to remember")


class Player:
    """Plays a world to its end, along every schedule within ``deviations``.

    Parameters
    ----------
    world : prepared
    coarse : change harts only where none is in the kernel
    deviations : how often a fine schedule may leave the hart that moved last though it could go on
    ticks : harts whose timer is due once, at any time
    first : play no other schedule when one has led to a fault
    """

    def __init__(
        self,
        world: World,
        *,
        coarse: bool,
        deviations: int = 1,
        ticks: tuple[int, ...] = (),
        first: bool = False,
    ) -> None:
        self._world = world
        self._machine = world.machine
        self._machine.endless = True
        self._coarse = coarse
        self._left = deviations
        self._ticks = list(ticks)
        self._last = -1
        self._moved = [0] * len(self._machine.harts)  # moves of others since it began to look
        self._visited = Visited(first=first)
        self.result = Result()

    # --- who can move -----------------------------------------------------------------------------

    def _able(self, index: int) -> bool:
        hart = self._machine.hart(index)
        return hart.stands and not (hart.polls and not self._moved[index])

    async def _move(self, index: int) -> None:
        hart = self._machine.hart(index)
        self.result.moves.append(f"{index}: {hart.at}")
        for other in range(len(self._moved)):
            self._moved[other] = 0 if other == index else self._moved[other] + 1
        self._last = index
        hart.go()
        await self._machine.settle()

    def _state(self) -> int:
        """What every hart has seen (with the tickets of the lock, hence also in which order), where
        it stands, what is pending, and what the receivers hold."""
        harts = [self._machine.hart(hart.index) for hart in self._machine.harts]
        return hash(
            (
                tuple((h.seen, h.at, h.line, h.ipi, h.supervisor_line) for h in harts),
                tuple(self._ticks),
                receivers(self._world.kernel),
            )
        )

    def _fork(self, ways: int) -> int:
        """Take every one of ``ways``: answers which one this process goes."""
        for way in range(1, ways):
            child = os.fork()
            if not child:
                self.result.states = set()
                return way
            os.waitpid(child, 0)
            if self._visited.enough:
                self.result.known = True
                break
        return 0

    # --- to the end -------------------------------------------------------------------------------

    async def play(self) -> None:
        """Play to the end. Every process that returns has one result."""
        try:
            with errors_are_undone(self._world.kernel, self.result.faults.append):
                await (self._play_coarse() if self._coarse else self._play_fine())
        except Exception:
            self.result.faults.append(f"Python: {traceback.format_exc(limit=-3)}")
        else:
            if not self.result.known:
                self._finish()
        if self.result.faults:
            self._visited.found()

    async def _play_fine(self) -> None:
        while len(self.result.moves) < MOST_MOVES:
            self._look()
            able = [index for index in range(len(self._moved)) if self._able(index)]
            ways: list[tuple[str, int, int]] = []  # what, hart, what it costs
            if self._last in able:
                ways.append(("go", self._last, 0))
            forced = not ways
            ways.extend(("go", index, 0 if forced else 1) for index in able if index != self._last)
            ways = [way for way in ways if way[2] <= self._left]
            ways.extend(("tick", index, 0) for index in sorted(set(self._ticks)))
            if not ways:
                return
            if len(ways) > 1 and not self._visited.add(
                hash((self._state(), self._last, self._left, tuple(map(bool, self._moved))))
            ):
                self.result.known = True
                return
            what, index, cost = ways[self._fork(len(ways))]
            if self.result.known:
                return
            self._left -= cost
            if what == "tick":
                self._ticks.remove(index)
                self.result.moves.append(f"{index}: (timer)")
                self._machine.tick(index)
                await self._machine.settle()
            else:
                await self._move(index)
        self.result.faults.append("the harts go round in circles")

    async def _play_coarse(self) -> None:
        while True:
            await self._rest()
            able = [index for index in range(len(self._moved)) if self._able(index)]
            stops = {index: self._machine.hart(index).at for index in able}
            ways = [("go", index, index) for index in able]
            ways.extend(("tick", index, index) for index in sorted(set(self._ticks)))
            ways.extend(
                ("post", index, other)
                for index in able
                for other in able
                if stops[index] == "Ecall" and stops[other] in POSTS
            )
            if not ways:
                return
            if len(ways) > 1 and not self._visited.add(self._state()):
                self.result.known = True
                return
            what, index, other = ways[self._fork(len(ways))]
            if self.result.known:
                return
            if what == "tick":
                self._ticks.remove(index)
                self._machine.tick(index)
                await self._machine.settle()
                continue
            await self._move(index)
            if what == "post":
                await self._move(other)
            hart = self._machine.hart(index)
            while hart.in_kernel or (hart.stands and hart.at.split()[0] in LOCAL):
                if not await self._push(index):
                    break

    async def _push(self, index: int) -> bool:
        """Move a hart, or, if it waits for others, those; False if nothing can be moved."""
        if self._able(index):
            await self._move(index)
            return True
        hart = self._machine.hart(index)
        if not hart.in_kernel:
            return False
        others = [n for n in range(len(self._moved)) if n != index and self._able(n)]
        if not others:
            return False
        await self._move(others[0])
        return True

    async def _rest(self) -> None:
        """Let everyone leave the kernel, and take what interrupts it."""
        while True:
            inside = [
                index
                for index in range(len(self._moved))
                if self._able(index) and self._machine.hart(index).restless
            ]
            if not inside:
                return
            await self._move(inside[0])
            if len(self.result.moves) > MOST_MOVES:
                raise RuntimeError("the harts go round in circles")

    # --- looking ----------------------------------------------------------------------------------

    def _look(self) -> None:
        self.result.states.add(self._state())
        if not any(self._machine.hart(index).in_kernel for index in range(len(self._moved))):
            self.result.faults.extend(self._hardware())

    def _hardware(self) -> list[str]:
        """What is wrong with it. One that tells the kernel of no post is looked at every tick, so
        something may be pending until then."""
        kernel = self._world.kernel
        tells = Feature.NOTIFY in self._machine.device.config.features
        return hardware_violations(kernel) if tells else hardware_books(kernel)

    def _finish(self) -> None:
        world, harts = self._world, self._world.kernel.state.harts
        faults = self.result.faults
        for index in range(len(self._moved)):
            if self._machine.hart(index).in_kernel:
                faults.append(f"hart {index} waits in the kernel for ever")
        faults.extend(violations(world.kernel))
        faults.extend(self._hardware())
        for scheduler in harts.schedulers:
            if scheduler.spare is False and scheduler.current is scheduler.idle:
                faults.append(f"hart {scheduler.hart} is idle while a thread could run there")
        for actor in world.actors:
            faults.extend(actor.complaints)
            tcb = world.tcbs[actor.role]
            fault = tcb.context.fault if tcb.context is not None else ""
            if tcb.runnable and not actor.done:
                faults.append(f"{tcb.name} could run and has not run to its end")
            if fault and not any(known in fault for known in EXPECTED):
                faults.append(f"{tcb.name} faulted: {fault}")
        self.result.outcome = self._outcome()

    def _outcome(self) -> tuple[Any, ...]:
        world = self._world
        threads = tuple(
            (
                tuple(actor.answers),
                actor.done,
                "DONE" if actor.done else world.tcbs[actor.role].state.name,
                world.tcbs[actor.role].affinity,
            )
            for actor in world.actors
        )
        signals = tuple(self._signals(role) for role in (Role.ROOT, Role.VICTIM))
        return (threads, signals, world.plain.word, len(world.endpoint.queue))

    def _signals(self, role: Role) -> int:
        """Vectors that reached the thread, or will when it runs."""
        world = self._world
        state = world.tcbs[role].find(UserInterruptState)
        found = world.actors[role].taken
        if state is not None and state.receiver is not None:
            found |= pending(world.kernel, state)
        return found


def play_all(world: World, **how: Any) -> list[Result]:
    """Play a prepared world along every schedule; ``how`` as `Player`. The world stays as it is."""
    ours, theirs = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os.close(ours)
        code = 1
        gc.freeze()  # what is here already is not looked at, and so not copied, in every fork
        try:
            player = Player(world, **how)
            run_sync(player.play())
            data = pickle.dumps(player.result)
            with os.fdopen(theirs, "wb", closefd=False) as pipe:
                pipe.write(len(data).to_bytes(4, "little") + data)
            code = 0
        finally:
            os._exit(code)
    os.close(theirs)
    results: list[Result] = []
    with os.fdopen(ours, "rb") as pipe:
        while head := pipe.read(4):
            results.append(pickle.loads(pipe.read(int.from_bytes(head, "little"))))
    os.waitpid(child, 0)
    return results
