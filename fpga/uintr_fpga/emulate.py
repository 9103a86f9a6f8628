"""A board without a board: its complete top under Verilator, on a pseudo-terminal."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from uintr_cosim import harness
from uintr_fpga.boards import Target
from uintr_fpga.toolchains import find_yosys
from uintr_fpga.uart import uart_divisor

__all__ = ["EmulationError", "build_emulator", "build_harness", "emulated", "running"]

_LINGER_BITS = 400
"""Bit times that the board's clock goes on after the last sign of life on the line."""

_SYNTHESIS = "synth_ice40 -top board; write_verilog -noattr netlist.v"


class EmulationError(Exception):
    """The emulator could not be started; one sentence."""


def build_emulator(target: Target, *, gates: bool = False) -> Path:
    """The emulator of ``target``, built if it is not there yet.

    With ``gates`` what is emulated is not the RTL but the netlist that synthesis for iCE40 makes of
    it, out of the cells' simulation models, whatever family the board is of.

    Raises
    ------
    ToolError : ``gates``, and no Yosys.
    SimulationError : no Verilator, or the build failed; the sentence names the log.
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
    yosys, cells = find_yosys() if gates else ("", None)
    script = f"read_verilog {' '.join(sources)}; {_SYNTHESIS}"
    return harness.build_harness(
        f"emulator-{name}{'-gates' if gates else ''}",
        sources,
        Path(__file__).with_name("emulator.cpp"),
        top="board",
        options=(
            "-Wno-TIMESCALEMOD",
            "-Wno-COMBDLY",  # migen writes combinational logic so
            "-DNO_ICE40_DEFAULT_ASSIGNMENTS",
        ),
        before=[yosys, "-q", "-p", script] if gates else (),
        design=["netlist.v", str(cells)] if gates else None,
    )


@contextmanager
def emulated(target: Target, *, gates: bool = False) -> Iterator[str]:
    """Run the emulator of ``target``; gives the path of its terminal. It ends with the block."""
    program = build_emulator(target, gates=gates)
    with running(program, divisor=uart_divisor(target.clock_hz, target.baud)) as path:
        yield path


@contextmanager
def running(program: Path, *, divisor: int) -> Iterator[str]:
    """Run a program of `build_harness`, with so many clock cycles a bit, as `emulated` does."""
    command = [str(program), str(divisor), str(_LINGER_BITS * divisor)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            path = process.stdout.readline().strip()
            if not path:
                raise EmulationError(f"{program} must name its terminal, but ended")
            yield path
        finally:
            process.stdin.close()  # it ends by this
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
