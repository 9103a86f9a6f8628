"""Compiled programs on the gateware: the runner ``rtl`` of the group ``rel4.runners``.

The system is simulated with a main loop in C++ (``run.cpp``); this process hears of console, marks
and the end, a line each. With a debugger attached it passes its questions on.
"""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rel4.compiled.elf import Program
from rel4.compiled.runner import (
    Ending,
    Listener,
    Marker,
    Miss,
    Retired,
    RunConfig,
    RunResult,
    double_fault,
    exited,
    time_limit,
)
from rv64.memory_map import RAM_BASE
from uintr_cosim.harness import build_harness
from uintr_cosim.simulator import SimulationError, build_root, source_digest

__all__ = ["build", "run"]

_MAIN = Path(__file__).with_name("run.cpp")
_MISSES = {"i": "icache", "d": "dcache", "w": "walk"}


def run(program: Program, config: RunConfig, listener: Listener) -> RunResult:
    """Run ``program``; see `rel4.compiled.runner.Runner`.

    Raises
    ------
    SimulationError : the simulation could not be built or ended badly.
    """
    simulation = build(config, listener)
    with tempfile.TemporaryDirectory(prefix="rel4-run-") as folder:
        image = Path(folder) / "image"
        image.write_bytes(
            b"".join(
                b"".join(number.to_bytes(8, "little") for number in (each.address, len(each.data)))
                + each.data
                for each in program.segments
            )
        )
        keyboard = Path(folder) / "input"
        keyboard.write_bytes(config.input)
        options = {
            "image": image,
            "input": keyboard,
            "words": config.memory_mib << 17,
            "latency": config.memory_latency,
            "jitter": config.jitter,
            "seed": config.seed,
            "limit": config.max_cycles,
            "tohost": program.tohost,
        }
        command = [str(simulation), *(f"{name}={value}" for name, value in options.items())]
        command += ["trace"] if config.trace else []
        command += ["instructions"] if config.instructions else []
        with _process(command) as (_, lines):
            return _listen(lines, program, config, listener)


@contextmanager
def _process(command: list[str]) -> Iterator[tuple[IO[str], IO[str]]]:
    """The running simulation's standard input and output; it ends with the block."""
    # In a group of its own, so that Ctrl-C reaches this process alone and a run ends in order.
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="ascii",
        bufsize=1 << 16,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdin, process.stdout
        finally:
            process.stdin.close()  # it ends by this, if it has not
            if process.poll() is None:
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()


def _listen(lines: IO[str], program: Program, config: RunConfig, listener: Listener) -> RunResult:
    """Hear everything to the end of the run."""
    console = bytearray()
    marks: list[Marker] = []
    end: list[str] = []
    harts: list[tuple[int, bool, int]] = []  # pc, waiting, retired
    for line in lines:
        kind, *words = line.split()
        match kind:
            case "c":
                data = bytes.fromhex(words[0])
                console += data
                listener.console(data)
            case "m":
                marks.append(Marker(*map(int, words)))
            case "r":
                listener.retired(_retired(words))
            case "w":
                listener.miss(Miss(int(words[0]), int(words[1]), _MISSES[words[2]]))
            case "e":
                end = words
            case "h":
                harts.append((int(words[1], 16), words[2] == "1", int(words[3])))
            case "t":
                return _result(
                    end, harts, int(words[0]), float(words[1]), bytes(console), marks, program
                )
    raise SimulationError("the simulation must say why it ends, but ended without a word")


def _retired(words: list[str]) -> Retired:
    numbers = [int(words[0]), int(words[1]), *(int(word, 16) for word in words[2:])]
    cycle, hart, pc, following, insn, mode, trap, intr, *rest = numbers
    return Retired(cycle, hart, pc, following, insn, mode, bool(trap), bool(intr), *rest)


def _result(
    end: list[str],
    harts: list[tuple[int, bool, int]],
    cycles: int,
    seconds: float,
    console: bytes,
    marks: list[Marker],
    program: Program,
) -> RunResult:
    retired = tuple(count for _, _, count in harts)
    status = None
    match end:
        case ["exit", number]:
            ending = Ending.EXIT
            status = min(int(number), 255)
            sentence = exited(int(number), cycles, sum(retired))
        case ["limit"]:
            ending = Ending.LIMIT
            where = [(pc, waiting) for pc, waiting, _ in harts]
            sentence = time_limit(cycles, where, program.symbols)
        case ["double", hart, cause, pc]:
            ending = Ending.DOUBLE_FAULT
            sentence = double_fault(int(hart), int(cause, 16), int(pc, 16), program.symbols)
        case _:
            ending, sentence = Ending.DEBUGGER, f"the debugger ended it after {cycles:,} cycles"
    return RunResult(
        ending=ending,
        sentence=sentence,
        status=status,
        console=console,
        cycles=cycles,
        instructions=retired,
        marks=tuple(marks),
        seconds=seconds,
    )


def build(config: RunConfig, listener: Listener | None = None) -> Path:
    """The program that simulates a system of this shape, built if it is not there yet.

    Raises
    ------
    SimulationError : the build failed; the sentence names the log.
    """
    shape = f"{config.harts} hart{'s' if config.harts > 1 else ''}, {config.cache_kib} KiB caches"
    root = build_root()
    # Whether there is a program is known without making Verilog, which takes long.
    known = root / f"run-{_digest(config)}"
    if known.is_file():
        program = Path(known.read_text())
        if program.is_file():
            return program
    if listener is not None:
        listener.progress(f"building the simulation of {shape}; a minute or two, once")
    from rv64.soc import Soc
    from uintr.generate import verilog_text

    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    soc = Soc(harts=config.harts, cache_bytes=config.cache_kib << 10)
    program = build_harness(
        f"rv64-{config.harts}x{config.cache_kib}",
        {"soc.v": verilog_text(soc, name="soc"), "ports.h": _ports(config.harts)},
        _MAIN,
        top="soc",
        make="OPT_FAST=-O3 OPT_SLOW=-O1 OPT_GLOBAL=-O2",
    )
    part = known.with_name(f"{known.name}.{os.getpid()}")
    part.write_text(str(program))
    part.replace(known)
    return program


def _ports(harts: int) -> str:
    return (
        f"#define HARTS {harts}\n#define RAM_BASE {RAM_BASE:#x}ull\n"
        f"#define EACH_HART(X) {' '.join(f'X({hart})' for hart in range(harts))}\n"
    )


def _digest(config: RunConfig) -> str:
    """Of all that the program of `build` depends on."""
    text = f"{source_digest('uintr', 'rv64')} {config.harts} {config.cache_kib} {_MAIN.read_text()}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
