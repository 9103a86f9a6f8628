"""CSRs and slot registers of the RTL do what the register table says."""

from typing import Any

import pytest

import tb_registers
import tb_walking
from benches import check_bench
from rel4.reference import device as reference
from shapes import SHAPES

pytestmark = pytest.mark.sim

BENCHES = (
    tb_registers.csr_reset,
    tb_registers.csr_bits,
    tb_registers.csr_privileges,
    tb_registers.csr_numbers,
    tb_registers.slots,
    tb_registers.control_page,
    tb_registers.mask_words,
)
PLAIN = (tb_registers.slots, tb_registers.control_page)


@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.__name__)
def test_registers(simulator: str, bench: Any) -> None:
    check_bench(simulator, "2x5", BENCHES, bench)


@pytest.mark.parametrize("bench", PLAIN, ids=lambda bench: bench.__name__)
def test_registers_without_extensions(simulator: str, bench: Any) -> None:
    check_bench(simulator, "2x7 plain", PLAIN, bench)


WALKING = tuple(getattr(tb_walking, name) for name in tb_walking.__all__)


@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)  # thousands of requests
@pytest.mark.parametrize("bench", WALKING, ids=lambda bench: bench.__name__)
def test_one_bit_at_a_time(simulator: str, bench: Any) -> None:
    check_bench(simulator, "2x5", WALKING, bench)


@pytest.mark.parametrize("bench", WALKING, ids=lambda bench: bench.__name__)
def test_reference_one_bit_at_a_time(bench: Any) -> None:
    reference.run(SHAPES["4x64"], bench)
