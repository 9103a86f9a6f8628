"""Builds the gateware with `replay.cpp` and runs it."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rel4.machine.device import DeviceConfig, DeviceError
from uintr_cosim.harness import build_harness
from uintr_cosim.signals import TOP
from uintr_cosim.top import verilog

__all__ = ["HARNESS", "ReplayError", "build_replay", "replay", "run_mutants"]

HARNESS = Path(__file__).with_name("replay.cpp")
_MOST_HARTS = 20
"""The status of more does not fit a word of 64 bits."""

_COVERAGE = ("--coverage-line", "--coverage-toggle", "--coverage-expr", "--coverage-user")


class ReplayError(DeviceError):
    """A replay did not end well; one sentence."""


def _ports(harts: int, *, mutants: bool) -> str:
    """What the harness needs to know of the shape."""
    requests = ", ".join(f"&top.request_{hart}[0]" for hart in range(harts))
    responses = ", ".join(f"&top.response_{hart}[0]" for hart in range(harts))
    valid = (1 << harts) - 1 << 1 | 1 << 1 + 3 * harts
    lines = (1 << 1 + 3 * harts) - 2
    return (
        f"#define HARTS {harts}\n#define MUTANTS {int(mutants)}\n"
        f"#define REQUESTS {{{requests}}}\n#define RESPONSES {{{responses}}}\n"
        "#define PRIVILEGE top.privilege\n#define BUS_REQUEST (&top.bus_request[0])\n"
        "#define BUS_RESPONSE (&top.bus_response[0])\n"
        f"#define VALID {valid:#x}ull\n#define LINES_AND_VALID {lines | valid:#x}ull\n"
    )


def build_replay(
    config: DeviceConfig,
    *,
    source: str | None = None,
    coverage: bool = False,
    mutants: bool = False,
) -> Path:
    """The program for a shape, built if it is not there yet.

    Parameters
    ----------
    config : shape
    source : Verilog instead of what the generator writes
    coverage : counts lines, toggles and expressions
    mutants : ``source`` has the input ``mutsel``

    Raises
    ------
    SimulationError : no Verilator, or the build failed; the sentence names the log.
    """
    if config.harts > _MOST_HARTS:
        raise ValueError(f"harts must be at most {_MOST_HARTS}, not {config.harts!r}")
    # Mutants are run for long, and what is counted for coverage takes long to compile.
    fast = "-O0" if coverage else "-O2" if mutants else "-O1"
    return build_harness(
        "replay",
        {
            f"{TOP}.v": verilog(config) if source is None else source,
            "ports.h": _ports(config.harts, mutants=mutants),
        },
        HARNESS,
        top=TOP,
        make=f"OPT_FAST={fast} OPT_SLOW=-O0 OPT_GLOBAL=-O1",
        # A multiplexer's selects may overlap while the logic of mutants settles.
        options=_COVERAGE if coverage else ("--no-assert",) if mutants else (),
    )


def replay(
    program: Path,
    files: Sequence[Path],
    *,
    log: Path | None = None,
    coverage: Path | None = None,
    seconds: float = 3600,
) -> list[dict[str, Any]]:
    """Run each file from power-on. Answers a line of outcome for each: good, cycles, responses, and
    what the first difference is.

    Raises
    ------
    ReplayError : the program died or took longer than ``seconds``.
    """
    command = [str(program), str(log or "-"), str(coverage or "-"), *map(str, files)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise ReplayError(f"a replay must end within {seconds:g} s, but did not") from None
    if done.returncode not in (0, 1):
        raise ReplayError(f"a replay ended with exit status {done.returncode}: {done.stderr}")
    outcomes: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    if len(outcomes) != len(files):
        raise ReplayError(f"a replay must have {len(files)} outcomes, not {len(outcomes)}")
    return outcomes


def run_mutants(
    program: Path, files: Sequence[Path], *, first: int, last: int, seconds: float = 7200
) -> Iterator[dict[str, Any]]:
    """Run mutants ``first`` to ``last``; 0 is the unmutated design. Each outcome as it comes: the
    file that killed it (-1: none), its cycles in all and what the first difference was.
    """
    command = [str(program), "-m", str(first), str(last), *map(str, files)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("{"):  # others are the simulator's, before it gives up
                    yield json.loads(line)
            if process.wait(seconds):
                raise ReplayError(f"a run of mutants ended with exit status {process.returncode}")
        finally:
            if process.poll() is None:
                process.kill()
