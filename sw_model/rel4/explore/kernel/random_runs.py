"""Random runs: all operations, arbitrary invocations, policies, flavours, 1 to 4 harts, ticks.

A run is decided by its seed: the shape of the world, what its threads do, and who moves when. What
must hold is what holds after every step of the explorer; threads may destroy each other.
"""

import json
import os
import random
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rel4.abi.numbers import CapSlot, Invocation
from rel4.bench.campaign import Conduct, Store, run_campaign
from rel4.bench.results import source_commit
from rel4.explore.kept import store_at
from rel4.explore.source import key as key_of
from rel4.kernel import policies
from rel4.kernel.invariants import violations
from rel4.machine.device import run_sync
from uintr.registers import Flavour

from .hardware import hardware_violations
from .operations import ROOT, THIRD, VICTIM, suits
from .undone import errors_are_undone
from .world import Actor, Cap, Operation, World

__all__ = ["RandomRun", "Shape", "random_runs", "store_random_runs"]

FOUND = 1
MOVES = 250
LENGTH = 12
"""Operations of each thread."""
AT_ONCE = 25
"""Runs of one shape, for which the world is made once."""
POLICIES = (
    policies.Tick,
    policies.TickSmp,
    policies.Ipi,
    policies.Inline,
    policies.Uipi,
    policies.Poll,
    policies.Spread,
    policies.Adaptive,
)
WORDS = (0, 1, 2, 3, 5, 63, 64, 255, 1 << 12, 1 << 40, (1 << 64) - 1)
PLACES = (*Cap, *(Cap.FREE + n for n in range(4)), *range(1, 8), CapSlot.FIRST_UNTYPED)


@dataclass(frozen=True)
class Shape:
    """What a world of random runs is made of."""

    flavour: Flavour
    policy: int
    harts: int


@dataclass
class RandomRun:
    """What came of one run: ``faults`` are what must not be."""

    seed: int
    flavour: str
    policy: str
    harts: int
    moves: int = 0
    operations: int = 0
    faults: list[str] = field(default_factory=list)


def _arbitrary(rng: random.Random) -> Operation:
    label = rng.choice(list(Invocation))
    cap, extra = rng.choice(PLACES), tuple(rng.choice(PLACES) for _ in range(rng.randrange(4)))
    words = tuple(
        rng.choice((rng.choice(WORDS), rng.choice(PLACES))) for _ in range(rng.randrange(7))
    )

    async def run(actor: Actor) -> Any:
        return (await actor.kernel.invoke(int(cap), label, words, tuple(map(int, extra)))).error

    return Operation(label.name, run)


def _operations(rng: random.Random, flavour: Flavour) -> list[Operation]:
    known = ROOT | VICTIM | THIRD
    names = sorted(name for name in known if suits(name, flavour))
    return [
        _arbitrary(rng) if rng.randrange(4) == 0 else known[rng.choice(names)]
        for _ in range(LENGTH)
    ]


async def _play(world: World, rng: random.Random, run: RandomRun) -> None:
    machine, kernel = world.machine, world.kernel
    waited = [0] * len(machine.harts)  # moves of others since a hart looked last
    while run.moves < MOVES and not machine.stopped:
        able = [
            hart.index
            for hart in map(machine.hart, range(len(waited)))
            if hart.stands and (waited[hart.index] or not hart.polls)
        ]
        if not able or rng.randrange(20) == 0:
            machine.tick(rng.randrange(len(waited)))
        else:
            index = rng.choice(able)
            waited = [0 if n == index else count + 1 for n, count in enumerate(waited)]
            machine.hart(index).go()
        run.moves += 1
        await machine.settle()
        if run.moves % 10 == 0 and not any(
            machine.hart(index).in_kernel for index in range(len(waited))
        ):
            run.faults.extend(hardware_violations(kernel))
        if run.faults:
            return
    if not any(machine.hart(index).in_kernel for index in range(len(waited))):
        run.faults.extend([*violations(kernel), *hardware_violations(kernel)])


