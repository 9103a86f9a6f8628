"""The extensions on RTL and on the reference."""

from typing import Any

import pytest

import tb_crowd
import tb_extensions
from benches import check_bench
from rel4.reference import device as reference
from shapes import SHAPES
from uintr_cosim.device import run

pytestmark = pytest.mark.sim

BENCHES = tuple(getattr(tb_extensions, name) for name in tb_extensions.__all__)


@pytest.mark.parametrize("shape", ["2x5", "2x6 fast", "3x9 slow"])
@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.__name__)
def test_reference(bench: Any, shape: str) -> None:
    reference.run(SHAPES[shape], bench)


CROWD = tuple(getattr(tb_crowd, name) for name in tb_crowd.__all__)


@pytest.mark.parametrize("bench", CROWD, ids=lambda bench: bench.__name__)
def test_reference_with_a_crowd(bench: Any) -> None:
    reference.run(SHAPES["4x64"], bench)


@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.__name__)
def test_rtl(simulator: str, bench: Any) -> None:
    check_bench(simulator, "2x5", BENCHES, bench)


@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)  # thousands of requests
@pytest.mark.parametrize("bench", CROWD, ids=lambda bench: bench.__name__)
def test_rtl_with_a_crowd(simulator: str, bench: Any) -> None:
    check_bench(simulator, "4x64", CROWD, bench)


@pytest.mark.parametrize("device", [reference.run, run], ids=["reference", "rtl"])
def test_identification_is_there_without_any_extension(device: Any) -> None:
    device(SHAPES["2x7 plain"], tb_extensions.identification)
