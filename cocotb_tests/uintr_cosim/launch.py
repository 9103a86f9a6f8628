"""One build or one run through cocotb's runner, in a process of its own.

A process of its own can be given a time limit and an environment, and the runner's habits (it
changes its behaviour under pytest, and exits) stay within it.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from cocotb_tools.runner import get_runner

from uintr_cosim.signals import TOP

__all__ = ["main"]

_TIMESCALE = ("1ns", "1ns")
# Asserts say what they compared in testbenches alone: to rewrite those of every module that a job
# imports takes as long as all the rest of a start.
_ENVIRONMENT = {"COCOTB_REWRITE_ASSERTION_FILES": "tb_*.py"}


def main(action: str, spec: dict[str, Any]) -> None:
    """``action`` is build or test; ``spec`` has what `simulator` and `device` put in."""
    runner = get_runner(spec["simulator"])
    if action == "build":
        runner.build(
            sources=spec["sources"],
            hdl_toplevel=spec.get("top", TOP),
            build_dir=spec["build_dir"],
            build_args=spec["build_args"],
            timescale=_TIMESCALE,
            always=True,
            waves=spec.get("waves", False),
        )
    else:
        runner.test(
            test_module=spec["test_module"],
            hdl_toplevel=spec.get("top", TOP),
            hdl_toplevel_lang="verilog",
            build_dir=spec["build_dir"],
            test_dir=spec["test_dir"],
            extra_env=_ENVIRONMENT,
            results_xml=str(Path(spec["test_dir"]) / "results.xml"),
            waves=spec.get("waves", False),
            timescale=_TIMESCALE,
        )


def _end_with_parent() -> None:
    """Wait until the other end of standard input is closed, then end the whole process group."""
    os.read(sys.stdin.fileno(), 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    main(sys.argv[1], json.loads(sys.argv[2]))
