"""The command line: ``rel4 sweep`` and ``compare`` here, other commands beside what they run."""

import argparse
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import rel4
from rel4.bench.claims_run import Store, UnfinishedError, run_claims
from rel4.bench.compare import event_lines, first_difference
from rel4.bench.compiled_options import add_software, setup_of
from rel4.bench.conservation import ConservationError
from rel4.bench.ipc import KINDS, IpcPoint, render_ipc, run_ipc
from rel4.bench.point import Point
from rel4.bench.policies import find_policy, policy_names
from rel4.bench.published import published_policies
from rel4.bench.results import write_atomically
from rel4.bench.sweep import run_sweep
from rel4.bench.table import render_table
from rel4.commands import add_commands, add_examples, add_flavour, flavour_of
from rel4.compiled.command import add_compiled
from rel4.explore.actors import ExploreError
from rel4.explore.command import add_explore
from rel4.machine.device import DeviceError, device_names, find_device
from rel4.machine.faults import MachineError
from uintr.registers import MAX_HARTS, Flavour

__all__ = ["main"]

PORT_VARIABLE = "UINTR_PORT"
"""Where the device uart finds its serial port."""

PUBLISHED_CONCURRENCY = "2,4,8,16,32,64,128,256,512"


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 the run broke a rule, 2 the request was not right, 3 not finished,
    130 interrupted."""
    arguments = _parser().parse_args(argv)
    if getattr(arguments, "port", None) is not None:
        os.environ[PORT_VARIABLE] = arguments.port  # worker processes inherit it
    try:
        status: int = arguments.run(arguments)
    except (ValueError, DeviceError) as error:
        print(f"rel4: {error}", file=sys.stderr)
        return 2
    except (ConservationError, ExploreError, MachineError) as error:
        print(f"rel4: the run is not valid: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "rel4: interrupted; finished points of a sweep are kept, --resume goes on",
            file=sys.stderr,
        )
        return 128 + signal.SIGINT
    return status


class _Parser(argparse.ArgumentParser):
    """One sentence and exit status 2 for a bad request, without the usage text."""

    def error(self, message: str) -> None:  # type: ignore[override]  # does not return either
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="rel4", description=rel4.__doc__)
    parser.add_argument("--version", action="version", version=f"rel4 {rel4.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    sweep = commands.add_parser(
        "sweep",
        help="the published experiment: time and traps over concurrency",
        description="Run N coroutines with ROUNDS rounds of {map, unmap} each, for every policy "
        "and N, and write results.jsonl, results.csv, two figures and one event log a point.",
    )
    sweep.set_defaults(run=_sweep)
    _add_point_options(sweep)
    sweep.add_argument("--device", default="reference", help=f"one of {', '.join(device_names())}")
    add_software(sweep)
    sweep.add_argument("--jobs", type=int, default=2, help="processes at a time (default 2)")
    sweep.add_argument("--out", type=Path, default=Path("build/sweep"), help="folder for results")
    sweep.add_argument("--no-log", action="store_true", help="write no event logs")
    sweep.add_argument("--resume", action="store_true", help="go on with an interrupted sweep")

    claims = commands.add_parser(
        "claims",
        help="measure what this system does better than the published one",
        description="Evaluate every claim: number, target, bound. With --sensitivity, again with "
        "the same kernel work both ways, and with every software cost at half and at double, and "
        "name the claims that flip.",
    )
    claims.set_defaults(run=_claims)
    claims.add_argument("--device", default="reference", help="name of a device")
    add_flavour(claims)
    claims.add_argument(
        "--sensitivity", action="store_true", help="controls, and vary every cost, on the reference"
    )
    claims.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    claims.add_argument("--minutes", type=float, help="stop after so long; --resume goes on")
    claims.add_argument(
        "--store",
        type=Path,
        default=Path("build/claims.jsonl"),
        help="file of finished points (default build/claims.jsonl)",
    )
    claims.add_argument("--jobs", type=int, default=2, help="processes at a time (default 2)")
    claims.add_argument("--out", type=Path, help="JSON file for the findings")

    compare = commands.add_parser(
        "compare",
        help="show that two devices give the same event log, cycle for cycle",
        description="Run every point on both devices and compare the event logs line by line. "
        "With one device and --no-jump, compare it with itself, with and without time jumps.",
    )
    compare.set_defaults(run=_compare)
    _add_point_options(compare)
    compare.add_argument("--devices", default="reference,rtl", help="one name, or two with a comma")

    ipc = commands.add_parser(
        "ipc",
        help="IPC between two threads: synchronous, and over rings with user interrupts",
        description="A client with N coroutines and a server, on one hart or one each: cycles, "
        "traps and user interrupts per IPC. Writes ipc.jsonl.",
    )
    ipc.set_defaults(run=_ipc)
    ipc.add_argument("--harts", default="1,2", help="1, 2 or both with a comma (default)")
    ipc.add_argument("--concurrency", default="1,2,4,8,16,32,64,128", help="coroutines")
    add_flavour(ipc)
    ipc.add_argument("--rounds", type=int, default=10, help="IPCs of a coroutine (default 10)")
    ipc.add_argument("--device", default="reference", help=f"one of {', '.join(device_names())}")
    ipc.add_argument("--port", help="serial port of the device uart")
    ipc.add_argument("--out", type=Path, default=Path("build/ipc"), help="folder for results")
    add_explore(commands)
    add_compiled(commands)
    add_commands(commands, whole=_parser, add_point_options=_add_point_options, points=_points)
    add_examples(commands)
    return parser


def _ipc(arguments: argparse.Namespace) -> int:
    flavour = flavour_of(arguments)
    points = [
        IpcPoint(
            kind=kind,
            harts=harts,
            concurrency=concurrency,
            rounds=arguments.rounds,
            flavour=flavour,
        )
        for harts in [_whole("harts", text) for text in arguments.harts.split(",")]
        for concurrency in [
            _whole("concurrency", text) for text in arguments.concurrency.split(",")
        ]
        for kind in KINDS
    ]
    device = find_device(arguments.device)
    if arguments.out.exists() and not arguments.out.is_dir():
        raise ValueError(f"out must be a folder, and {arguments.out} is a file")
    records = [device(point.config, partial(run_ipc, point)) for point in points]
    arguments.out.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(record.as_dict()) + "\n" for record in records)
    write_atomically(arguments.out / "ipc.jsonl", lines.encode())
    print(render_ipc(records))
    print(f"\n{len(records)} points, every IPC answered. Results are in {arguments.out}")
    return 0


def _add_point_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--policy",
        default=",".join(published_policies()),
        help=f"of {', '.join(policy_names())} (default: those with published figures)",
    )
    parser.add_argument("--harts", type=int, help="1 to 64; default: as published for each policy")
    parser.add_argument(
        "--concurrency", default=PUBLISHED_CONCURRENCY, help="numbers of coroutines"
    )
    parser.add_argument("--rounds", type=int, default=10, help="rounds of a coroutine (default 10)")
    parser.add_argument("--timer-period", type=int, default=20_000, help="cycles (default 20000)")
    add_flavour(parser)
    parser.add_argument("--seed", type=int, default=1, help="of the timers' phases (default 1)")
    parser.add_argument("--no-jump", action="store_true", help="tick the hardware every cycle")
    parser.add_argument("--port", help="serial port of the board, for the device uart")


def _points(arguments: argparse.Namespace) -> list[Point]:
    concurrencies = [_whole("concurrency", text) for text in arguments.concurrency.split(",")]
    policies = arguments.policy.split(",")
    flavour = flavour_of(arguments)
    if arguments.harts is not None and not 1 <= arguments.harts <= MAX_HARTS:
        # A `Point` may have more, for studies on the reference device.
        raise ValueError(f"harts must be 1 to {MAX_HARTS}, not {arguments.harts}")
    for name, values in (("concurrency", concurrencies), ("policy", policies)):
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise ValueError(f"{name} must name each value once, not {twice} twice")
    return [
        Point(
            policy=policy,
            harts=find_policy(policy).harts if arguments.harts is None else arguments.harts,
            concurrency=concurrency,
            rounds=arguments.rounds,
            timer_period=arguments.timer_period,
            seed=arguments.seed,
            jump=not arguments.no_jump,
            flavour=flavour,
        )
        for policy in policies
        for concurrency in concurrencies
    ]


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(
            f"{name} must be whole numbers with commas between, not {text!r}"
        ) from None


def _sweep(arguments: argparse.Namespace) -> int:
    points = _points(arguments)
    setup = setup_of(arguments)
    if setup is None:
        find_device(arguments.device)
    if not 1 <= arguments.jobs <= 256:
        raise ValueError(f"jobs must be 1 to 256, not {arguments.jobs}")
    if arguments.out.exists() and not arguments.out.is_dir():
        raise ValueError(f"out must be a folder, and {arguments.out} is a file")
    records = run_sweep(
        points,
        device=arguments.device if setup is None else setup.device,
        out_dir=arguments.out,
        jobs=arguments.jobs,
        keep_logs=not arguments.no_log,
        resume=arguments.resume,
        show=print,
        setup=setup,
    )
    print(render_table(records))
    print(f"\n{len(records)} points, every request answered once, every user interrupt posted.")
    print(f"Results, figures and event logs are in {arguments.out}")
    return 0


def _claims(arguments: argparse.Namespace) -> int:
    flavour = flavour_of(arguments)
    find_device(arguments.device)
    if not 1 <= arguments.jobs <= 256:
        raise ValueError(f"jobs must be 1 to 256, not {arguments.jobs}")
    if arguments.minutes is not None and arguments.minutes <= 0:
        raise ValueError(f"minutes must be more than 0, not {arguments.minutes:g}")
    store = Store(arguments.store)
    if not arguments.resume:
        store.path.unlink(missing_ok=True)
    try:
        record = run_claims(
            arguments.device,
            sensitivity=arguments.sensitivity,
            jobs=arguments.jobs,
            store=store,
            minutes=arguments.minutes,
            flavour=flavour,
        )
    except UnfinishedError as reason:
        print(f"rel4: {reason}", file=sys.stderr)
        return 3
    if arguments.out is not None:
        write_atomically(arguments.out, (json.dumps(record, indent=1) + "\n").encode())
        print(f"Findings are in {arguments.out}")
    return 0 if all(claim["holds"] for claim in record["claims"]) else 1


def _compare(arguments: argparse.Namespace) -> int:
    names = arguments.devices.split(",")
    if not 1 <= len(names) <= 2:
        raise ValueError(f"devices must be one or two names, not {arguments.devices!r}")
    if len(names) == 1 and not arguments.no_jump:
        raise ValueError("devices must be two names, or one with --no-jump")
    for name in names:
        find_device(name)
    different = 0
    for point in _points(arguments):
        other = dataclasses.replace(point, jump=point.jump or len(names) == 1)
        left = event_lines(point, names[0])
        difference = first_difference(left, event_lines(other, names[-1]))
        different += difference is not None
        result = difference or f"identical, {len(left)} events"
        name = f"{point.policy} N={point.concurrency} harts={point.harts}"
        flavour = "" if point.flavour == Flavour.RISCV else f" {point.flavour}"
        print(f"{name}{flavour}: {result}", flush=True)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
