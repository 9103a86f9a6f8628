"""``rel4 explore``: the programs, what is printed, the exit status."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rel4.bench.campaign import Conduct, start_worker, uninterrupted
from uintr.program import Parser, choose, whole
from uintr.registers import Flavour

from .coverage import missed
from .hostile.runs import run_hostile
from .kernel.command import run_kernel_exploration
from .kernel.given_back import run_pairs
from .kernel.random_runs import store_random_runs
from .program import STYLES, Program
from .protocols import PROTOCOLS
from .search import MEMORIES, Exploration, explore
from .trace import render

__all__ = ["define", "suite"]

FOUND, NOT_FINISHED = 1, 3


def define(parser: Parser) -> None:
    """Describe the command."""
    parser.describe(
        _explore,
        "Drive small programs that run the real asynchronous runtime through every interleaving, "
        "and report deadlocks, lost wake-ups, lost and duplicated items with a shortest run that "
        "has them. Without an option that describes a program, a list of programs is explored. "
        "Exit status: 0 nothing is wrong, 1 something is, 2 the request was not right, 3 not "
        "finished within --max-states.",
        """
        rel4 explore --items 2                             every interleaving of two calls
        rel4 explore --protocol published --harts 2        the published protocol loses a wake-up
        rel4 explore --memory sc                           in program order
        rel4 explore --kernel                              kernel operations that meet
        rel4 explore --kernel --pairs 1000                 whether all is given back
        rel4 explore --hostile 100                         attackers beside a victim
        """,
    )

    def option(name: str, default: Any, text: str, **others: Any) -> None:
        parser.add_argument(f"--{name}", default=default, help=text, **others)

    option("protocol", "ours", f"one of {', '.join(PROTOCOLS)} (default ours)", metavar="NAME")
    option("harts", 2, "1 or 2 (default 2)", type=whole, metavar="N")
    option("memory", "rvwmo", f"{' or '.join(MEMORIES)} (default rvwmo)", metavar="NAME")
    option("items", None, "calls, 1 to 8", type=whole, metavar="N")
    option("callers", None, "coroutines that make them (default: as many)", type=whole, metavar="N")
    option("capacity", None, "items of a ring: 1, 2, 4 or 8", type=whole, metavar="N")
    option("polls", None, "looks of the handler before it retires, 0 to 8", type=whole, metavar="N")
    for name, text in (
        ("deregister", "the buffer is deregistered"),
        ("signal", "a second vector is posted"),
    ):
        parser.add_argument(f"--{name}", action="store_true", help=text)
    option("style", None, f"of the user's side, one of {', '.join(STYLES)}", metavar="NAME")
    option("max-states", 5_000_000, "default 5000000", type=whole, metavar="N")
    option("jobs", 2, "processes at a time (default 2)", type=whole, metavar="N")
    parser.add_argument(
        "--kernel",
        action="store_true",
        help="the kernel instead: every pair of operations of two harts, and longer programs, meet "
        "at every boundary of operations",
    )
    option("flavour", None, "of the kernel's hardware (default: both)", metavar="NAME")
    option(
        "deviations",
        1,
        "how often a schedule of kernel operations leaves a hart that could go on, 0 to 4 "
        "(default 1)",
        type=whole,
        metavar="N",
    )
    option(
        "random",
        None,
        "with --kernel: so many random runs instead, of all operations, policies and 1 to 4 harts",
        type=whole,
        metavar="N",
    )
    option(
        "pairs",
        None,
        "with --kernel: so many times something is registered and deregistered instead, of every "
        "resource in turn, after which all must be free again",
        type=whole,
        metavar="N",
    )
    option(
        "hostile",
        None,
        "so many programs instead, in which untrusted threads try everything beside a victim",
        type=whole,
        metavar="N",
    )
    option("first", 0, "seed of the first such run (default 0)", type=whole, metavar="SEED")
    option(
        "store",
        None,
        "keep the kernel's figures in this file, and go on from what it holds",
        type=Path,
        metavar="FILE",
    )
    parser.complete("--flavour", Flavour)
    for name, words in (("protocol", PROTOCOLS), ("memory", MEMORIES), ("style", STYLES)):
        parser.complete(f"--{name}", words)


Shape = dict[str, Any]
"""Parameters of a program."""


def suite() -> Iterator[Shape]:
    """The programs that are explored if none is asked for."""
    yield {"items": 1}
    for capacity in (1, 2):
        yield {"items": 2, "capacity": capacity}
    for capacity in (1, 2):
        yield {"items": 4, "capacity": capacity}
    yield {"items": 4, "callers": 1}
    for capacity in (2, 4):
        yield {"items": 4, "callers": 2, "capacity": capacity}
    yield {"items": 4, "capacity": 1, "looks": 2}
    yield {"items": 4, "callers": 2, "capacity": 4, "looks": 2}
    for capacity in (1, 2, 4):
        yield {"items": 3, "capacity": capacity, "deregister": True}
    yield {"items": 2, "capacity": 2, "signal": True}
    for style in ("direct", "uipi"):
        for capacity in (1, 2):
            yield {"items": 3, "capacity": capacity, "style": style}
        yield {"items": 4, "callers": 2, "capacity": 4, "style": style}
        yield {"items": 2, "capacity": 2, "deregister": True, "style": style}


def _programs(arguments: argparse.Namespace) -> list[Program]:
    flag = PROTOCOLS[choose("protocol", arguments.protocol, PROTOCOLS)]
    choose("memory", arguments.memory, MEMORIES)
    if arguments.style is not None:
        choose("style", arguments.style, STYLES)
    if arguments.max_states < 1:
        raise ValueError(f"max-states must be at least 1, not {arguments.max_states}")
    asked = {
        "items": arguments.items,
        "callers": arguments.callers,
        "capacity": arguments.capacity,
        "looks": arguments.polls,
        "deregister": arguments.deregister or None,
        "signal": arguments.signal or None,
        "style": arguments.style,
    }
    one: Shape = {name: value for name, value in asked.items() if value is not None}
    wanted: list[Shape] = [{"items": 2, **one}] if one else list(suite())
    return [Program(harts=arguments.harts, flag=flag, **program) for program in wanted]


def _say(text: str) -> None:
    print(f"rel4: {text}", file=sys.stderr, flush=True)


def _explore(arguments: argparse.Namespace) -> int:
    conduct = Conduct(arguments.jobs)
    if arguments.hostile is not None:
        if arguments.hostile < 1 or arguments.first < 0:
            raise ValueError(
                f"hostile must be at least 1 and first at least 0, not {arguments.hostile} and "
                f"{arguments.first}"
            )
        seeds = range(arguments.first, arguments.first + arguments.hostile)
        return run_hostile(seeds=seeds, conduct=conduct, path=arguments.store)
    if arguments.kernel and arguments.random is not None:
        if not 1 <= arguments.random <= 10_000_000:
            raise ValueError(f"random must be 1 to 10000000, not {arguments.random}")
        seeds = range(arguments.first, arguments.first + arguments.random)
        return store_random_runs(seeds, conduct, arguments.store)
    if arguments.kernel:
        wanted = list(Flavour) if arguments.flavour is None else [arguments.flavour]
        flavours = [Flavour(choose("flavour", one, Flavour)) for one in wanted]
        if arguments.pairs is not None:
            if not 1 <= arguments.pairs <= 10_000_000:
                raise ValueError(f"pairs must be 1 to 10000000, not {arguments.pairs}")
            return run_pairs(flavours, arguments.pairs)
        return run_kernel_exploration(
            flavours=flavours,
            deviations=arguments.deviations,
            conduct=conduct,
            path=arguments.store,
        )
    programs = _programs(arguments)
    _say(f"programs to explore: {len(programs)}; each is told when it is done")
    done: list[Exploration] = []
    with _explorations(programs, arguments) as explorations:
        for program, found in zip(programs, explorations, strict=True):
            print(f"{program.title()}: {_figures(found)}", flush=True)
            if found.verdict is not None:
                _print_failure(arguments, program, found)
                return FOUND
            if not found.finished:
                most = arguments.max_states
                _say(f"not finished: there are more than {most} states (--max-states)")
                return NOT_FINISHED
            done.append(found)
    _print_coverage(done)
    states = sum(found.states for found in done)
    print(
        f"{arguments.protocol}: no deadlock, no lost wake-up, no lost or duplicated item in "
        f"{states} states of {len(done)} programs, memory {arguments.memory}"
    )
    return 0


@contextmanager
def _explorations(
    programs: list[Program], arguments: argparse.Namespace
) -> Iterator[Iterable[Exploration]]:
    """What is found in ``programs``, in their order. Leaving ends whatever still runs."""
    one = partial(explore, memory=arguments.memory, max_states=arguments.max_states, progress=_say)
    jobs = min(arguments.jobs, len(programs))
    if jobs == 1:
        yield map(one, programs)
        return
    with uninterrupted():
        pool = get_context("spawn").Pool(jobs, start_worker, (_say,))
    with pool:
        yield pool.imap(one, programs)


def _figures(found: Exploration) -> str:
    local = found.operations - found.transitions
    return (
        f"{found.states} states, {found.transitions} transitions of {found.operations} operations "
        f"({100 * local // max(found.operations, 1)} % of them local), "
        f"{found.local_states} local states, {found.seconds:.1f} s"
    )


def _print_failure(arguments: argparse.Namespace, program: Program, found: Exploration) -> None:
    if found.memory != "sc":
        # Whatever goes wrong in program order and at once goes wrong in the weak order too, and is
        # easier to read.
        plain = explore(program, memory="sc", max_states=arguments.max_states, progress=_say)
        if plain.verdict is not None:
            found = plain
    assert found.verdict is not None
    print(f"\nA shortest run that goes wrong (memory {found.memory}):\n")
    print(render(found.lines))
    print(f"\n{found.verdict.kind}: {found.verdict.reason}")


def _print_coverage(done: list[Exploration]) -> None:
    every, left = missed(site for found in done for site in found.sites)
    print(f"coverage: {every - len(left)} of {every} operations of the runtime were performed")
    if left:
        print(f"  not performed: {', '.join(left)}")
    for flag, ring in (("handler_online", "requests"), ("receiver_online", "replies")):
        seen = {pair[1:] for found in done for pair in found.pairs if pair[0] == flag}
        for value in (0, 1):
            counts = sorted(count for online, count in seen if online == value)
            print(f"  {flag} = {value} was seen with {', '.join(map(str, counts))} {ring}")
