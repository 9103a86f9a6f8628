"""The controller against four plain numbers a receiver, cycle by cycle. What its registers mean to
software is the contract of every device: `cocotb_tests/contract.py`."""

import itertools
import random
from typing import Any

import pytest
from controller_bench import PUBLISHED, Bench, Operation, prepare, random_operation, with_bench
from hwbench import ONES, pulse, refused, run_by, simulated

from uintr.controller import Controller
from uintr.interfaces import OperationFunction as Op
from uintr.registers import ALL_FEATURES, LOW, Feature


@pytest.mark.parametrize("latency", [2, 3, 4])
@pytest.mark.parametrize("features", [ALL_FEATURES, Feature(0)], ids=["all", "none"])
@pytest.mark.parametrize(
    ("harts", "receivers", "ports", "density"),
    [(1, 1, 1, 1.0), (2, 2, 3, 1.0), (2, 5, 3, 0.3), (3, 7, 4, 0.6), (4, 8, 5, 0.15)],
)
@run_by(with_bench, "harts", "receivers", "ports", "features", "latency")
async def test_random_operations(
    bench: Bench,
    harts: int,
    receivers: int,
    ports: int,
    density: float,
    features: Feature,
    latency: int,
) -> None:
    generator = random.Random(harts * 1000 + receivers)
    for _ in range(500 if latency == 3 else 300):
        for queue in bench.queues:
            if len(queue) < 2 and generator.random() < density:
                queue.append(random_operation(generator, harts, receivers, features))
        await bench.step()
    await bench.drain()


# --- Forwarding -----------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [0, 1])
@run_by(with_bench)
async def test_every_three_functions_back_to_back(bench: Bench, other: int) -> None:
    """On one receiver, and with a stranger in the middle; the model judges every cycle."""
    generator = random.Random(other)
    for first, second, third in itertools.product(PUBLISHED, repeat=3):
        for function, receiver in ((first, 0), (second, other), (third, 0)):
            operation = random_operation(generator, 2, 1)
            while operation.function != function:
                operation = random_operation(generator, 2, 1)
            bench.queues[0].append(operation._replace(receiver=receiver))
    await bench.drain()


@pytest.mark.parametrize(
    ("operations", "answers", "line"),
    [
        # post/post: both bits are there
        ([(Op.SEND, 3), (Op.SEND, 9), (Op.READ_HIGH, 0)], [0, 0, 1 << 3 | 1 << 9], 0),
        # post/read: the read takes the bit and lowers the line
        ([(Op.SEND, 3), (Op.READ_HIGH, 0), (Op.READ_HIGH, 0)], [0, 1 << 3, 0], 0),
        # read/post: the read-clear does not swallow the post behind it
        ([(Op.SEND, 1), (Op.READ_HIGH, 0), (Op.SEND, 2)], [0, 1 << 1, 0], 1),
        # deactivate/post: the bit stays, the line does not rise
        ([(Op.WRITE_ACTIVE, 0), (Op.SEND, 2), (Op.READ_ACTIVE, 0)], [0, 0, 0], 0),
        # post/deactivate, then activate again
        ([(Op.SEND, 2), (Op.WRITE_ACTIVE, 0), (Op.WRITE_ACTIVE, 1)], [0, 0, 0], 1),
        # write-or/write-or/read
        ([(Op.WRITE_HIGH, 0xF0), (Op.WRITE_HIGH, 0x0F), (Op.READ_HIGH, 0)], [0, 0, 0xFF], 0),
        # move/post/read: the new hart alone is told
        ([(Op.WRITE_LOW, 3 | 1 << 16), (Op.SEND, 0), (Op.READ_LOW, 0)], [0, 0, 3 | 1 << 16], 2),
    ],
)
@run_by(with_bench)
async def test_neighbours_on_one_receiver(
    bench: Bench, operations: list[tuple[Op, int]], answers: list[int], line: int
) -> None:
    await bench.do([prepare()])
    got = await bench.do([Operation(function, 0, data) for function, data in operations])
    assert got == answers
    assert bench.lines[-1] == line


@run_by(with_bench, ports=2)
async def test_a_post_in_the_cycle_after_a_read_is_not_lost(bench: Bench) -> None:
    await bench.do([prepare(), Operation(Op.SEND, 0, 5)], port=1)
    bench.queues[0].append(Operation(Op.READ_HIGH, 0))
    bench.queues[1].append(Operation(Op.SEND, 0, 6))
    bench.queues[0].append(Operation(Op.READ_HIGH, 0))
    await bench.drain()
    cycle = bench.accepted[-1][0]
    assert bench.accepted[-3:] == [(cycle - 2, 0), (cycle - 1, 1), (cycle, 0)]
    assert bench.answers[0] == [1 << 5, 1 << 6]


# --- Time -----------------------------------------------------------------------------------------


@run_by(with_bench)
async def test_a_post_reaches_the_line_in_three_cycles(bench: Bench) -> None:
    await bench.do([prepare(hart=1)])
    bench.queues[0].append(Operation(Op.SEND, 0, 7))
    begin = bench.cycle
    await bench.run(6)
    assert bench.accepted[-1] == (begin, 0)
    assert bench.lines[begin:] == [0, 0, 0, 2, 2, 2]


