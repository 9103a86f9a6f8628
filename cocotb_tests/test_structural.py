"""Structural coverage: where points come from, and how they are put together."""

from pathlib import Path

from uintr_verify.structural import merge, points, summary
from uintr_verify.waivers import Waiver

VERILOG = """\
module \\uintr_top.system.hart_unit_0 (clk);
  (* src = "/somewhere/hw/uintr/sender.py:7" *)
  reg [1:0] state;
  (* src = "/somewhere/hw/uintr/sender.py:9" *)
  always @(posedge clk)
    state <= 1;
  (* src = "/somewhere/site-packages/amaranth/hdl.py:3" *)
  wire other;
endmodule
"""


def _entry(page: str, line: int, what: str, count: int, file: str = "uintr_top.v") -> str:
    fields = {"f": f"/somewhere/{file}", "l": line, "n": 3, "page": page, "o": what}
    return "C '" + "".join(f"\1{key}\2{value}" for key, value in fields.items()) + f"' {count}\n"


def _data(tmp_path: Path, count: int) -> Path:
    module = "uintr_top.system.hart_unit_0"
    path = tmp_path / "coverage.dat"
    path.write_text(
        "# SystemC::Coverage-3\n"
        + _entry(f"v_toggle/{module}", 3, "state[0]:0->1", count)
        + _entry(f"v_toggle/{module}", 3, "state__02ehigh$5[0]:0->1", 0)
        + _entry(f"v_line/{module}", 5, "block", 3)
        + _entry(f"v_toggle/{module}", 8, "other:0->1", 0)
        + _entry(f"v_toggle/{module}", 3, "$hidden:0->1", 0)
        + _entry("v_line/semaphore", 5, "block", 0, "verilated_std.sv")
    )
    return path


def test_points_lead_to_the_source(tmp_path: Path) -> None:
    assert list(points(VERILOG, _data(tmp_path, 0))) == [
        ("toggle uintr/sender.py:7 system.hart_unit state[0]:0->1", 0),
        ("toggle uintr/sender.py:7 system.hart_unit state.high[0]:0->1", 0),
        ("line uintr/sender.py:9 block", 3),
    ]


def test_runs_add_up_and_waivers_count(tmp_path: Path) -> None:
    runs = [list(points(VERILOG, _data(tmp_path, count))) for count in (0, 2)]
    merged = merge(runs)
    assert merged["toggle uintr/sender.py:7 system.hart_unit state[0]:0->1"] == 2
    bare = summary(merged, [])
    assert bare["holes"] == ["toggle uintr/sender.py:7 system.hart_unit state.high[0]:0->1"]
    waived = summary(merged, [Waiver(r"toggle .* state\.high\[0\].*", "reserved")])
    assert not waived["holes"]
    assert not waived["stale"]
    assert waived["files"]["uintr/sender.py"]["toggle"] == {"points": 2, "met": 1, "waived": 1}
