"""``rel4 cc`` and ``rel4 run``: compile a program, run it on a hart."""

import argparse
import os
import sys
from pathlib import Path

from rel4.compiled.compiler import COMPILERS, CompileError, compile_program
from rel4.compiled.elf import load_program
from rel4.compiled.recorder import recording
from rel4.compiled.runner import (
    BEGIN,
    END,
    Ending,
    Listener,
    RunConfig,
    RunResult,
    measured_parts,
    run_program,
    runner_names,
)
from uintr.program import Parser, path, whole
from uintr.registers import DEFAULT_HARTS

__all__ = ["STATUS", "define_cc", "define_run"]

SPIKE = "spike"

STATUS = {Ending.LIMIT: 124, Ending.DOUBLE_FAULT: 125, Ending.DEBUGGER: 0}
"""Exit status where the program has none of its own."""


def define_cc(cc: Parser) -> None:
    """Describe ``rel4 cc``."""
    cc.describe(
        _cc,
        "Compile and link a program with start-up code, console and printf. Headers: uintr.h (user "
        "interrupts), soc.h (addresses), trap.h, csr.h, mark.h.",
        """
        rel4 cc hello.c -o hello.elf                       with the pip compiler
        rel4 cc kernel.c entry.S -o k.elf --compiler gcc -Os -I include
        """,
    )
    cc.add_argument("sources", nargs="+", type=path, metavar="SOURCE", help=".c, .S or .s files")
    cc.add_argument("-o", "--output", type=path, required=True, metavar="FILE", help="the program")
    cc.add_argument(
        "--compiler", default=COMPILERS[0], help=f"{' or '.join(COMPILERS)} (default clang, by pip)"
    )
    cc.add_argument("-O", dest="optimise", default="2", metavar="LEVEL", help="as in -Os (-O2)")
    cc.add_argument(
        "-I",
        "--include",
        dest="includes",
        action="append",
        default=[],
        type=path,
        metavar="FOLDER",
        help="folder of headers",
    )
    cc.add_argument(
        "-D", "--define", dest="defines", action="append", default=[], metavar="NAME[=VALUE]"
    )
    cc.add_argument("-T", "--script", type=path, metavar="FILE", help="linker script of your own")
    cc.add_argument("--no-library", action="store_true", help="without start-up code and library")


def define_run(run: Parser) -> None:
    """Describe ``rel4 run``."""
    run.describe(
        _run,
        "Run an ELF file, print its console, end with its exit status: or with 124 at the cycle "
        "limit, 125 after a double fault, 2 if it cannot be run.",
        """
        rel4 run hello.elf                                 on the gateware, in simulation
        rel4 run ping_pong.elf --memory-latency 30 --stats
        rel4 run ping_pong.elf --trace build/traced        events and a timeline for Perfetto
        """,
    )
    run.add_argument("file", type=path, metavar="FILE", help="the program")
    defaults = RunConfig()
    for name, default, metavar, text in (
        ("harts", DEFAULT_HARTS, "N", "1 to 8"),
        ("memory", defaults.memory_mib, "MIB", "size of main memory"),
        ("memory-latency", defaults.memory_latency, "L", "cycles to a read's first word"),
        ("jitter", defaults.jitter, "J", "cycles more at most, by chance"),
        ("seed", defaults.seed, "S", "of chance"),
        ("cache", defaults.cache_kib, "KIB", "size of each cache: 4, 8 or 16"),
        ("max-cycles", defaults.max_cycles, "C", "limit of the run"),
    ):
        run.add_argument(
            f"--{name}", type=whole, default=default, metavar=metavar, help=f"{text} ({default})"
        )
    run.add_argument("--device", default="rtl", help="rtl (simulation, default) or uart (board)")
    run.add_argument("--hart", default="rtl", help="rtl, or spike for a fast functional run")
    run.add_argument("--port", help="serial port of the board, for the device uart")
    run.add_argument("--input", type=path, metavar="FILE", help="what the console reads")
    run.add_argument(
        "--trace", type=path, metavar="FOLDER", help="event log and timeline for Perfetto"
    )
    run.add_argument(
        "--instructions", action="store_true", help="with --trace: every instruction, with symbols"
    )
    run.add_argument(
        "--gdb", type=int, metavar="PORT", help="wait for gdb at this port (0: a free one)"
    )
    run.add_argument("--stats", action="store_true", help="cycles, instructions, speed")


