"""The command line: ``rel4 sweep``, ``rel4 compare``, ``rel4 trace``, ``rel4 report``,
``rel4 study``, ``rel4 completion``.
"""

import argparse
import dataclasses
import signal
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import rel4
from rel4.bench import trace as trace_command
from rel4.bench.compare import event_lines, first_difference
from rel4.bench.conservation import ConservationError
from rel4.bench.point import Point
from rel4.bench.policies import find_policy, policy_names
from rel4.bench.published import published_policies
from rel4.bench.report import write_report
from rel4.bench.study_run import run_study
from rel4.bench.sweep import run_sweep
from rel4.bench.table import render_table
from rel4.completion import SHELLS, completion_script
from rel4.machine.device import DeviceError, device_names, find_device
from rel4.machine.hart import MachineError

__all__ = ["main"]

EXAMPLES = {
    "sweep": """examples:
  rel4 sweep --device rtl                            the published experiment on RTL
  rel4 sweep --policy sync,ipi --concurrency 2,8     two policies, two N, on the reference
  rel4 sweep --timer-period 5000 --out build/quick   another timer period
""",
    "compare": """examples:
  rel4 compare --concurrency 8                       reference against RTL
  rel4 compare --devices rtl --no-jump --concurrency 2
""",
    "trace": """examples:
  rel4 trace --policy uipi --concurrency 4           then open trace.json in Perfetto
  rel4 trace --device rtl                            with a waveform
""",
    "report": """examples:
  rel4 report build/sweep                            writes build/sweep/report.html
""",
    "study": """examples:
  rel4 study examples/studies/tick_period.toml       every combination, on this computer
  rel4 study FILE.toml --scheduler tcp://host:8786   the same on a Dask cluster
""",
    "completion": """examples:
  eval "$(rel4 completion bash)"                     in this shell
  rel4 completion fish > ~/.config/fish/completions/rel4.fish
""",
}

PUBLISHED_CONCURRENCY = "2,4,8,16,32,64,128,256,512"


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 the run broke a rule, 2 the request was not right, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except (ValueError, DeviceError) as error:
        print(f"rel4: {error}", file=sys.stderr)
        return 2
    except (ConservationError, MachineError) as error:
        print(f"rel4: the run is not valid: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("rel4: interrupted; finished points are kept, --resume goes on", file=sys.stderr)
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
    sweep.add_argument("--jobs", type=int, default=2, help="processes at a time (default 2)")
    sweep.add_argument("--out", type=Path, default=Path("build/sweep"), help="folder for results")
    sweep.add_argument("--no-log", action="store_true", help="write no event logs")
    sweep.add_argument("--resume", action="store_true", help="go on with an interrupted sweep")

    compare = commands.add_parser(
        "compare",
        help="show that two devices give the same event log, cycle for cycle",
        description="Run every point on both devices and compare the event logs line by line. "
        "With one device and --no-jump, compare it with itself, with and without time jumps.",
    )
    compare.set_defaults(run=_compare)
    _add_point_options(compare)
    compare.add_argument("--devices", default="reference,rtl", help="one name, or two with a comma")

    trace = commands.add_parser(
        "trace",
        help="one run as a timeline for Perfetto and, on RTL, as a waveform",
        description="Run one policy at one concurrency. Writes trace.json (Chrome trace events: "
        "harts, threads, coroutines, calls, posts as arrows) and, on RTL, waves.vcd with views for "
        "GTKWave and Surfer, all with the same cycle numbers.",
    )
    _add_point_options(trace)
    trace_command.add_options(trace)
    trace.set_defaults(
        run=lambda arguments: trace_command.trace(arguments, _points(arguments)),
        policy="tick",
        concurrency="4",
        rounds=2,
    )

    report = commands.add_parser(
        "report",
        help="a sweep as one self-contained HTML page",
        description="Read the results and event logs of a sweep and write report.html: figures, "
        "latencies, where the cycles go, comparison, configuration, costs with their sources.",
    )
    report.set_defaults(run=_report)
    report.add_argument("folder", type=Path, metavar="DIR", help="folder of a sweep")
    report.add_argument("--out", type=Path, help="file to write (default: DIR/report.html)")

    study = commands.add_parser(
        "study",
        help="a grid or random design over any parameters, as one table",
        description="Run the design in FILE and write results.csv (and results.parquet where "
        "pyarrow is installed). Finished trials are kept: started again, it goes on.",
    )
    study.set_defaults(run=_study)
    study.add_argument("file", type=Path, metavar="FILE", help="TOML file of the design")
    study.add_argument("--out", type=Path, help="folder for results (default build/study/FILE)")
    study.add_argument("--jobs", type=int, default=2, help="processes at a time (default 2)")
    study.add_argument("--scheduler", metavar="ADDRESS", help="run on this Dask scheduler instead")

    completion = commands.add_parser(
        "completion",
        help="a script that completes commands and options in a shell",
        description="Print the script for the shell to evaluate.",
    )
    completion.set_defaults(run=_completion)
    completion.add_argument("shell", metavar="SHELL", help=f"one of {', '.join(SHELLS)}")
    for name, text in EXAMPLES.items():
        command = commands.choices[name]
        command.epilog = text
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        command.description = textwrap.fill(command.description or "", 79)
    return parser


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
    parser.add_argument("--seed", type=int, default=1, help="of the timers' phases (default 1)")
    parser.add_argument("--no-jump", action="store_true", help="tick the hardware every cycle")


def _points(arguments: argparse.Namespace) -> list[Point]:
    concurrencies = [_whole("concurrency", text) for text in arguments.concurrency.split(",")]
    policies = arguments.policy.split(",")
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
    find_device(arguments.device)
    _check_jobs(arguments.jobs)
    if arguments.out.exists() and not arguments.out.is_dir():
        raise ValueError(f"out must be a folder, and {arguments.out} is a file")
    records = run_sweep(
        points,
        device=arguments.device,
        out_dir=arguments.out,
        jobs=arguments.jobs,
        keep_logs=not arguments.no_log,
        resume=arguments.resume,
        show=print,
    )
    print(render_table(records))
    print(f"\n{len(records)} points, every request answered once, every user interrupt posted.")
    print(f"Results, figures and event logs are in {arguments.out}")
    return 0


def _report(arguments: argparse.Namespace) -> int:
    write_report(arguments.folder, out=arguments.out)
    return 0


def _study(arguments: argparse.Namespace) -> int:
    _check_jobs(arguments.jobs)
    run_study(
        arguments.file,
        out=arguments.out or Path("build/study") / arguments.file.stem,
        jobs=arguments.jobs,
        scheduler=arguments.scheduler,
    )
    return 0


def _check_jobs(jobs: int) -> None:
    if not 1 <= jobs <= 256:
        raise ValueError(f"jobs must be 1 to 256, not {jobs}")


def _completion(arguments: argparse.Namespace) -> int:
    print(completion_script(_parser(), arguments.shell), end="")
    return 0


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
        print(f"{point.policy} N={point.concurrency} harts={point.harts}: {result}", flush=True)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
