"""The ULX3S with harts: ``python -m uintr_fpga.soc_board`` builds its bitstream.

Two harts, 256 KiB of main memory in block RAM, the serial line. `uintr_fpga.soc_runner` loads
programs and brings their console.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amaranth.build import ResourceError
from amaranth.hdl import Cat, Elaboratable, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from rv64.soc import Soc
from uintr.checks import check_range
from uintr.program import Parser, run_program, whole
from uintr_fpga.bench_hart import NO_COLLISIONS
from uintr_fpga.board_top import make_platform
from uintr_fpga.boards import find_board
from uintr_fpga.bridge import UartBridge
from uintr_fpga.build import run_script
from uintr_fpga.soc_window import SocWindow
from uintr_fpga.toolchains import TOOLCHAINS, ToolError, find_tools
from uintr_fpga.uart import UartReceiver, UartTransmitter, uart_divisor

__all__ = ["SocBoard", "SocCore", "build_soc_emulator", "main"]

_CLOCK_HZ = 25_000_000
_ASKED_MHZ = 40
"""What place and route strives for: it rests when it has what it was asked for."""
_BAUD = 1_000_000
_MAX_HARTS = 4
"""Two take 26 682 of the 83 640 look-up tables; more have not been built."""
_MEMORY_BYTES = 256 << 10
_SECONDS = 5400
_SCRIPT = (
    f"{NO_COLLISIONS}\nsetparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:MEMID=\\\\ram_words %i\n"
    "scratchpad -set abc9.D 7000\n"
)
"""Nor is main memory read in a cycle in which it is written. Logic alone may take 7 ns; with the
mapping and the placement of `bench_hart` the router did not end (docs/hart.md)."""


class SocCore(wiring.Component):
    """The system on a serial line. Emulation and boards use this very component.

    Parameters
    ----------
    harts, receivers : of the system
    divisor : clock cycles of a bit
    quiet : clock cycles after which half a command is forgotten
    memory_bytes, block_ram : as `SocWindow`

    Members
    -------
    rx, tx : the serial line, high at rest
    leds : the program has ended; a command is under way; the program runs
    """

    def __init__(
        self,
        *,
        harts: int,
        receivers: int,
        divisor: int,
        quiet: int,
        memory_bytes: int = _MEMORY_BYTES,
        block_ram: bool = True,
    ) -> None:
        self._divisor, self._quiet = divisor, quiet
        self._window = SocWindow(
            Soc(harts=harts, receivers=receivers),
            harts=harts,
            memory_bytes=memory_bytes,
            block_ram=block_ram,
        )
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "leds": Out(3)})

    def elaborate(self, platform: Any) -> Module:
        """Line, bridge, window."""
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(divisor=self._divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(divisor=self._divisor)
        m.submodules.bridge = bridge = UartBridge(timeout=self._quiet, quiet=20 * self._divisor)
        m.submodules.window = window = self._window
        connect(m, bridge.send, transmitter.bytes)
        connect(m, bridge.bus, window.bus)
        m.d.comb += [
            receiver.line.eq(self.rx),
            self.tx.eq(transmitter.line),
            self.leds.eq(Cat(window.ended, bridge.busy, window.running & ~window.ended)),
            bridge.receive.valid.eq(receiver.valid),
            bridge.receive.data.eq(receiver.data),
            bridge.receive_error.eq(receiver.error),
            bridge.receive_idle.eq(receiver.idle),
        ]
        return m


class SocBoard(Elaboratable):
    """`SocCore` on the pins of a platform.

    Parameters
    ----------
    harts, receivers : of the system
    clock_hz, baud : of the board's clock and the line
    """

    def __init__(
        self, *, harts: int = 2, receivers: int = 512, clock_hz: int = _CLOCK_HZ, baud: int = _BAUD
    ) -> None:
        self._core = SocCore(
            harts=harts,
            receivers=receivers,
            divisor=uart_divisor(clock_hz, baud),
            quiet=clock_hz // 10,
        )

    def elaborate(self, platform: Any) -> Module:
        """Line and LEDs."""
        m = Module()
        m.submodules.core = core = self._core
        uart = platform.request("uart", 0)
        m.d.comb += [core.rx.eq(uart.rx.i), uart.tx.o.eq(core.tx)]
        for number, value in enumerate(core.leds):
            try:
                led = platform.request("led", number)
            except ResourceError:
                break
            m.d.comb += led.o.eq(value)
        return m


_LARGE_MEMORY = """module main_memory #(parameter WORDS = 1) (
  input clk, input read_en, input [31:0] read_addr, output reg [63:0] read_data,
  input [7:0] write_en, input [31:0] write_addr, input [63:0] write_data);
  reg [63:0] words [0:WORDS-1];
  integer n;
  always @(posedge clk) begin
    if (read_en) read_data <= words[read_addr];
    for (n = 0; n < 8; n = n + 1)
      if (write_en[n]) words[write_addr][8*n +: 8] <= write_data[8*n +: 8];
  end
