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
from pathlib import Path
from typing import Any

from rel4.abi.numbers import CapSlot, Invocation
from rel4.kernel import policies
from rel4.kernel.invariants import violations
from rel4.machine.device import run_sync
from uintr.registers import Flavour

from .hardware import hardware_violations
from .operations import ROOT, THIRD, VICTIM, suits
from .undone import errors_are_undone
from .world import Actor, Cap, Operation, World

__all__ = ["RandomRun", "Shape", "random_runs", "store_random_runs"]

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


def store_random_runs(first: int, count: int, store: Path | None) -> int:
    """Make runs and keep each as a line of JSON; returns how many had a fault."""
    wrong = done = moves = 0
    file = store.open("w", encoding="utf-8") if store is not None else None
    try:
        for run in random_runs(first, count):
            done, moves = done + 1, moves + run.moves
            if run.faults:
                wrong += 1
                print(f"seed {run.seed}: {run.faults[0]}", flush=True)
            if file is not None:
                file.write(json.dumps(asdict(run)) + "\n")
                file.flush()
    finally:
        if file is not None:
            file.close()
    print(f"kernel: {wrong} of {done} random runs went wrong ({moves} moves)")
    return wrong
