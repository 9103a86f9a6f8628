"""What the tests share: an emulated board, and the path to the helpers beside them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
for folder in (HERE, ROOT / "cocotb_tests", ROOT / "hw/tests"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from emulated_board import BAUD  # noqa: E402

from uintr_fpga.boards import Target  # noqa: E402
from uintr_fpga.emulate import emulated  # noqa: E402
from uintr_fpga.link import BoardLink  # noqa: E402


@pytest.fixture(scope="session")
def target() -> Target:
    """The shape of the published experiment."""
    return Target.of("ulx3s", harts=2, baud=BAUD)


@pytest.fixture(scope="session")
def terminal(target: Target) -> Iterator[str]:
    """Path of an emulated board's serial port; one board for all tests, as on a bench."""
    with emulated(target) as path:
        yield path


@pytest.fixture
def board(terminal: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment of the device ``uart``; returns the port."""
    monkeypatch.setenv("UINTR_PORT", terminal)
    monkeypatch.setenv("UINTR_BAUD", str(BAUD))
    monkeypatch.setenv("UINTR_UART_TIMEOUT", "20")
    return terminal


@pytest.fixture
def link(terminal: str) -> Iterator[BoardLink]:
    """A link to the emulated board."""
    made = BoardLink(terminal, baud=BAUD, seconds=20)
    yield made
    made.close()
