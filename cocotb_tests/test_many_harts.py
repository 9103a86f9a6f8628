"""Sixteen harts on the RTL do what the page on many harts says of the reference device."""

import pytest

from rel4.bench.burst import burst, shape
from rel4.bench.compare import event_lines, first_difference
from rel4.bench.point import Point
from rel4.machine.device import DeviceConfig, find_device

pytestmark = pytest.mark.sim

# Icarus: sixteen harts take Verilator minutes to build, and a burst is short.
icarus = pytest.mark.parametrize("simulator", ["icarus"], indirect=True)


@icarus
@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize("harts", [1, 2, pytest.param(16, marks=pytest.mark.long)])
def test_a_burst_takes_the_same_cycles(harts: int) -> None:
    expected = find_device("reference")(shape(harts), burst)
    assert expected.lines[1] == expected.lines[0] + 2 * (harts - 1)
    assert find_device("rtl")(shape(harts), burst) == expected


@icarus
@pytest.mark.usefixtures("simulator")
def test_an_experiment_has_the_same_events() -> None:
    point = Point(policy="uipi", harts=16, concurrency=2, rounds=1)
    assert point.config == shape(16)
    expected = event_lines(point, "reference")
    assert len(expected) > 100
    assert first_difference(expected, event_lines(point, "rtl")) is None


def test_more_harts_than_gateware_has() -> None:
    with pytest.raises(ValueError, match="harts must be 1 to 64, not 65"):
        find_device("rtl")(DeviceConfig(harts=65), burst)
