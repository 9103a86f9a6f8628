"""Commands for those who look: trace, report, study, pingpong, completion; examples for all."""

import argparse
import json
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rel4.bench import trace as trace_command
from rel4.bench.pingpong import KINDS, PingPoint, render_pingpong, run_pingpong
from rel4.bench.point import Point
from rel4.bench.report import write_report
from rel4.bench.results import write_atomically
from rel4.bench.study_run import run_study
from rel4.compiled.command import EXAMPLES as COMPILED_EXAMPLES
from rel4.completion import SHELLS, completion_script
from rel4.machine.device import find_device
from uintr.registers import Flavour

__all__ = ["EXAMPLES", "add_commands", "add_examples", "add_flavour", "flavour_of"]

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
    "ipc": """examples:
  rel4 ipc --harts 2 --concurrency 1,8               client and server on a hart each
""",
    "pingpong": """examples:
  rel4 pingpong                                      both flavours, one hart and two
  rel4 pingpong --flavour intel --harts 2 --device rtl
""",
    "claims": """examples:
  rel4 claims --device rtl                           every claim with its bound, on RTL
""",
    "explore": """examples:
  rel4 explore --protocol ours --harts 2             every interleaving of a small system
""",
    **COMPILED_EXAMPLES,
    "completion": """examples:
  eval "$(rel4 completion bash)"                     in this shell
  rel4 completion fish > ~/.config/fish/completions/rel4.fish
""",
}

Commands = argparse._SubParsersAction  # of whatever parser the commands have


def add_commands(
    commands: "Commands[Any]",
    *,
    whole: Callable[[], argparse.ArgumentParser],
    add_point_options: Callable[[argparse.ArgumentParser], None],
    points: Callable[[argparse.Namespace], list[Point]],
) -> None:
    """Add the commands of this module.

    Parameters
    ----------
    whole : makes the parser of all commands
    add_point_options, points : the options that name points, and the points that they name
    """
    trace = commands.add_parser(
        "trace",
        help="one run as a timeline for Perfetto and, on RTL, as a waveform",
        description="Run one policy at one concurrency. Writes trace.json (Chrome trace events: "
        "harts, threads, coroutines, calls, posts as arrows) and, on RTL, waves.vcd with views for "
        "GTKWave and Surfer, all with the same cycle numbers.",
    )
    add_point_options(trace)
    trace_command.add_options(trace)
    trace.set_defaults(
        run=lambda arguments: trace_command.trace(arguments, points(arguments)),
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

    pingpong = commands.add_parser(
        "pingpong",
        help="a message to another thread and back, by user interrupts and by the kernel",
        description="Two threads answer each other: by user interrupts, by a signal of the kernel, "
        "by Signal and Wait, by a word through an endpoint. Cycles, traps and user interrupts per "
        "round trip. Writes pingpong.jsonl.",
    )
    pingpong.set_defaults(run=_pingpong)
    pingpong.add_argument(
        "--flavour", default=",".join(Flavour), help="flavours, with a comma between (default both)"
    )
    pingpong.add_argument("--harts", default="1,2", help="1, 2 or both with a comma (default)")
    pingpong.add_argument("--rounds", type=int, default=100, help="round trips (default 100)")
    pingpong.add_argument("--device", default="reference", help="name of a device")
    pingpong.add_argument(
        "--out", type=Path, default=Path("build/pingpong"), help="folder for results"
    )

    completion = commands.add_parser(
        "completion",
        help="a script that completes commands and options in a shell",
        description="Print the script for the shell to evaluate.",
    )
    completion.set_defaults(run=lambda arguments: _completion(whole(), arguments))
    completion.add_argument("shell", metavar="SHELL", help=f"one of {', '.join(SHELLS)}")


def add_flavour(parser: argparse.ArgumentParser) -> None:
    """The option that names a family of user interrupts."""
    parser.add_argument(
        "--flavour", default=Flavour.RISCV.value, help=f"of {', '.join(Flavour)} (default riscv)"
    )


def flavour_of(arguments: argparse.Namespace) -> Flavour:
    """The flavour that was asked for.

    Raises
    ------
    ValueError : there is no such flavour.
    """
    return _flavour(arguments.flavour)


def _flavour(name: str) -> Flavour:
    if name not in list(Flavour):
        raise ValueError(f"flavour must be one of {', '.join(Flavour)}, not {name!r}")
    return Flavour(name)


def add_examples(commands: "Commands[Any]") -> None:
    """Put examples below the help of each command that has some."""
    for name, text in EXAMPLES.items():
        command = commands.choices[name]
        command.epilog = text
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        command.description = textwrap.fill(command.description or "", 79)


def _report(arguments: argparse.Namespace) -> int:
    write_report(arguments.folder, out=arguments.out)
    return 0


def _study(arguments: argparse.Namespace) -> int:
    if not 1 <= arguments.jobs <= 256:
        raise ValueError(f"jobs must be 1 to 256, not {arguments.jobs}")
    out = arguments.out or Path("build/study") / arguments.file.stem
    if out.exists() and not out.is_dir():
        raise ValueError(f"out must be a folder, and {out} is a file")
    run_study(
        arguments.file,
        out=out,
        jobs=arguments.jobs,
        scheduler=arguments.scheduler,
    )
    return 0


def _pingpong(arguments: argparse.Namespace) -> int:
    harts = arguments.harts.split(",")
    if not set(harts) <= {"1", "2"}:
        raise ValueError(f"harts must be 1, 2 or 1,2, not {arguments.harts!r}")
    points = [
        PingPoint(kind=kind, harts=int(count), rounds=arguments.rounds, flavour=_flavour(name))
        for name in arguments.flavour.split(",")
        for count in harts
        for kind in KINDS
    ]
    device = find_device(arguments.device)
    if arguments.out.exists() and not arguments.out.is_dir():
        raise ValueError(f"out must be a folder, and {arguments.out} is a file")
    records = [device(point.config, partial(run_pingpong, point)) for point in points]
    arguments.out.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(record.as_dict()) + "\n" for record in records)
    write_atomically(arguments.out / "pingpong.jsonl", lines.encode())
    print(render_pingpong(records))
    print(f"\n{len(records)} points, every message answered. Results are in {arguments.out}")
    return 0


def _completion(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    print(completion_script(parser, arguments.shell), end="")
    return 0