def _cc(arguments: argparse.Namespace) -> int:
    try:
        compile_program(
            arguments.sources,
            arguments.output,
            compiler=arguments.compiler,
            optimise=arguments.optimise,
            includes=arguments.includes,
            defines=arguments.defines,
            script=arguments.script,
            library=not arguments.no_library,
        )
    except CompileError as error:
        raise ValueError(str(error)) from None
    return 0


class _Console(Listener):
    """Prints the program's console as it comes, and progress beside it."""

    def console(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def progress(self, text: str) -> None:
        print(f"rel4: {text}", file=sys.stderr, flush=True)


def _runner_name(arguments: argparse.Namespace) -> str:
    devices = [name for name in runner_names() if name != SPIKE]
    if arguments.hart not in ("rtl", SPIKE):
        raise ValueError(f"hart must be rtl or {SPIKE}, not {arguments.hart!r}")
    if arguments.device not in devices:
        raise ValueError(f"device must be one of {', '.join(devices)}, not {arguments.device!r}")
    return SPIKE if arguments.hart == SPIKE else str(arguments.device)


def _run(arguments: argparse.Namespace) -> int:
    out: Path | None = arguments.trace
    if arguments.instructions and out is None:
        raise ValueError("instructions must have a folder to go to, but there is no --trace")
    if out is not None and out.exists() and not out.is_dir():
        raise ValueError(f"trace must be a folder, and {out} is a file")
    config = RunConfig(
        harts=arguments.harts,
        memory_mib=arguments.memory,
        memory_latency=arguments.memory_latency,
        jitter=arguments.jitter,
        seed=arguments.seed,
        cache_kib=arguments.cache,
        max_cycles=arguments.max_cycles,
        trace=out is not None,
        instructions=arguments.instructions,
        input=_input(arguments.input),
        gdb=arguments.gdb,
    )
    name = _runner_name(arguments)
    if arguments.port is not None:
        os.environ["UINTR_PORT"] = arguments.port  # where the runner of a board looks
    program = load_program(arguments.file)
    if out is None:
        result = run_program(program, config, runner=name, listener=_Console())
    else:
        with recording(out, program, config, _Console()) as recorder:
            result = run_program(program, config, runner=name, listener=recorder)
            recorder.close(result)
    print(f"rel4: {result.sentence}", file=sys.stderr)
    for file in [] if out is None else sorted(out.iterdir()):
        print(f"rel4: {file}", file=sys.stderr)
    if arguments.stats:
        print(_stats(result), file=sys.stderr)
    return STATUS[result.ending] if result.status is None else result.status


def _input(path: Path | None) -> bytes:
    if path is None:
        return b""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} must be a readable file: {error.strerror}") from None


def _stats(result: RunResult) -> str:
    instructions = sum(result.instructions)
    per = ", ".join(f"hart {hart} {count:,}" for hart, count in enumerate(result.instructions))
    speed = result.cycles / result.seconds if result.seconds else 0
    lines = [f"cycles {result.cycles:,}; instructions {instructions:,} ({per})"]
    lines += [
        f"hart {hart}: {each.cycles:,} cycles from mark {BEGIN} to mark {END}, "
        f"{each.instructions:,} instructions, {each.cycles / each.instructions:.2f} cycles each"
        for hart, each in sorted(measured_parts(result.marks).items())
    ]
    lines.append(f"{result.seconds:.2f} s, {speed:,.0f} simulated cycles a second")
    return "\n".join(lines)
