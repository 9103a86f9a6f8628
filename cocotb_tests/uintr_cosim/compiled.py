"""Compiled programs on the gateware: the runner ``rtl`` of the group ``rel4.runners``.

The system is simulated with a main loop in C++ (``run.cpp``); this process hears of console, marks
and the end, a line each. With a debugger attached it passes its questions on.
"""

import os
import subprocess
import tempfile
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Self

from rel4.compiled.elf import Program
from rel4.compiled.gdb import readable, serve
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
from uintr_cosim.rv64_bench import build
from uintr_cosim.simulator import SimulationError

__all__ = ["run"]

_MISSES = {"i": "icache", "d": "dcache", "w": "walk"}


def run(program: Program, config: RunConfig, listener: Listener) -> RunResult:
    """Run ``program``; see `rel4.compiled.runner.Runner`.

    Raises
    ------
    ProgramError : the memory is too small for it.
    SimulationError : the simulation could not be built or ended badly.
    DeviceError : the debugger's port is taken.
    """
    config.check(program)
    simulation = build(config, listener)
    with (
        tempfile.TemporaryDirectory(prefix="rel4-run-") as folder,
        _Simulation([str(simulation), *_options(Path(folder), program, config)]) as process,
    ):
        hearing = _Hearing(process, program, listener)
        if config.gdb is not None:
            serve(_Debugged(process, hearing, config.harts), config.gdb, listener)
        while hearing.result is None:
            hearing.hear(process.line())
        return hearing.result


def _options(folder: Path, program: Program, config: RunConfig) -> list[str]:
    """Arguments of the simulation; what is long is put into files in ``folder``."""

    def words(*numbers: int) -> bytes:
        return b"".join(number.to_bytes(8, "little") for number in numbers)

    image = (words(each.address, len(each.data)) + each.data for each in program.segments)
    (folder / "image").write_bytes(b"".join(image))
    (folder / "functions").write_bytes(words(*program.symbols.starts))
    (folder / "input").write_bytes(config.input)
    options = [f"{name}={folder / name}" for name in ("image", "functions", "input")]
    options += [
        f"words={config.memory_mib << 17}",
        f"latency={config.memory_latency}",
        f"jitter={config.jitter}",
        f"seed={config.seed}",
        f"limit={config.max_cycles}",
        f"tohost={program.tohost}",
    ]
    flags = {
        "trace": config.trace,
        "instructions": config.instructions,
        "debug": config.gdb is not None,
    }
    return options + [name for name, wanted in flags.items() if wanted]


class _Simulation:
    """The running simulation: a line in, lines out. It ends with the block."""

    def __init__(self, command: list[str]) -> None:
        # In a group of its own, so that Ctrl-C reaches this process alone and a run ends in order.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input = self._process.stdin
        self._output = self._process.stdout.fileno()
        self._lines: deque[str] = deque()
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._input.close()  # it ends by this, if it has not
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def say(self, line: str) -> None:
        """Give a command."""
        self._input.write(f"{line}\n".encode())
        self._input.flush()

    def line(self, file: int = -1) -> str | None:
        """The next line; or None, if there is something to read from ``file`` before.

        Raises
        ------
        SimulationError : there is none any more.
        """
        while not self._lines:
            if file >= 0 and self._output not in readable([self._output, file]):
                return None
            data = os.read(self._output, 1 << 16)
            if not data:
                raise SimulationError(
                    f"the simulation must say why it ends, but ended with status "
                    f"{self._process.wait()}"
                )
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._lines.extend(line.decode("ascii") for line in lines)
        return self._lines.popleft()