endmodule
"""


def build_soc_emulator(*, harts: int, divisor: int = 4, memory_bytes: int = _MEMORY_BYTES) -> Path:
    """The program that runs a board with so many harts under Verilator, its line on a terminal
    (`uintr_fpga.emulate.running`), built if it is not there yet. More than 1 MiB of memory is none
    that a board has.

    Raises
    ------
    As `uintr_cosim.harness.build_harness`.
    """
    from uintr.generate import verilog_text
    from uintr_cosim import harness

    large = memory_bytes > 1 << 20
    core = SocCore(
        harts=harts,
        receivers=512,
        divisor=divisor,
        quiet=1 << 22,
        memory_bytes=memory_bytes,
        block_ram=not large,
    )
    sources = {"board.v": verilog_text(core, name="board")}
    return harness.build_harness(
        f"emulator-soc-{harts}",
        {**sources, "memory.v": _LARGE_MEMORY} if large else sources,
        Path(__file__).with_name("emulator.cpp"),
        top="board",
        make="OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O1",
        options=("-Wno-TIMESCALEMOD", "-Wno-COMBDLY", "-DNO_ICE40_DEFAULT_ASSIGNMENTS"),
    )


def build(*, harts: int, seed: int, folder: Path, asked_mhz: int = _ASKED_MHZ) -> dict[str, Any]:
    """Build the bitstream in ``folder``; returns what it takes and how fast it is.

    Raises
    ------
    ToolError : a tool is missing, failed or took too long; the sentence names its log.
    """
    toolchain = TOOLCHAINS["ecp5"]
    tools = find_tools(toolchain)
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    platform = make_platform(find_board("ulx3s"))
    plan = platform.prepare(
        SocBoard(harts=harts),
        "top",
        synth_opts="-abc9 -nowidelut",
        script_after_read=_SCRIPT,
        nextpnr_opts=f"--seed {seed} --router router2 --report top.pnr-report.json "
        "--timing-allow-fail",
    )
    folder.mkdir(parents=True, exist_ok=True)
    plan.extract(str(folder))
    pins = folder / "top.lpf"
    pins.write_text(pins.read_text().replace(f" {_CLOCK_HZ}.0 HZ", f" {asked_mhz} MHZ"))
    (folder / "build.log").unlink(missing_ok=True)
    run_script(folder, tools, seconds=_SECONDS)
    placed = json.loads((folder / "top.pnr-report.json").read_text())
    netlist = json.loads((folder / "top.json").read_text())
    cells = Counter(cell["type"] for cell in netlist["modules"]["top"]["cells"].values())
    return {
        "board": "ulx3s",
        "harts": harts,
        "memory_bytes": _MEMORY_BYTES,
        "seed": seed,
        "asked_mhz": asked_mhz,
        "lut4": cells["LUT4"] + 2 * cells["CCU2C"],
        "ff": cells["TRELLIS_FF"],
        "block_ram": cells["DP16KD"],
        "distributed_ram": cells["TRELLIS_DPR16X4"],
        "fmax_mhz": round(min(each["achieved"] for each in placed["fmax"].values()), 2),
    }


def _parser() -> Parser:
    parser = Parser(
        prog="python -m uintr_fpga.soc_board",
        examples="python -m uintr_fpga.soc_board --harts 2 --seed 1",
    )
    parser.describe(_build, "Build the bitstream of a ULX3S 85F with harts.")
    parser.add_argument(
        "--harts", type=whole, default=2, metavar="N", help=f"1 to {_MAX_HARTS} (2)"
    )
    parser.add_argument("--seed", type=whole, default=1, metavar="S", help="of the placer (1)")
    parser.add_argument(
        "--ask",
        type=whole,
        default=_ASKED_MHZ,
        metavar="MHZ",
        help="what place and route strives for (%(default)s); the clock stays 25 MHz",
    )
    parser.add_argument("--out", default="build/soc-ulx3s", metavar="DIR", help="%(default)s")
    return parser


def _build(options: Any) -> int:
    check_range("harts", options.harts, 1, _MAX_HARTS)
    check_range("seed", options.seed, 0, 2**31 - 1)
    check_range("ask", options.ask, 1, 1000)
    found = build(
        harts=options.harts,
        seed=options.seed,
        folder=Path(options.out),
        asked_mhz=options.ask,
    )
    print(json.dumps(found))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 2 it cannot be done, 130 interrupted."""
    return run_program(_parser, arguments, statuses=lambda: {ToolError: 2})


if __name__ == "__main__":
    sys.exit(main())
