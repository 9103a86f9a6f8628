"""The command line ``uintr-fpga``: build, report, program, emulate, record, replay, export."""

import argparse
import json
import math
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import rel4
from rel4.bench.conservation import ConservationError
from rel4.bench.options import BEING_BUILT, numbers, use_device
from rel4.bench.point import Point
from rel4.bench.policies import policy_names
from rel4.bench.results import source_commit
from rel4.machine.device import DeviceError, device_names
from rel4.machine.faults import MachineError
from uintr.completion import define as define_shell_completion
from uintr.files import check_file, check_folder, write_atomically
from uintr.program import Parser, choose, path, run_program, say, whole
from uintr.registers import MAX_HARTS, Flavour
from uintr_fpga import export
from uintr_fpga.boards import BOARDS, Target, find_board
from uintr_fpga.emulate import EmulationError, emulated
from uintr_fpga.replay import record_point, replay_file
from uintr_fpga.report import boards_table, read_results, store_result, write_table
from uintr_fpga.toolchains import TOOLCHAINS, ToolError

__all__ = ["main"]

RESULTS = Path("docs/data/fpga.jsonl")
_PROGRAM_SECONDS = 300
_MARGIN = 10
"""Percent that the largest configuration of a board has to spare."""
MAX_BAUD = 12_000_000


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 it ran and the result is bad, 2 it cannot be done, 130 interrupted."""
    errors = dict.fromkeys((DeviceError, ToolError, EmulationError), 2)
    broken = dict.fromkeys((ConservationError, MachineError), 1)
    return run_program(_parser, argv, name="uintr-fpga", statuses=lambda: errors | broken)


def _parser() -> Parser:
    parser = Parser(
        prog="uintr-fpga",
        description="User-interrupt hardware on FPGA boards, real or emulated.",
        examples="""
        uintr-fpga emulate --board icebreaker --link build/board   until interrupted
        uintr-fpga record --policy tick -o build/tick.jsonl        a point, step by step
        uintr-fpga replay build/tick.jsonl --port build/board      every answer as recorded?
        uintr-fpga build --board ulx3s --seed 1,2,3
        uintr-fpga COMMAND --help
        """,
    )
    parser.add_argument("--version", action="version", version=f"uintr-fpga {rel4.__version__}")
    commands = parser.commands()

    build = commands.add_parser("build", help="bitstream, logs and report of a board")
    build.describe(
        _build,
        "Build a bitstream with logs and report, in a folder for each seed.",
        """
        uintr-fpga build --board ulx3s --seed 1,2,3
        uintr-fpga build --board ulx3s --harts 2 --out build/two
        uintr-fpga build --board ulx3s --largest
        """,
    )
    _add_target(build)
    build.add_argument(
        "--seed", default="1", help="of place and route, or several with commas between (default 1)"
    )
    build.add_argument(
        "--largest",
        action="store_true",
        help=f"double the harts while the clock is met with {_MARGIN} %% to spare, and say in the "
        "reports of the last such build that it is the largest",
    )
    build.add_argument("--out", type=path, help="folder of the builds (default build/fpga)")
    build.add_argument(
        "--store", nargs="?", type=path, const=RESULTS, help=f"add the report to {RESULTS}"
    )

    report = commands.add_parser("report", help="the boards' table from committed results")
    report.describe(_report, "Print the table of boards from stored reports.", "uintr-fpga report")
    report.add_argument("--results", type=path, default=RESULTS)
    report.add_argument("--write", type=path, help="put the table into this page, too")

    program = commands.add_parser("program", help="load a bitstream with openFPGALoader")
    program.describe(
        _program,
        "Load a bitstream onto a board with openFPGALoader.",
        "uintr-fpga program --board ulx3s build/fpga/ulx3s-4x512x16-1/top.bit",
    )
    _add_board(program)
    program.add_argument("bitstream", type=path)

    emulate = commands.add_parser("emulate", help="the board's complete top on a pseudo-terminal")
    emulate.describe(
        _emulate,
        "Run a board's top under Verilator on a pseudo-terminal, until interrupted.",
        "uintr-fpga emulate --board icebreaker --link board",
    )
    _add_target(emulate)
    emulate.add_argument(
        "--gates", action="store_true", help="the netlist synthesised for iCE40, not the RTL"
    )
    emulate.add_argument("--link", type=path, help="make this symbolic link to the terminal")

    record = commands.add_parser("record", help="run a point and keep every step and answer")
    record.describe(
        _record,
        "Run a point on a device, and keep every step and answer.",
        "uintr-fpga record --policy tick --concurrency 8 -o build/tick.jsonl",
    )
    _add_device(record, "reference")
    record.add_argument("--policy", default="tick")
    record.complete("--policy", policy_names())
    record.add_argument("--harts", type=whole, default=1)
    record.add_argument("--concurrency", type=whole, default=2)
    record.add_argument("--rounds", type=whole, default=1)
    _add_flavour(record)
    record.add_argument("-o", "--output", type=path, required=True)

    replay = commands.add_parser("replay", help="play a record and compare every answer")
    replay.describe(
        _replay,
        "Play a record and compare every answer. Exit status: 0 equal, 1 not.",
        "uintr-fpga replay build/tick.jsonl --port board",
    )
    replay.add_argument("file", type=path)
    _add_device(replay, "uart")
    replay.add_argument("--baud", type=whole, help="its bit rate (default 1000000)")

    window = commands.add_parser("export", help="the register map as LiteX csr.csv or csr.json")
    window.describe(
        _export,
        "Print the register map of a board in the words of LiteX.",
        "uintr-fpga export --board ulx3s -t json",
    )
    _add_target(window)
    window.add_argument("-t", "--type", choices=("csv", "json"), default="csv")
    define_shell_completion(
        commands.add_parser("completion", help="a script that completes commands in a shell"),
        _parser,
    )
    return parser


def _add_board(parser: Parser) -> None:
    names = [board.name for board in BOARDS]
    parser.add_argument("--board", required=True, help=f"one of {', '.join(names)}")
    parser.complete("--board", names)


def _add_device(parser: Parser, default: str) -> None:
    parser.add_argument("--device", default=default, help=f"of {', '.join(device_names())}")
    parser.complete("--device", device_names())
    parser.add_argument("--port", help="serial port, for the device uart")


def _add_flavour(parser: Parser) -> None:
    parser.add_argument(
        "--flavour", choices=[*Flavour], default=Flavour.RISCV, help="default: %(default)s"
    )


def _add_target(parser: Parser) -> None:
    _add_board(parser)
    parser.add_argument("--harts", type=whole, help="hart units (default: the board's)")
    parser.add_argument("--receivers", type=whole, help="receivers (default: the board's)")
    parser.add_argument("--table-pages", type=whole, help="table memory (default: the board's)")
    parser.add_argument("--baud", type=whole, help="bit rate (default: the board's)")
    _add_flavour(parser)


def _target(arguments: argparse.Namespace) -> Target:
    return Target.of(
        choose("board", arguments.board, [each.name for each in BOARDS]),
        harts=arguments.harts,
        receivers=arguments.receivers,
        table_pages=arguments.table_pages,
        baud=arguments.baud,
        flavour=Flavour(arguments.flavour),
    )


def _build(arguments: argparse.Namespace) -> int:
    target = _target(arguments)
    seeds = numbers("seed", arguments.seed)
    if min(seeds) < 0:
        raise ValueError(f"seed must be at least 0, not {min(seeds)}")
    if arguments.store is not None:
        check_file(arguments.store, "store")
        if arguments.store.exists():
            read_results(arguments.store)
    root = check_folder(arguments.out if arguments.out is not None else Path("build/fpga"))
    if not arguments.largest:
        reports = _build_seeds(target, seeds, root)
        met = _margin(reports) > 0
        if not met:
            say("the clock of the board is not met")
    else:
        reports = _build_largest(arguments, seeds, root)
        met = bool(reports)
    for report in reports if arguments.store is not None else ():
        store_result(arguments.store, {**report, "commit": source_commit()})
    return 0 if met else 1


def _margin(reports: Sequence[Mapping[str, Any]]) -> float:
    return min(float(report["margin_percent"]) for report in reports)


def _build_seeds(
    target: Target, seeds: Sequence[int], root: Path, *, wanted: float = -math.inf
) -> list[dict[str, Any]]:
    """One build for each seed, of one netlist, up to the first without the margin ``wanted``."""
    from uintr_fpga.build import build_bitstream

    reports: list[dict[str, Any]] = []
    for seed in seeds:
        folder = _folder(root, target, seed)
        started = time.monotonic()
        say(f"building {target.name} with seed {seed}: synthesis, place and route (minutes)")
        netlist = _folder(root, target, seeds[0]) if reports else None
        report = build_bitstream(target, seed=seed, folder=folder, netlist=netlist)
        reports.append(report)
        total = report["total"]
        print(
            f"{target.name} seed {seed}: {total['lut']} LUTs, {total['ff']} flip-flops, "
            f"{total['ram']} block RAMs, {report['fmax_mhz']} MHz for a clock of "
            f"{report['clock_mhz']:g} MHz, in {time.monotonic() - started:.0f} s; {folder}",
            flush=True,
        )
        if report["margin_percent"] < wanted:
            break
    return reports


def _folder(root: Path, target: Target, seed: int) -> Path:
    return root / f"{target.name}-{seed}"


def _build_largest(
    arguments: argparse.Namespace, seeds: Sequence[int], root: Path
) -> list[dict[str, Any]]:
    """Reports of the last build whose slowest seed has the margin, one hart first, or two times as
    many; empty if there is none.
    """
    largest: list[dict[str, Any]] = []
    harts = arguments.harts or 1
    beyond = f"more than {MAX_HARTS} harts are not to be had"
    while harts <= MAX_HARTS:
        arguments.harts = harts
        try:
            reports = _build_seeds(_target(arguments), seeds, root, wanted=_MARGIN)
        except ToolError as error:
            if not largest:
                raise
            beyond = f"with {harts} harts: {error}"
            break
        if _margin(reports) < _MARGIN:
            beyond = f"with {harts} harts the margin is {_margin(reports):g} %"
            break
        largest, harts = reports, harts * 2
    for report, seed in zip(largest, seeds, strict=False):
        report["largest"] = {"margin_percent_wanted": _MARGIN, "beyond": beyond}
        arguments.harts = report["harts"]
        file = _folder(root, _target(arguments), seed) / "report.json"
        write_atomically(file, (json.dumps(report, indent=1) + "\n").encode())
    if largest:
        board, harts = arguments.board, largest[0]["harts"]
        say(f"{harts} harts are the largest {board} that has {_MARGIN} % to spare: {beyond}")
    else:
        say(f"no configuration has {_MARGIN} % to spare: {beyond}")
    return largest


def _report(arguments: argparse.Namespace) -> int:
    table = boards_table(read_results(arguments.results))
    if arguments.write is not None:
        write_table(arguments.write, table)
    print(table)
    return 0


def _program(arguments: argparse.Namespace) -> int:
    board = find_board(choose("board", arguments.board, [each.name for each in BOARDS]))
    ending = TOOLCHAINS[board.toolchain].bitstream
    if arguments.bitstream.suffix != ending or not arguments.bitstream.is_file():
        raise ValueError(
            f"bitstream must be a file that ends with {ending}, not {arguments.bitstream}"
        )
    loader = shutil.which("openFPGALoader")
    if loader is None:
        raise ToolError("openFPGALoader must be installed to load a bitstream, but is not in PATH")
    command = [loader, "-b", board.programmer, str(arguments.bitstream)]
    try:
        done = subprocess.run(command, timeout=_PROGRAM_SECONDS)
    except subprocess.TimeoutExpired:
        raise ToolError(f"openFPGALoader must end within {_PROGRAM_SECONDS} s") from None
    if done.returncode:
        raise ToolError(f"openFPGALoader ended with status {done.returncode}; is the board there?")
    return 0


def _emulate(arguments: argparse.Namespace) -> int:
    target = _target(arguments)
    link: Path | None = arguments.link
    if link is not None and (not link.parent.is_dir() or (link.exists() and not link.is_symlink())):
        raise ValueError(f"link must be a free name in a folder that is there, not {link}")
    say(f"building the emulator of {target.name}, if it is not built yet (about a minute)")
    try:
        _link(link, BEING_BUILT)
        with emulated(target, gates=arguments.gates) as path:
            _link(link, path)
            print(f"{target.name} at {target.baud} baud is on {path}; interrupt to end", flush=True)
            signal.pause()
    finally:
        if link is not None:
            link.unlink(missing_ok=True)
    return 0


def _link(link: Path | None, to: str) -> None:
    if link is not None:
        link.unlink(missing_ok=True)
        link.symlink_to(to)


def _record(arguments: argparse.Namespace) -> int:
    device = use_device(arguments.device, arguments.port)
    check_file(arguments.output, "output")
    point = Point(
        policy=arguments.policy,
        harts=arguments.harts,
        concurrency=arguments.concurrency,
        rounds=arguments.rounds,
        flavour=Flavour(arguments.flavour),
    )
    say(f"recording {point.policy} with N = {point.concurrency} on {device}")
    steps = record_point(point, device=device, path=arguments.output)
    print(f"{steps} steps in {arguments.output}")
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    use_device(arguments.device, arguments.port)
    if arguments.baud is not None:
        if arguments.device != "uart":
            raise ValueError(f"baud must be left out with device {arguments.device}")
        if not 1 <= arguments.baud <= MAX_BAUD:
            raise ValueError(f"baud must be 1 to {MAX_BAUD}, not {arguments.baud}")
    outcome = replay_file(
        arguments.file, device=arguments.device, port=arguments.port, baud=arguments.baud
    )
    what = (
        f"{outcome.steps} steps, {outcome.requests} requests, {outcome.cycles} cycles "
        f"in {outcome.seconds:.2f} s"
    )
    if outcome.line_seconds:
        what += (
            f", {outcome.line_seconds:.2f} s of line time: "
            f"{outcome.requests / outcome.line_seconds:.0f} requests/s, "
            f"{outcome.cycles / outcome.line_seconds:.0f} cycles/s"
        )
    if outcome.difference is not None:
        print(f"{what}; {outcome.difference}")
        return 1
    print(f"{what}; every answer as recorded")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    target = _target(arguments)
    writer = export.csr_csv if arguments.type == "csv" else export.csr_json
    sys.stdout.write(writer(target))
    return 0


if __name__ == "__main__":
    sys.exit(main())
