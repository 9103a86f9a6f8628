"""A board without a board: its complete top under Verilator, on a pseudo-terminal."""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from uintr_cosim.runtime import ONE_UNIT, shared_runtime
from uintr_cosim.simulator import build_root, find_simulator
from uintr_fpga.boards import Target
from uintr_fpga.toolchains import find_yosys
from uintr_fpga.uart import uart_divisor

__all__ = ["EmulationError", "build_emulator", "build_harness", "emulated", "running"]

_BUILD_SECONDS = 900
_LINGER_BITS = 400
"""Bit times that the board's clock goes on after the last sign of life on the line."""

_SYNTHESIS = "synth_ice40 -top board; write_verilog -noattr netlist.v"


class EmulationError(Exception):
    """The emulator could not be built or started; one sentence."""


def build_emulator(target: Target, *, gates: bool = False) -> Path:
    """The emulator of ``target``, built if it is not there yet.

    With ``gates`` what is emulated is not the RTL but the netlist that synthesis for iCE40 makes of
    it, out of the cells' simulation models, whatever family the board is of.

    Raises
    ------
    EmulationError : the build failed; the sentence names the log.
    ToolError : ``gates``, and no Yosys.
    SimulationError : no Verilator.
    ValueError : the gateware refuses the shape.
    """
    from uintr.generate import verilog_text
    from uintr_fpga.core import BoardCore

    core = BoardCore(config=target.config, clock_hz=target.clock_hz, baud=target.baud)
    return build_harness(
        {"board.v": verilog_text(core, name="board")}, name=target.name, gates=gates
    )


def build_harness(sources: Mapping[str, str], *, name: str, gates: bool = False) -> Path:
    """The program that runs Verilog with the top ``board``, built if it is not there yet.

    The top's ports are clk, rst, rx, tx and leds, as those of `BoardCore`.

    Parameters
    ----------
    sources : text by file name
    name : stands in the program's name
    gates : emulate the netlist for iCE40

    Raises
    ------
    As `build_emulator`.
    """
    simulator = find_simulator("verilator")
    harness = Path(__file__).with_name("emulator.cpp")
    yosys, cells = find_yosys() if gates else ("", harness)
    texts = (*sources.keys(), *sources.values(), harness.read_text(), _SYNTHESIS, yosys)
    digest = hashlib.sha256("\0".join((*texts, *simulator.versions)).encode()).hexdigest()[:16]
    root = build_root()
    root.mkdir(parents=True, exist_ok=True)
    program = root / f"emulator-{name}{'-gates' if gates else ''}-{digest}"
    if program.is_file():
        return program
    log = root / f"{program.name}.log"
    with tempfile.TemporaryDirectory(prefix=f"{program.name}-", dir=root) as work:
        for file, text in sources.items():
            (Path(work) / file).write_text(text)
        names = ["netlist.v", str(cells)] if gates else list(sources)
        script = f"read_verilog {' '.join(sources)}; {_SYNTHESIS}"
        commands = [[yosys, "-q", "-p", script]] if gates else []
        optimised = "OPT_FAST=-O2 OPT_SLOW=-O0 OPT_GLOBAL=-O1"
        command = [
            *(
                "verilator",
                "--cc",
                "--exe",
                "--build",
                "-Wno-lint",
                "-Wno-TIMESCALEMOD",
                "-Wno-COMBDLY",  # migen writes combinational logic so
                "-O3",
                "--top",
                "board",
            ),
            *("--x-assign", "fast", "--x-initial", "fast", "--prefix", "Vboard"),
            *("-MAKEFLAGS", optimised, *ONE_UNIT),
            "-DNO_ICE40_DEFAULT_ASSIGNMENTS",
            *("--Mdir", "obj", "-o", "emulator", *names, str(harness)),
        ]
        runtime = shared_runtime(root, Path(work) / "obj", optimised, *simulator.versions)
        with log.open("wb") as stream, runtime:
            for each in (*commands, command):
                try:
                    done = subprocess.run(
                        each,
                        cwd=work,
                        env=simulator.environment(),
                        stdin=subprocess.DEVNULL,
                        stdout=stream,
                        stderr=subprocess.STDOUT,
                        timeout=_BUILD_SECONDS,
                    )
                except subprocess.TimeoutExpired:
                    raise EmulationError(f"the emulator must be built in time; see {log}") from None
                if done.returncode:
                    raise EmulationError(f"the emulator could not be built; see {log}")
        os.replace(Path(work) / "obj" / "emulator", program)
    return program


@contextmanager
def emulated(target: Target, *, gates: bool = False) -> Iterator[str]:
    """Run the emulator of ``target``; gives the path of its terminal. It ends with the block."""
    program = build_emulator(target, gates=gates)
    with running(program, divisor=uart_divisor(target.clock_hz, target.baud)) as path:
        yield path


@contextmanager
def running(program: Path, *, divisor: int) -> Iterator[str]:
    """Run a program of `build_harness`, with so many clock cycles a bit, as `emulated` does."""
    process = subprocess.Popen(
        [program, str(divisor), str(_LINGER_BITS * divisor)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        path = process.stdout.readline().strip()
        if not path:
            raise EmulationError(f"{program} must name its terminal, but ended")
        yield path
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()  # it ends by this
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
