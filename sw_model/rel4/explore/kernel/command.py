"""``rel4 explore --kernel``: the programs, what is printed, the exit status."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from uintr.registers import Flavour

from .search import Finding, Program, explore_program, longer, pairs

__all__ = ["run_kernel_exploration"]

FOUND = 1
SHOWN = 60
"""Moves of a schedule that are printed."""


def _programs(flavours: list[Flavour], deviations: int) -> list[Program]:
    return list(
        chain.from_iterable(
            chain(pairs(flavour, deviations=deviations), longer(flavour)) for flavour in flavours
        )
    )


@contextmanager
def _findings(programs: list[Program], jobs: int) -> Iterator[Any]:
    if jobs == 1:
        yield map(explore_program, programs)
        return
    # Processes that end with this one, and leave Ctrl-C to it.
    with get_context("fork").Pool(jobs, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        yield pool.imap(explore_program, programs, chunksize=4)


def run_kernel_exploration(
    *, flavours: list[Flavour], deviations: int, jobs: int, store: Path | None = None
) -> int:
    """Explore all programs; returns the exit status: 0 nothing is wrong, 1 something is."""
    programs = _programs(flavours, deviations)
    done: list[Finding] = []
    wrong: list[Finding] = []
    with _findings(programs, jobs) as findings, _stored(store) as keep:
        for found in findings:
            done.append(found)
            keep(found)
            if found.wrong is not None:
                wrong.append(found)
                _print_failure(found)
            elif len(done) % 50 == 0:
                print(f"rel4: {len(done)} of {len(programs)} programs", file=sys.stderr, flush=True)
    schedules = sum(found.fine for found in done)
    states = sum(found.states for found in done)
    moves = sum(found.moves for found in done)
    seconds = sum(found.seconds for found in done)
    verdict = "nothing is wrong" if not wrong else f"{len(wrong)} programs go wrong"
    print(
        f"kernel: {verdict} in {states} states of {schedules} schedules of {len(done)} programs "
        f"({moves} moves, {seconds:.0f} s)"
    )
    return FOUND if wrong else 0


@contextmanager
def _stored(path: Path | None) -> Iterator[Callable[[Finding], None]]:
    """What keeps a finding as one line of JSON in ``path``, if there is one."""
    if path is None:
        yield lambda found: None
        return
    with path.open("w", encoding="utf-8") as file:

        def keep(found: Finding) -> None:
            record = {
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
            file.write(json.dumps(record) + "\n")
            file.flush()

        yield keep


def _print_failure(found: Finding) -> None:
    assert found.wrong is not None
    print(f"\n{found.program.title()}")
    for reason in found.reasons[:3]:
        print(f"  {reason}")
    moves = found.wrong.moves
    for move in moves[:SHOWN]:
        print(f"    {move}")
    if len(moves) > SHOWN:
        print(f"    ... and {len(moves) - SHOWN} more", flush=True)
