"""The reference device keeps the contract, which stands in `cocotb_tests/contract.py`, and what is
its own: shapes that no gateware has, and a runner in this process."""

from dataclasses import replace
from functools import partial

import pytest

import tb_behaviour
import tb_intel_interrupts
import tb_jobs
import tb_latency
from contract import CONTRACT, RANDOM, SHAPES, Bench
from rel4.machine.device import Device, DeviceConfig, Request, Response
from rel4.reference.device import reference_device, run
from uintr.intel.registers import FAULT, Fault, Instruction, Internal
from uintr.registers import ALL_FEATURES, CsrFunction, Feature, Flavour, RequestKind, Status


@pytest.mark.parametrize(
    ("shape", "bench"),
    [
        pytest.param(shape, bench, id=f"{shape}-{bench.__name__}")
        for shape, benches in CONTRACT.items()
        for bench in benches
    ],
)
def test_contract(shape: str, bench: Bench) -> None:
    run(SHAPES[shape], bench)


@pytest.mark.parametrize("receivers", [1, 5, 512, 65_536])
def test_the_sweep_takes_a_cycle_per_receiver(receivers: int) -> None:
    assert run(DeviceConfig(receivers=receivers), tb_latency.sweep) == receivers


@pytest.mark.parametrize("latency", [2, 3])
@pytest.mark.parametrize("memory", [1, 2, 4, 8, 16])
def test_kept_entries_of_any_memory(memory: int, latency: int) -> None:
    config = replace(SHAPES["2x5"], table_wait_states=memory - 1, latency=latency)
    read = memory + (3 if latency == 3 else 2)
    assert run(config, tb_latency.kept_entries) == {"off": read, "miss": read, "hit": 2}


@pytest.mark.parametrize("features", [Feature.SUPERVISOR, Feature.NOTIFY, ALL_FEATURES])
def test_bits_of_low_need_software_that_knows_them(features: Feature) -> None:
    config = replace(SHAPES["2x5"], features=features)
    run(config, tb_behaviour.bits_of_low_need_software_that_knows_them)


@pytest.mark.parametrize("seed", range(2, 6))
@pytest.mark.parametrize("bench", RANDOM, ids=lambda bench: bench.__name__)
def test_other_seeds(bench: Bench, seed: int) -> None:
    run(DeviceConfig(harts=3, receivers=4), partial(bench, seed=seed))


@pytest.mark.parametrize("seed", range(2, 22))
def test_no_vector_of_intels_is_lost(seed: int) -> None:
    run(
        DeviceConfig(harts=3, flavour=Flavour.INTEL),
        partial(tb_intel_interrupts.no_vector_is_lost, seed=seed),
    )


def test_the_fault_counter_stays_at_its_highest_value() -> None:
    """The gateware's: `hw/tests/test_intel_faults.py`."""

    async def job(device: Device) -> None:
        most = (1 << FAULT.field("count").width) - 1
        send = Request(RequestKind.UIPI, Instruction.SENDUIPI)
        read = Request(RequestKind.CSR, CsrFunction.READ, Internal.FAULT)
        for _ in range(most + 1):
            device.submit(0, send)
            await device.run(2)
        device.submit(0, read)
        await device.run(2)
        word = FAULT.pack(count=most, cause=Fault.DISABLED)
        assert device.response(0) == Response(word, Status.OK)

    run(DeviceConfig(flavour=Flavour.INTEL), job)


def test_the_flavour_is_one_of_two_and_intels_only_window_is_the_table() -> None:
    config = DeviceConfig(flavour="intel", table_pages=3)  # type: ignore[arg-type]  # a word
    assert config.flavour is Flavour.INTEL
    assert config.windows == ((config.table_base, 3 * 4096),)
    with pytest.raises(ValueError, match="flavour must be riscv or intel, not 'arm'"):
        DeviceConfig(flavour="arm")  # type: ignore[arg-type]  # what is refused


def test_time_jumps() -> None:
    async def job(device: Device) -> None:
        assert await device.run(512) == 512
        assert await device.run(10**12) == 10**12
        assert device.quiescent

    run(DeviceConfig(), job)


@pytest.mark.parametrize("flavour", Flavour)
def test_misuse_is_a_sentence(flavour: Flavour) -> None:
    assert run(DeviceConfig(flavour=flavour), tb_jobs.misuse) == tb_jobs.MISUSE


def test_what_the_bus_cannot_decode_is_refused() -> None:
    """Every case is the gateware's too: `hw/tests/test_system.py`."""
    with pytest.raises(ValueError, match="^base must be a 64-bit multiple of 0x4000, not 0x1000$"):
        reference_device(DeviceConfig(base=0x1000))
    for flavour in Flavour:
        with pytest.raises(ValueError, match="^table_base must be a 64-bit multiple of 0x1000"):
            reference_device(DeviceConfig(flavour=flavour, table_base=8))


def test_runner_gives_the_result_and_the_exception() -> None:
    async def result(device: Device) -> int:
        return device.config.harts

    async def failure(device: Device) -> None:
        raise LookupError("lost")

    assert run(DeviceConfig(harts=3), result) == 3
    with pytest.raises(LookupError, match="lost"):
        run(DeviceConfig(), failure)