@run_by(with_bench, ports=3)
async def test_one_operation_is_accepted_every_cycle(bench: Bench) -> None:
    generator = random.Random(9)
    for queue in bench.queues:
        queue.extend(random_operation(generator, 2, 4) for _ in range(100))
    await bench.drain()
    cycles = [cycle for cycle, _ in bench.accepted]
    assert cycles == list(range(4, 304))


@run_by(with_bench, ports=4)
async def test_busy_ports_are_granted_in_turn(bench: Bench) -> None:
    for queue in bench.queues:
        queue.extend([Operation(Op.READ_LOW, 0)] * 3)
    await bench.drain()
    assert [port for _, port in bench.accepted] == [0, 1, 2, 3] * 3


@run_by(with_bench, ports=3)
async def test_the_search_begins_behind_the_last_grant(bench: Bench) -> None:
    await bench.do([Operation(Op.READ_LOW, 0)], port=1)
    for queue in bench.queues:
        queue.append(Operation(Op.READ_LOW, 0))
    await bench.drain()
    assert [port for _, port in bench.accepted] == [1, 2, 0, 1]


# --- What the operations do -----------------------------------------------------------------------


@pytest.mark.parametrize("harts", [1, 2, 3, 4, 64])
@run_by(with_bench, "harts")
async def test_a_hart_that_does_not_exist_reads_back_as_the_number_of_harts(
    bench: Bench, harts: int
) -> None:
    for hartid in (harts - 1, harts, harts + 1, 2 * harts, 0x8000, 0xFFFF):
        write = Operation(Op.WRITE_LOW, 0, LOW.pack(active=1, hartid=hartid))
        answers = await bench.do([write, Operation(Op.SEND, 0, 1), Operation(Op.READ_LOW, 0)])
        assert answers[-1] == LOW.pack(active=1, hartid=min(hartid, harts))
        assert bench.lines[-1] == (1 << hartid if hartid < harts else 0)
        await bench.do([prepare(hart=hartid, supervisor=1)])
        assert bench.lines[-1] == (1 << hartid + harts if hartid < harts else 0)


@run_by(with_bench)
async def test_a_change_of_kind_lowers_one_line_and_raises_the_other_in_one_cycle(
    bench: Bench,
) -> None:
    await bench.do([prepare(), Operation(Op.SEND, 0, 1)])
    begin = bench.cycle
    await bench.do([prepare(supervisor=1)])
    assert bench.lines[begin : begin + 5] == [1, 1, 1, 0b100, 0b100]


@run_by(with_bench)
async def test_a_move_lowers_one_line_and_raises_the_other_in_one_cycle(bench: Bench) -> None:
    await bench.do([prepare(hart=0), Operation(Op.SEND, 0, 1)])
    begin = bench.cycle
    await bench.do([prepare(hart=1)])
    assert bench.lines[begin : begin + 5] == [1, 1, 1, 2, 2]


# --- Sweep ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("receivers", [1, 2, 3, 8, 13])
@run_by(with_bench, "receivers")
async def test_operations_wait_for_the_sweep(bench: Bench, receivers: int) -> None:
    bench.queues[0].append(Operation(Op.READ_LOW, receivers - 1))
    await bench.drain()
    assert bench.accepted == [(receivers, 0)]


@simulated(Controller, harts=2, receivers=5, ports=1)
async def test_reset_clears_lines_pipeline_and_every_record(
    ctx: Any, dut: Controller, reset: Any
) -> None:
    bench = Bench(ctx, dut, harts=2, receivers=5, ports=1)
    for receiver in range(5):
        await bench.do([prepare(receiver, receiver % 2), Operation(Op.WRITE_HIGH, receiver, ONES)])
    assert bench.lines[-1] == 0b11
    # One operation of each stage is under way when reset strikes.
    bench.queues[0].extend(Operation(Op.SEND, receiver, 3) for receiver in (4, 4, 0, 1))
    await bench.run(3)
    await pulse(ctx, reset)

    fresh = Bench(ctx, dut, harts=2, receivers=5, ports=1)
    for receiver in range(5):
        fresh.queues[0].append(Operation(Op.READ_LOW, receiver))
        fresh.queues[0].append(Operation(Op.READ_HIGH, receiver))
    await fresh.drain()
    assert fresh.accepted[0] == (5, 0)
    assert set(fresh.answers[0]) == {0}


@pytest.mark.long
@run_by(with_bench, receivers=65_536, limit=66_536)
async def test_the_largest_controller_counts_and_addresses_all_its_receivers(bench: Bench) -> None:
    while not bench.ctx.get(bench.dut.idle):
        await bench.ctx.tick()
        bench.cycle += 1
    assert bench.cycle == 65_536
    places = (0, 1, 255, 256, 32_767, 32_768, 65_535)
    for place in places:
        await bench.do([prepare(place), Operation(Op.SEND, place, place % 64)])
    for place in places:
        assert bench.lines[-1] == 1
        answers = await bench.do([Operation(Op.READ_HIGH, place)])
        assert answers == [1 << place % 64]
    assert bench.lines[-1] == 0


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"harts": 65}, "harts must be 1 to 64, not 65"),
        ({"receivers": 0}, "receivers must be 1 to 65536, not 0"),
        ({"receivers": 65_537}, "receivers must be 1 to 65536, not 65537"),
        ({"ports": 66}, "ports must be 1 to 65, not 66"),
    ],
)
def test_parameters_are_checked(parameters: dict[str, int], sentence: str) -> None:
    shape = {"harts": 2, "receivers": 4, "ports": 3} | parameters
    assert refused(Controller, **shape) == sentence
