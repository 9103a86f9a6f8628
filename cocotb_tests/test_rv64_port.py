"""What the hart makes pass at its HartPort, held against the reference device in every cycle; see
`rv64_verify.port_reference`."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from compiled_bench import example
from rv64_verify import layout
from rv64_verify.port_faults import FAULTS, faulty
from rv64_verify.port_program import port_program
from rv64_verify.port_reference import PortError, compared
from rv64_verify.port_watch import PortRtl
from rv64_verify.random_program import random_program
from uintr.registers import RequestKind, Status

pytestmark = pytest.mark.sim

SEEDS = range(8)
LIMIT = 300_000
KINDS = ("CSR", "UIPI", "TRAP", "URET")


@pytest.fixture(scope="module")
def one() -> Iterator[PortRtl]:
    """One hart; of a design with faults of which none is chosen."""
    with closing(PortRtl(harts=1, memory_bytes=layout.MEMORY_BYTES, path=faulty(1))) as rtl:
        yield rtl


@pytest.fixture(scope="module")
def two() -> Iterator[PortRtl]:
    with closing(PortRtl(harts=2, memory_bytes=layout.MEMORY_BYTES)) as rtl:
        yield rtl


def held(rtl: PortRtl, program: bytes, *, harts: int, seed: int) -> Counter[str]:
    """A run to its end at a speed of memory that the seed says."""
    latency, jitter = (1, 2, 5, 30)[seed % 4], (0, 3, 20)[seed % 3]
    rtl.start(
        program, tohost=layout.TOHOST, limit=LIMIT, latency=latency, jitter=jitter, seed=seed + 1
    )
    seen = compared(rtl.rows(), harts=harts)
    assert rtl.tohost == 1
    assert seen["cycles"] == rtl.cycle
    return seen


def busy(rtl: PortRtl, harts: int) -> Counter[str]:
    """All programs that keep the ports busy."""
    total: Counter[str] = Counter()
    for seed in SEEDS:
        total += held(rtl, port_program(seed, harts=harts), harts=harts, seed=seed)
    return total


@pytest.mark.parametrize("harts", [1, 2])
def test_ports_that_are_busy(one: PortRtl, two: PortRtl, harts: int) -> None:
    total = busy(one if harts == 1 else two, harts)
    # It saw everything that can be seen there.
    for kind in KINDS:
        assert total[kind] > 100 * harts
    never = {Status.ILLEGAL, Status.NOT_PENDING, Status.UD, Status.GP}
    for status in set(Status) - never:
        assert total[f"answered {status.name}"] > 5
    for what in ("interrupt", "supervisor interrupt", "reads ended", "reads refused", "transfers"):
        assert total[what] > 50
    assert total["transfers refused"] > 10
    assert not total[RequestKind.LOAD.name] + total[RequestKind.STORE.name]


@pytest.mark.parametrize("seed", range(3))
def test_programs_of_lock_step(one: PortRtl, seed: int) -> None:
    """Paging, all privileges, timers: few requests, anywhere between everything else."""
    assert held(one, random_program(seed), harts=1, seed=seed)["CSR"] > 100


def test_a_compiled_program_of_two_harts(two: PortRtl, tmp_path: Path) -> None:
    program = example(tmp_path, "ping_pong.c")
    memory = bytearray(layout.MEMORY_BYTES)
    for segment in program.segments:
        place = segment.address - layout.BASE
        memory[place : place + len(segment.data)] = segment.data
    two.start(bytes(memory), tohost=program.tohost, limit=LIMIT, latency=5)
    seen = compared(two.rows(), harts=2)
    assert two.tohost == 1
    assert seen["TRAP"] == seen["URET"] > 10


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_noticed(one: PortRtl, fault: str) -> None:
    one.set_fault(1 + FAULTS.index(fault))
    try:
        with pytest.raises(PortError, match="must"):
            busy(one, 1)
    finally:
        one.set_fault(0)
