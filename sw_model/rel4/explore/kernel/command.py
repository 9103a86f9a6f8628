"""``rel4 explore --kernel``: the programs, what is printed, the exit status."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from rel4.bench.campaign import Conduct, Store, run_campaign
from rel4.bench.results import source_commit
from rel4.explore.kept import store_at
from rel4.explore.source import key as key_of
from uintr.registers import Flavour

from .search import Program, explore_program, longer, pairs

__all__ = ["run_kernel_exploration"]

FOUND = 1
SHOWN = 60
"""Moves of a schedule that are printed."""


@dataclass(frozen=True)
class _Meeting:
    """A task: one program."""

    program: Program
    commit: str | None

    def run(self, key: str, store: Store) -> None:
        found = explore_program(self.program)
        record = {
            "commit": self.commit,
            "program": found.program.title(),
            "deviations": found.program.deviations,
            "coarse": found.coarse,
            "outcomes": found.right,
            "schedules": found.fine,
            "states": found.states,
            "moves": found.moves,
            "seconds": round(found.seconds, 2),
            "wrong": found.reasons,
        }
        if found.wrong is not None:
            record["schedule"] = found.wrong.moves
        store.add(key, record)


def _programs(flavours: list[Flavour], deviations: int) -> list[Program]:
    return list(
        chain.from_iterable(
            chain(pairs(flavour, deviations=deviations), longer(flavour)) for flavour in flavours
        )
    )


def run_kernel_exploration(
    *, flavours: list[Flavour], deviations: int, conduct: Conduct, path: Path | None = None
) -> int:
    """Explore all programs; returns the exit status: 0 nothing is wrong, 1 something is. What is
    found is kept in ``path``, from which the same exploration goes on."""
    commit = source_commit()  # once: somebody may commit while they run
    tasks = {
        key_of("kernel", program=program.title(), deviations=program.deviations): _Meeting(
            program, commit
        )
        for program in _programs(flavours, deviations)
    }
    with store_at(path) as store:
        found = run_campaign(
            tasks,
            lambda todo: [partial(task.run, key, store) for key, task in todo.items()],
            store=store,
            conduct=conduct,
            name="kernel",
            unit="program",
        )
    return _print(found.values())


def _print(found: Iterable[dict[str, Any]]) -> int:
    done = list(found)
    wrong = [record for record in done if record["wrong"]]
    for record in wrong:
        print(f"\n{record['program']}")
        for reason in record["wrong"][:3]:
            print(f"  {reason}")
        moves = record["schedule"]
        for move in moves[:SHOWN]:
            print(f"    {move}")
        if len(moves) > SHOWN:
            print(f"    ... and {len(moves) - SHOWN} more")
    sums = {
        name: sum(record[name] for record in done)
        for name in ("states", "schedules", "moves", "seconds")
    }
    verdict = "nothing is wrong" if not wrong else f"{len(wrong)} programs go wrong"
    print(
        f"kernel: {verdict} in {sums['states']} states of {sums['schedules']} schedules of "
        f"{len(done)} programs ({sums['moves']} moves, {sums['seconds']:.0f} s)"
    )
    return FOUND if wrong else 0