def _run(world: World, shape: Shape, seed: int) -> RandomRun:
    rng = random.Random(f"kernel/{seed}")
    run = RandomRun(seed, shape.flavour.value, POLICIES[shape.policy].name, shape.harts)
    for actor in world.actors:
        actor.operations = _operations(rng, shape.flavour)
    try:
        with errors_are_undone(world.kernel, run.faults.append):
            run_sync(world.begin())
            run_sync(_play(world, rng, run))
    except Exception:
        run.faults.append(traceback.format_exc(limit=-4))
    run.operations = sum(len(actor.answers) for actor in world.actors)
    return run


def _shape(number: int) -> Shape:
    rng = random.Random(f"shape/{number}")
    return Shape(rng.choice(list(Flavour)), rng.randrange(len(POLICIES)), rng.randrange(1, 5))


def random_runs(first: int, count: int) -> Iterator[RandomRun]:
    """Runs of the seeds from ``first`` on. Each is a process of its own, which is forked from the
    prepared world of its shape."""
    world, number = None, -1
    for seed in range(first, first + count):
        if seed // AT_ONCE != number:
            number = seed // AT_ONCE
            shape = _shape(number)
            world = World(
                [(), (), ()],
                flavour=shape.flavour,
                policy=POLICIES[shape.policy],
                harts=shape.harts,
            )
            run_sync(world.set_up())
        assert world is not None
        ours, theirs = os.pipe()
        child = os.fork()
        if not child:
            code = 1
            try:
                data = json.dumps(asdict(_run(world, shape, seed))).encode()
                with os.fdopen(theirs, "wb", closefd=False) as pipe:
                    pipe.write(data)
                code = 0
            finally:
                os._exit(code)
        os.close(theirs)
        with os.fdopen(ours, "rb") as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        yield RandomRun(**json.loads(answer))


@dataclass(frozen=True)
class _Runs:
    """A task: runs of consecutive seeds, of one shape."""

    first: int
    count: int
    commit: str | None

    def run(self, key: str, store: Store) -> None:
        sums: dict[str, Any] = {"commit": self.commit, "first": self.first, "runs": self.count}
        sums.update(moves=0, operations=0, wrong={})
        for run in random_runs(self.first, self.count):
            sums["shape"] = f"{run.flavour} {run.policy} {run.harts}"
            sums["moves"] += run.moves
            sums["operations"] += run.operations
            if run.faults:
                sums["wrong"][str(run.seed)] = run.faults[:3]
        store.add(key, sums)


def store_random_runs(seeds: range, conduct: Conduct, path: Path | None = None) -> int:
    """Make the runs of ``seeds``; 0 if nothing was wrong, 1 if something was. Figures are kept in
    ``path``, from which the same runs go on."""
    commit = source_commit()  # once: somebody may commit while they run
    tasks = {}
    for first in range(seeds.start - seeds.start % AT_ONCE, seeds.stop, AT_ONCE):
        begin, end = max(first, seeds.start), min(first + AT_ONCE, seeds.stop)
        name = key_of("kernel", first=begin, count=end - begin)
        tasks[name] = _Runs(begin, end - begin, commit)
    with store_at(path) as store:
        found = run_campaign(
            tasks,
            lambda todo: [partial(task.run, key, store) for key, task in todo.items()],
            store=store,
            conduct=conduct,
            name="random",
            unit="run",
            weight=lambda task: task.count,
        )
    wrong = {seed: faults for each in found.values() for seed, faults in each["wrong"].items()}
    for seed, faults in wrong.items():
        print(f"seed {seed}: {faults[0]}")
    runs, moves = (sum(each[name] for each in found.values()) for name in ("runs", "moves"))
    print(f"kernel: {len(wrong)} of {runs} random runs went wrong ({moves} moves)")
    return FOUND if wrong else 0
