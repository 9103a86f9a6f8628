"""Verilog and a C++ main loop of our own, built into one program by Verilator."""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from uintr_cosim.runtime import ONE_UNIT, shared_runtime
from uintr_cosim.simulator import SimulationError, build_root, find_simulator, locked

__all__ = ["build_harness"]

_BUILD_SECONDS = 1800


def build_harness(
    name: str,
    sources: Mapping[str, str],
    main: Path,
    *,
    top: str,
    make: str = "OPT_FAST=-O2 OPT_SLOW=-O0 OPT_GLOBAL=-O1",
    options: Sequence[str] = (),
    before: Sequence[str] = (),
    design: Sequence[str] | None = None,
) -> Path:
    """The program, built if it is not there yet; when several want it at once, one builds.

    Parameters
    ----------
    name : its name begins with
    sources : text by file name, of Verilog and of headers that ``main`` includes
    main : the C++ file with the main loop; it includes V`top`.h
    make : how hard the C++ compiler tries
    options : of Verilator, beside the usual ones
    before : a command that is run first, among the sources
    design : names of Verilog files to build, if not all sources but headers

    Raises
    ------
    SimulationError : no Verilator, or the build failed; the sentence names the log.
    """
    simulator = find_simulator("verilator")
    if design is None:
        design = [file for file in sources if not file.endswith(".h")]
    recipe = (make, *options, *simulator.versions)
    texts = (*sources, *sources.values(), main.read_text(), *before, *design, *recipe)
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    root = build_root()
    root.mkdir(parents=True, exist_ok=True)
    program = root / f"{name}-{digest}"
    if program.is_file():
        return program
    log = root / f"{program.name}.log"
    with (
        locked(root / f"{program.name}.lock"),
        tempfile.TemporaryDirectory(prefix=f"{program.name}-", dir=root) as work,
    ):
        if program.is_file():
            return program
        for file, text in sources.items():
            (Path(work) / file).write_text(text)
        command = [
            *("verilator", "--cc", "--exe", "--build", "-Wno-lint", "-Wno-UNOPTFLAT", "-O3"),
            *("--x-assign", "fast", "--x-initial", "fast", "--top", top, "--prefix", f"V{top}"),
            *("-CFLAGS", f"-I{work}", "-MAKEFLAGS", make, *ONE_UNIT, *options),
            *("--Mdir", "obj", "-o", "program"),
            *(*design, str(main)),
        ]
        with log.open("wb") as stream, shared_runtime(root, Path(work) / "obj", *recipe):
            for each in (before, command) if before else (command,):
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
                    raise SimulationError(f"{name} must be built in time; see {log}") from None
                if done.returncode:
                    raise SimulationError(f"{name} could not be built; see {log}")
        os.replace(Path(work) / "obj" / "program", program)
    return program
