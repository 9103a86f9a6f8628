"""Quiescent means that nothing changes, so that time may jump."""

import random
from collections.abc import Iterator

from cocotb.handle import ArrayObject, HierarchyObject, SimHandleBase, ValueObjectBase

from tb_lockstep import Pair
from traffic import Traffic
from uintr_cosim.device import RtlDevice

__all__ = ["jumps", "registers"]


async def _busy(pair: Pair, traffic: list[Traffic], requests: int) -> None:
    """Some requests of all harts, then wait for rest."""
    harts = range(pair.rtl.config.harts)
    for _ in range(requests):
        for hart in harts:
            if not traffic[hart].beginning:
                pair.set_privilege(hart, traffic[hart].privilege())
            if pair.free(hart):
                pair.submit(hart, traffic[hart].request(pair.rtl.interrupt(hart)))
        await pair.run(1)
    while not pair.rtl.quiescent:
        await pair.run(1)


def _pair(rtl: RtlDevice, seed: str) -> tuple[Pair, list[Traffic]]:
    harts = range(rtl.config.harts)
    return Pair(rtl=rtl, seed=seed), [
        Traffic(config=rtl.config, hart=hart, seed=seed) for hart in harts
    ]


async def jumps(rtl: RtlDevice, *, seed: str, pauses: int) -> int:
    """After each pause, in which the RTL runs and the reference jumps, both still agree; and in the
    pause the RTL's outputs do not move. Returns how many cycles the reference jumped over.
    """
    draw = random.Random(f"{seed} pauses")
    pair, traffic = _pair(rtl, seed)
    jumped = 0
    for _ in range(pauses):
        await _busy(pair, traffic, draw.randrange(1, 40))
        for _ in range(20):
            assert await pair.run(1) == 1
            assert rtl.quiescent
        cycles = draw.choice((1, 2, 3, 100, 1000))
        assert await pair.run(cycles) == cycles
        assert rtl.quiescent
        jumped += cycles
    return jumped


async def registers(rtl: RtlDevice, *, seed: str, pauses: int) -> int:
    """In a pause no signal of the whole design but the clock changes, memories included. Returns
    how many signals that are, since a simulator may not show all.
    """
    draw = random.Random(f"{seed} pauses")
    pair, traffic = _pair(rtl, seed)
    count = 0
    for _ in range(pauses):
        await _busy(pair, traffic, draw.randrange(1, 40))
        # One cycle for what only lingers on the inputs of the last request.
        await rtl.run(1)
        before = dict(_signals(rtl.dut))
        for cycles in (1, 1, 1, 50):
            await rtl.run(cycles)
            after = dict(_signals(rtl.dut))
            changed = {name for name in before if before[name] != after[name]}
            assert not changed, f"seed {seed!r}: {sorted(changed)} change while quiescent"
        count = len(before)
    return count


def _signals(handle: SimHandleBase) -> Iterator[tuple[str, str]]:
    """Path and value of every signal below ``handle`` but clocks."""
    if isinstance(handle, HierarchyObject | ArrayObject):
        for child in handle:
            yield from _signals(child)
    elif isinstance(handle, ValueObjectBase) and handle._name != "clk":
        yield handle._path, str(handle.value)
