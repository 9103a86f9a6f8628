"""AXI4-Lite: what ends a transfer, and how, towards memory; whose turn it is, from a manager."""

from typing import Any

import pytest
from hwbench import drive, present, simulated

from uintr.axi_lite import AxiLiteBridge, AxiLiteManager

OKAY, SLVERR, DECERR = 0, 2, 3


@pytest.mark.parametrize("other", [OKAY, SLVERR])
@pytest.mark.parametrize("response", [OKAY, 1, SLVERR, DECERR])
@pytest.mark.parametrize("write", [0, 1])
@simulated(AxiLiteManager)
async def test_a_transfer_ends_as_its_own_channel_says(
    ctx: Any, dut: AxiLiteManager, write: int, response: int, other: int
) -> None:
    """The other channel's response, which is not valid, says something else."""
    axi, bus = dut.axi, dut.bus
    present(ctx, bus, 0x123, 0x55 if write else None)
    bresp, rresp = (response, other) if write else (other, response)
    drive(ctx, axi, awready=1, wready=1, arready=1, bresp=bresp, rresp=rresp, rdata=0x77)
    assert ctx.get(axi.awvalid) == ctx.get(axi.wvalid) == write
    assert ctx.get(axi.arvalid) == 1 - write
    await ctx.tick()
    for _ in range(3):
        assert not ctx.get(axi.awvalid | axi.wvalid | axi.arvalid)
        assert not ctx.get(bus.ack | bus.err)
        await ctx.tick()
    ctx.set(axi.bvalid if write else axi.rvalid, 1)
    assert ctx.get(bus.ack) == (response == OKAY)
    assert ctx.get(bus.err) == (response != OKAY)
    if not write:
        assert ctx.get(bus.dat_r) == 0x77


@pytest.mark.parametrize(("kinds", "served"), [("wr", "wrwrwr"), ("w", "wwwwww"), ("r", "rrrrrr")])
@simulated(AxiLiteBridge)
async def test_a_bridge_serves_what_waits_in_turn(
    ctx: Any, dut: AxiLiteBridge, kinds: str, served: str
) -> None:
    """Each within four cycles: two of the bus, and one of the answer behind them."""
    axi, bus = dut.axi, dut.bus
    for signal in (axi.awvalid, axi.wvalid):
        ctx.set(signal, int("w" in kinds))
    drive(ctx, axi, arvalid=int("r" in kinds), bready=1, rready=1)
    seen = ""
    waited = False
    for _ in range(4 * len(served)):
        wanted = bool(ctx.get(bus.cyc & bus.stb))
        ctx.set(bus.ack, wanted and waited)
        waited = wanted and not waited
        assert ctx.get(axi.awready) == ctx.get(axi.wready)
        seen += "w" * ctx.get(axi.awready) + "r" * ctx.get(axi.arready)
        await ctx.tick()
    assert seen.startswith(served)
