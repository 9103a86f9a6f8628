"""Slot registers to operations."""

import random
from typing import Any

import hwbench
import pytest
from hwbench import ONES, End, Posted, Surroundings, refused, run_by, simulate

from uintr.bridge import ControllerBridge
from uintr.interfaces import OperationFunction, Wishbone
from uintr.registers import ACTIVE, HIGH, LOW, SEND, Register


async def transfer(
    ctx: Any, dut: ControllerBridge, around: Surroundings, slot: int, register: Register,
    data: int | None = None, sel: int = 0xFF,
) -> End:  # fmt: skip
    address = 8 * (slot * 4) + register.address
    return await hwbench.transfer(ctx, dut.bus, address, data, sel, around.step)


def with_bridge(job: Any, receivers: int = 5) -> None:
    dut = ControllerBridge(receivers=receivers)

    async def testbench(ctx: Any) -> None:
        # `Surroundings` plays the controller; the bus it could play too is not connected.
        await job(ctx=ctx, dut=dut, around=Surroundings(ctx, Wishbone().create(), dut.port))

    simulate(dut, testbench)


@pytest.mark.parametrize("delay", [0, 1, 4])
@pytest.mark.parametrize(
    ("register", "data", "function", "sent"),
    [
        (SEND, 9, OperationFunction.SEND, 9),
        (SEND, 2**63, OperationFunction.SEND, 2**63),
        (LOW, None, OperationFunction.READ_LOW, None),
        (LOW, 0x10003, OperationFunction.WRITE_LOW, 0x10003),
        (HIGH, None, OperationFunction.READ_HIGH, None),
        (HIGH, ONES, OperationFunction.WRITE_HIGH, ONES),
        (ACTIVE, None, OperationFunction.READ_ACTIVE, None),
        (ACTIVE, 1, OperationFunction.WRITE_ACTIVE, 1),
    ],
)
@run_by(with_bridge)
async def test_each_access_is_one_operation_answered_three_cycles_after_acceptance(
    ctx: Any,
    dut: ControllerBridge,
    around: Surroundings,
    register: Register,
    data: int | None,
    function: OperationFunction,
    sent: int | None,
    delay: int,
) -> None:
    around.accept_delay = delay
    around.answer = 0x1234_5678_9ABC_DEF0
    for slot in (0, 3, 4):
        end = await transfer(ctx, dut, around, slot, register, data)
        assert end == End(False, around.answer, delay + 3)
        posted = around.posted.pop()
        assert posted[:2] == (function, slot)
        assert sent is None or posted.data == sent
        assert not around.posted


@run_by(with_bridge)
async def test_a_read_of_send_has_no_effect(
    ctx: Any, dut: ControllerBridge, around: Surroundings
) -> None:
    for garbage in (0, 5, ONES):
        ctx.set(dut.bus.dat_w, garbage)
        assert await transfer(ctx, dut, around, 1, SEND) == End(False, 0, 3)
    assert around.posted == [Posted(OperationFunction.SEND, 1, 64)] * 3


@pytest.mark.parametrize(
    ("receivers", "slot", "sel", "error"),
    [
        (5, 4, 0xFF, False),
        (5, 5, 0xFF, True),
        (5, 7, 0xFF, True),
        (5, 4 + 2**16, 0xFF, True),
        (8, 7, 0xFF, False),
        (8, 8, 0xFF, True),
        (1, 0, 0xFF, False),
        (1, 1, 0xFF, True),
        (65_536, 65_535, 0xFF, False),
        (65_536, 65_536, 0xFF, True),
        (5, 0, 0x7F, True),
        (5, 0, 0xFE, True),
        (5, 0, 0x0F, True),
        (5, 0, 0x00, True),
    ],
)
@run_by(with_bridge, "receivers")
async def test_what_is_refused_ends_in_the_second_cycle_without_effect(
    ctx: Any,
    dut: ControllerBridge,
    around: Surroundings,
    receivers: int,
    slot: int,
    sel: int,
    error: bool,
) -> None:
    for data in (None, 1):
        for register in (SEND, LOW, HIGH, ACTIVE):
            end = await transfer(ctx, dut, around, slot, register, data, sel)
            assert (end.error, end.cycles) == ((True, 1) if error else (False, 3))
    assert len(around.posted) == (0 if error else 8)


@run_by(with_bridge)
async def test_random_transfers_end_once_each(
    ctx: Any, dut: ControllerBridge, around: Surroundings
) -> None:
    generator = random.Random(2)
    expected = 0
    for _ in range(300):
        around.accept_delay = generator.choice([0, 0, 1, 5])
        around.answer = generator.getrandbits(64)
        slot = generator.randrange(7)
        end = await transfer(ctx, dut, around, slot, LOW, generator.choice([None, 3]))
        assert end.error == (slot >= 5)
        expected += not end.error
        assert end.error or end.data == around.answer
        for _ in range(generator.choice([0, 0, 1, 6])):
            around.step()
            await ctx.tick()
    assert len(around.posted) == expected


def test_receivers_are_checked() -> None:
    assert refused(ControllerBridge, receivers=0) == "receivers must be 1 to 65536, not 0"
