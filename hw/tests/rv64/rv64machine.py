"""The whole system in Amaranth's simulator, with a memory and what retired in which cycle."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from hwbench import drive, simulate

from rv64.memory_map import RAM_BASE
from rv64.soc import Soc

__all__ = ["Retired", "run"]


class Retired(NamedTuple):
    """One instruction. It left the last stage in the cycle before ``cycle``."""

    cycle: int
    hart: int
    pc: int
    insn: int
    rd: int
    value: int
    trap: int
    intr: int
    cause: int


_FIELDS = ("pc_rdata", "insn", "rd_addr", "rd_wdata", "trap", "intr", "cause")


def run(
    program: Sequence[int],
    *,
    harts: int = 1,
    cycles: int = 400,
    latency: int = 1,
    words: dict[int, int] | None = None,
    watch: Any = None,
    **parameters: Any,
) -> tuple[list[Retired], dict[int, int]]:
    """Run 32-bit instructions from the beginning of memory on. Returns what retired, and memory as
    words of eight bytes by address. ``watch(ctx, soc, cycle)`` is called in every cycle."""
    memory = dict(words or {})
    for place, word in enumerate(program):
        address = RAM_BASE + 4 * place
        memory[address & ~7] = memory.get(address & ~7, 0) | word << 8 * (address & 4)
    soc = Soc(harts=harts, receivers=8, **parameters)
    retired: list[Retired] = []

    async def bench(ctx: Any) -> None:
        port = soc.memory
        drive(ctx, soc, memory_words=1 << 16, memory_latency=latency)
        ctx.set(soc.console_out.ready, 1)
        for cycle in range(cycles):
            if watch is not None:
                watch(ctx, soc, cycle)
            answer = None
            if ctx.get(port.enable):
                address = RAM_BASE + 8 * ctx.get(port.address)
                mask = ctx.get(port.write_mask)
                if mask:
                    bits = sum(0xFF << 8 * byte for byte in range(8) if mask >> byte & 1)
                    data = ctx.get(port.write_data)
                    memory[address] = memory.get(address, 0) & ~bits | data & bits
                else:
                    answer = memory.get(address, 0)
            for hart, rvfi in enumerate(soc.rvfi):
                if ctx.get(rvfi.valid):
                    retired.append(
                        Retired(cycle, hart, *(ctx.get(getattr(rvfi, name)) for name in _FIELDS))
                    )
            await ctx.tick()
            if answer is not None:
                ctx.set(port.read_data, answer)

    simulate(soc, bench, limit=cycles + 1)
    return retired, memory
