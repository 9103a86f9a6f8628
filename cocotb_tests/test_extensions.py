"""The extensions on RTL and on the reference."""

from typing import Any

import pytest

import tb_extensions
from benches import check_bench
from rel4.machine import reference
from shapes import SHAPES
from uintr_cosim.device import run

BENCHES = tuple(getattr(tb_extensions, name) for name in tb_extensions.__all__)


@pytest.mark.parametrize("shape", ["2x5", "2x6 fast", "3x9 slow"])
@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.__name__)
def test_reference(bench: Any, shape: str) -> None:
    reference.run(SHAPES[shape], bench)


@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.__name__)
def test_rtl(simulator: str, bench: Any) -> None:
    check_bench(simulator, "2x5", BENCHES, bench)


@pytest.mark.parametrize("device", [reference.run, run], ids=["reference", "rtl"])
def test_identification_is_there_without_any_extension(device: Any) -> None:
    device(SHAPES["2x7 plain"], tb_extensions.identification)
