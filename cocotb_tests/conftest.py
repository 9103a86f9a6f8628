"""What all co-simulation tests share: the simulators, and where testbenches are found."""

import shutil
import signal
import sys
from pathlib import Path

import pytest

# What a shell starts in the background ignores Ctrl-C, and so would whatever the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Test modules and the simulator's Python both import the testbenches by name.
if str(Path(__file__).parent) not in sys.path:
    sys.path.append(str(Path(__file__).parent))


@pytest.fixture(params=["verilator", "icarus"])
def simulator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each simulator in turn, chosen for `uintr_cosim.device.run`."""
    name: str = request.param
    if name == "icarus" and shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not installed")
    monkeypatch.setenv("UINTR_SIM", name)
    monkeypatch.setenv("UINTR_SIM_TIMEOUT", "300")
    return name