class _Hearing:
    """Makes a result of what the simulation says."""

    def __init__(self, process: _Simulation, program: Program, listener: Listener) -> None:
        self.result: RunResult | None = None
        self._process = process
        self._program = program
        self._listener = listener
        self._console = bytearray()
        self._marks: list[Marker] = []
        self._end: list[str] = []
        self._harts: list[tuple[int, bool, int]] = []  # pc, waiting, retired

    def hear(self, line: str | None) -> list[str]:
        """Take a line in; returns the words of one that is for a debugger."""
        kind, *words = (line or "").split() or [""]
        match kind:
            case "c":
                data = bytes.fromhex(words[0])
                self._console += data
                self._listener.console(data)
            case "m":
                self._marks.append(Marker(*map(int, words)))
            case "r":
                self._listener.retired(_retired(words))
            case "w":
                self._listener.miss(Miss(int(words[0]), int(words[1]), _MISSES[words[2]]))
            case "e":
                self._end = words
            case "h":
                self._harts.append((int(words[1], 16), words[2] == "1", int(words[3])))
            case "t":
                self.result = self._result(int(words[0]), float(words[1]))
            case "g":
                return words
        return []

    def _result(self, cycles: int, seconds: float) -> RunResult:
        retired = tuple(count for _, _, count in self._harts)
        symbols = self._program.symbols
        status = None
        match self._end:
            case ["exit", number]:
                ending = Ending.EXIT
                status = min(int(number), 255)
                sentence = exited(int(number), cycles, sum(retired))
            case ["limit"]:
                ending = Ending.LIMIT
                where = [(pc, waiting) for pc, waiting, _ in self._harts]
                sentence = time_limit(cycles, where, symbols)
            case ["double", hart, cause, pc]:
                ending = Ending.DOUBLE_FAULT
                sentence = double_fault(int(hart), int(cause, 16), int(pc, 16), symbols)
            case _:
                ending, sentence = Ending.DEBUGGER, f"the debugger ended it after {cycles:,} cycles"
        return RunResult(
            ending=ending,
            sentence=sentence,
            status=status,
            console=bytes(self._console),
            cycles=cycles,
            instructions=retired,
            marks=tuple(self._marks),
            seconds=seconds,
        )


def _retired(words: list[str]) -> Retired:
    numbers = [int(words[0]), int(words[1]), *(int(word, 16) for word in words[2:])]
    cycle, hart, pc, following, insn, mode, trap, intr, *rest = numbers
    return Retired(cycle, hart, pc, following, insn, mode, bool(trap), bool(intr), *rest)


class _Debugged:
    """The simulation as a `rel4.compiled.gdb.Target`."""

    def __init__(self, process: _Simulation, hearing: _Hearing, harts: int) -> None:
        self.harts = harts
        self._process = process
        self._hearing = hearing

    @property
    def result(self) -> RunResult | None:
        return self._hearing.result

    def _ask(self, command: str) -> list[str]:
        self._process.say(command)
        while True:
            words = self._hearing.hear(self._process.line())
            if words:
                return words

    def registers(self, hart: int) -> list[int]:
        return [0, *(int(word, 16) for word in self._ask(f"registers {hart}"))]

    def read(self, hart: int, address: int, count: int) -> bytes:
        # A dot ends the bytes, so that none at all are an answer too.
        return bytes.fromhex(self._ask(f"read {hart} {address:x} {count:x}")[0].rstrip("."))

    def set_register(self, hart: int, number: int, value: int) -> bool:
        return self._ask(f"set {hart} {number:x} {value:x}") == ["yes"]

    def write(self, hart: int, address: int, data: bytes) -> bool:
        return not data or self._ask(f"write {hart} {address:x} {data.hex()}") == ["yes"]

    def set_breakpoint(self, address: int, wanted: bool) -> None:
        self._process.say(f"{'break' if wanted else 'unbreak'} {address:x}")

    def start(self, step: int | None) -> None:
        self._process.say("continue" if step is None else f"step {step}")

    def wait(self, file: int) -> int | None:
        while True:
            line = self._process.line(file)
            if line is None:
                return None
            words = self._hearing.hear(line)
            if words[:1] == ["stop"]:
                return int(words[1])
            if self.result is not None:
                return None

    def halt(self) -> None:
        self._process.say("halt")

    def detach(self) -> None:
        if self.result is None:
            self._process.say("detach")

    def end(self) -> None:
        self._process.say("leave")
