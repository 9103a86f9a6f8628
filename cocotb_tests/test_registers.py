"""CSRs and slot registers of the RTL do what the register table says."""

from typing import Any

import pytest

import tb_registers
from shapes import SHAPES
from uintr_cosim.device import run

BENCHES = [
    tb_registers.csr_reset,
    tb_registers.csr_bits,
    tb_registers.csr_privileges,
    tb_registers.csr_numbers,
    tb_registers.slots,
    tb_registers.control_page,
    tb_registers.mask_words,
]


@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.__name__)
def test_registers(simulator: str, bench: Any) -> None:
    run(SHAPES["2x5"], bench)


def test_registers_without_extensions(simulator: str) -> None:
    run(SHAPES["2x7 plain"], tb_registers.slots)


def test_control_page_without_extensions(simulator: str) -> None:
    run(SHAPES["2x7 plain"], tb_registers.control_page)
