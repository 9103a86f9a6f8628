"""A LiteX SoC with the controller in it, under Verilator, driven by LiteX's own client.

The SoC is LiteX's: bus, decoder, CSRs, width converter, and a uartbone as the one initiator. Its
serial pins are on a pseudo-terminal, as those of a board are.
"""

import re
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import pytest
from emulated_board import BAUD
from litex_client import litex_client

from uintr.registers import (
    ACTIVE,
    CONTROL_OFFSET,
    ENABLE,
    HIGH,
    ID,
    LOW,
    MAGIC,
    MASK_OFFSET,
    RECEIVERS,
    SEND,
    SLOT_BYTES,
)
from uintr_fpga.emulate import build_harness, running

pytest.importorskip("litex.soc.integration.soc_core", reason="LiteX is not installed")

# LiteX's reader of csr.csv leaves the file open, and its sources have escapes that Python dislikes.
pytestmark = [
    pytest.mark.sim,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

CLOCK_HZ = 25_000_000
ORIGIN = 0x0300_0000
HARTS, SLOTS = 2, 5


def pads_and_clocks() -> tuple[Any, Any]:
    """A platform with the pins of the emulator, and what makes its clock."""
    from litex.build.generic_platform import GenericPlatform, Pins, Subsignal
    from migen import ClockDomain, Module

    class Pads(GenericPlatform):  # type: ignore[misc]  # LiteX has no types
        default_clk_name = "clk"
        default_clk_period = 1e9 / CLOCK_HZ

        def __init__(self) -> None:
            pins = [
                ("clk", 0, Pins(1)),
                ("rst", 0, Pins(1)),
                ("leds", 0, Pins(4)),
                ("serial", 0, Subsignal("tx", Pins(1)), Subsignal("rx", Pins(1))),
            ]
            GenericPlatform.__init__(self, "SIM", pins, name="sim")

    class Clocks(Module):  # type: ignore[misc]  # migen has no types
        def __init__(self, platform: Any) -> None:
            self.clock_domains.cd_sys = ClockDomain()
            self.comb += [
                self.cd_sys.clk.eq(platform.request("clk")),
                self.cd_sys.rst.eq(platform.request("rst")),
            ]

    platform = Pads()
    return platform, Clocks(platform)


def make_soc(width: int, folder: Path) -> Any:
    """A SoC with a bus of ``width`` bits, as a LiteX user would write it."""
    from litex.soc.integration.soc_core import SoCCore

    from uintr.litex_module import add_user_interrupts

    platform, clocks = pads_and_clocks()
    soc = SoCCore(
        platform,
        CLOCK_HZ,
        cpu_type=None,
        with_uart=False,
        with_timer=False,
        integrated_sram_size=0,
        ident="",
        bus_data_width=width,
    )
    soc.submodules.crg = clocks
    soc.add_uartbone(baudrate=BAUD)
    controller = add_user_interrupts(
        soc, origin=ORIGIN, harts=HARTS, receivers=SLOTS, folder=folder
    )
    soc.comb += platform.request("leds").eq(0)
    soc.finalize()
    assert controller.size <= soc.bus.regions["uintc"].size_pow2
    return soc


@contextmanager
def client_of(soc: Any, folder: Path, name: str) -> Iterator[Any]:
    """LiteX's client at a SoC that is finalized, simulated."""
    from litex.soc.integration import export

    with chdir(folder):  # where LiteX leaves the contents of memories
        soc.platform.get_verilog(soc, name="board").write("soc.v")
    table = folder / "csr.csv"
    table.write_text(export.get_csr_csv(soc.csr_regions, soc.constants, soc.mem_regions))
    (controller,) = folder.rglob("uintr_controller_*.v")
    top = (folder / "soc.v").read_text()
    for ours, theirs in (("rx", "serial_rx"), ("tx", "serial_tx")):
        top = top.replace(theirs, ours)
    sources = {"soc.v": top, "controller.v": controller.read_text()}
    program = build_harness(sources, name=f"litex-soc-{name}")
    with running(program, divisor=CLOCK_HZ // BAUD) as terminal, litex_client(terminal, table) as c:
        yield c


@pytest.fixture(scope="module", params=[32, 64])
def soc_client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """LiteX's client at the SoC."""
    folder = tmp_path_factory.mktemp(f"soc{request.param}")
    with client_of(make_soc(request.param, folder), folder, str(request.param)) as client:
        yield client


def test_the_example_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SoC without a CPU, with the arguments of the page alone."""
    page = (Path(__file__).parents[2] / "docs" / "soc.md").read_text()
    (text,) = re.findall(r"```\{code-block\} python\n:name: litex\n\n(.*?)```", page, re.S)
    names: dict[str, Any] = {}
    exec(compile(text, "docs/soc.md", "exec"), names)
    monkeypatch.chdir(tmp_path)
    platform, clocks = pads_and_clocks()
    soc = names["make_soc"](platform, CLOCK_HZ, BAUD)
    soc.submodules.crg = clocks
    soc.comb += platform.request("leds").eq(0)
    soc.finalize()
    monkeypatch.undo()
    with client_of(soc, tmp_path, "page") as client:
        assert client.mems.uintc.base == ORIGIN
        assert read(client, CONTROL_OFFSET + ID.address) >> 32 == MAGIC
        assert read(client, CONTROL_OFFSET + RECEIVERS.address) == 64
        write(client, LOW.address, LOW.pack(active=1))
        write(client, SEND.address, 9)
        assert client.regs.uintc_ev_status.read() == 1
        assert read(client, HIGH.address) == 1 << 9


def read(client: Any, offset: int) -> int:
    low, high = client.read(ORIGIN + offset, length=2)
    return int(low) | int(high) << 32


def write(client: Any, offset: int, value: int) -> None:
    client.write(ORIGIN + offset, [value & 0xFFFF_FFFF, value >> 32])


def test_the_region_is_where_it_was_put(soc_client: Any) -> None:
    assert soc_client.mems.uintc.base == ORIGIN
    assert read(soc_client, CONTROL_OFFSET + ID.address) >> 32 == MAGIC
    assert read(soc_client, CONTROL_OFFSET + RECEIVERS.address) == SLOTS


def test_posts_pending_bits_and_events(soc_client: Any) -> None:
    """Registers of 64 bits, one that a read clears too, and both lines as LiteX events."""
    status = soc_client.regs.uintc_ev_status
    write(soc_client, CONTROL_OFFSET + ENABLE.address, ENABLE.pack(supervisor=1))
    for slot in range(SLOTS):
        at = SLOT_BYTES * slot
        for supervisor in (0, 1):
            write(soc_client, at + LOW.address, LOW.pack(hartid=1, active=1, supervisor=supervisor))
            assert status.read() == 0
            for vector in (1, 40):
                write(soc_client, at + SEND.address, vector)
            assert status.read() == 1 << supervisor
            assert read(soc_client, at + HIGH.address) == 1 << 40 | 1 << 1
            assert read(soc_client, at + HIGH.address) == 0
            assert status.read() == 0
        write(soc_client, at + ACTIVE.address, 0)


def test_masks(soc_client: Any) -> None:
    for slot in range(SLOTS):
        write(soc_client, MASK_OFFSET + 8 * slot, 0x8000_0001_0000_0000 | slot)
    for slot in range(SLOTS):
        assert read(soc_client, MASK_OFFSET + 8 * slot) == 0x8000_0001_0000_0000 | slot
        write(soc_client, MASK_OFFSET + 8 * slot, 0)


def test_the_soc_has_the_controllers_interrupt() -> None:
    """A SoC with a CPU gives the controller an interrupt number. (Nothing is built.)"""
    from litex.soc.integration.soc import SoCIRQHandler

    irq = SoCIRQHandler(n_irqs=4)
    irq.enable()
    irq.add("uintc", use_loc_if_exists=True)
    assert irq.locs == {"uintc": 0}
