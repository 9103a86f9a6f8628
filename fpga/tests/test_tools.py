"""Boards, reports and the command line, without any FPGA tool."""

import json
from pathlib import Path

import pytest

from uintr_fpga import cli
from uintr_fpga.boards import BOARDS, Target, find_board
from uintr_fpga.build import count_blocks
from uintr_fpga.record import RecordError, read_record
from uintr_fpga.report import boards_table, read_results, store_result
from uintr_fpga.toolchains import TOOLCHAINS, ToolError
from uintr_fpga.uart import uart_divisor

pytestmark = pytest.mark.sim

REPORT = {
    "commit": "0123",
    "board": "b",
    "title": "Board",
    "harts": 1,
    "receivers": 16,
    "table_pages": 1,
    "baud": 1_000_000,
    "seed": 1,
    "clock_mhz": 12.0,
    "fmax_mhz": 13.0,
    "margin_percent": 8.3,
    "total": {"lut": 1, "ff": 2, "ram": 3},
    "versions": {"yosys": "0.70"},
}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_every_board_can_make_its_bit_rate_exactly(board) -> None:
    assert uart_divisor(board.clock_hz, board.baud) * board.baud == board.clock_hz
    assert board.toolchain in TOOLCHAINS
    assert find_board(board.name) is board
    assert Target.of(board.name, harts=3).config.harts == 3


def test_unknown_board() -> None:
    with pytest.raises(ValueError, match="board must be one of ulx3s, .*, not 'x'"):
        find_board("x")


def test_cells_are_counted_by_block() -> None:
    cells = {
        "core.system.hart_unit_0.sender.x_SB_LUT4_O": {"type": "SB_LUT4"},
        "core.system.hart_unit_0.busy_SB_DFF_Q": {"type": "SB_DFFESR"},
        "core.bridge.state_SB_LUT4_O_1": {"type": "SB_LUT4"},
        "core.system.table_ram.words.0.0": {"type": "SB_RAM40_4K"},
        "$PACKER": {"type": "SB_LUT4"},
        "core.carry": {"type": "SB_CARRY"},
    }
    assert count_blocks(cells, TOOLCHAINS["ice40"]) == {
        "core.bridge": {"lut": 1, "ff": 0, "ram": 0},
        "core.system.hart_unit_0": {"lut": 0, "ff": 1, "ram": 0},
        "core.system.hart_unit_0.sender": {"lut": 1, "ff": 0, "ram": 0},
        "core.system.table_ram": {"lut": 0, "ff": 0, "ram": 1},
        "other": {"lut": 1, "ff": 0, "ram": 0},
    }


def test_results_replace_their_like_and_the_slowest_seed_stands(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    store_result(path, REPORT)
    store_result(path, {**REPORT, "seed": 2, "fmax_mhz": 12.5, "margin_percent": 4.2})
    store_result(path, {**REPORT, "fmax_mhz": 14.0})
    results = read_results(path)
    assert [each["seed"] for each in results] == [1, 2]
    assert (
        "| Board | riscv | 1 | 16 | 1 | 2 | 3 | 12 | 12.5 of 1, 2 | 4 % | 0123 |"
        in boards_table(results)
    )
    path.write_text("{}\n")
    with pytest.raises(ValueError, match="line 1 of .* must be a report, and is none"):
        read_results(path)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["build", "--board", "x"], "board must be one of"),
        (["build", "--board", "ulx3s", "--seed", "a"], "seed must be whole numbers"),
        (["program", "--board", "ulx3s", "none.bit"], "bitstream must be a file that ends with"),
        (["export", "--board", "ulx3s", "--harts", "0"], "harts must be 1 to 64, not 0"),
        (["build", "--board", "ulx3s", "--baud", "7"], "baud must be at least 115200"),
        (["emulate", "--board", "ulx3s", "--link", "/none/x"], "link must be a free name"),
        (["emulate", "--board", "ulx3s", "--link", __file__], "link must be a free name"),
        (["report", "--results", "/none"], "/none must exist, and does not"),
    ],
)
def test_bad_requests(arguments: list[str], sentence: str, capsys) -> None:
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("harts", "fits", "margins", "beyond"),
    [
        (2, 64, {1: 60.0, 2: 11.0, 4: 9.9}, "with 4 harts the margin is 9.9 %"),
        (2, 2, {1: 60.0, 2: 11.0}, "with 4 harts: the build failed"),
        (64, 64, {}, "more than 64 harts are not to be had"),
        (0, 64, {1: 4.0}, "with 1 harts the margin is 9 %"),  # the first seed is enough
    ],
)
def test_the_largest_is_found(
    harts: int, fits: int, margins: dict[int, float], beyond: str, tmp_path: Path, capsys,
    monkeypatch,
) -> None:  # fmt: skip
    def built(target: Target, *, seed: int, folder: Path, netlist: Path | None) -> object:
        assert (netlist is None) == (seed == 3)
        if target.config.harts > fits:
            raise ToolError("the build failed")
        folder.mkdir(parents=True)
        margin = margins.get(target.config.harts, 50.0) + 5 * (seed == 3)
        return REPORT | {"harts": target.config.harts, "seed": seed, "margin_percent": margin}

    monkeypatch.setattr("uintr_fpga.build.build_bitstream", built)
    store = tmp_path / "fpga.jsonl"
    arguments = ["build", "--board", "ulx3s", "--largest", "--seed", "3,4"]
    status = cli.main([*arguments, "--out", str(tmp_path), "--store", str(store)])
    assert status == int(not harts)
    assert beyond in capsys.readouterr().err
    if harts:
        stored = read_results(store)
        assert [(each["harts"], each["seed"]) for each in stored] == [(harts, 3), (harts, 4)]
        assert all(each["largest"]["beyond"] == beyond for each in stored)
        report = json.loads((tmp_path / f"ulx3s-{harts}x512x16-4" / "report.json").read_text())
        assert report["largest"] == {"margin_percent_wanted": 10, "beyond": beyond}
    else:
        assert not store.exists()


def test_a_missing_loader_is_said(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    bitstream = tmp_path / "top.bit"
    bitstream.touch()
    assert cli.main(["program", "--board", "ulx3s", str(bitstream)]) == 2
    assert "openFPGALoader must be installed" in capsys.readouterr().err


def test_record_and_replay_without_a_board(tmp_path: Path, capsys) -> None:
    path = tmp_path / "record.jsonl.gz"
    assert cli.main(["record", "-o", str(path)]) == 0
    assert cli.main(["replay", str(path), "--device", "reference"]) == 0
    assert "every answer as recorded" in capsys.readouterr().out


def test_a_changed_record_is_found(tmp_path: Path, capsys) -> None:
    path = tmp_path / "record.jsonl"
    assert cli.main(["record", "-o", str(path)]) == 0
    lines = path.read_text().splitlines()
    entry = json.loads(lines[40])
    entry["cycles"] += 1
    lines[40] = json.dumps(entry)
    path.write_text("\n".join(lines) + "\n")
    assert cli.main(["replay", str(path), "--device", "reference"]) == 1
    assert "; step 40: recorded" in capsys.readouterr().out
    path.write_text("\n".join([lines[0], "{}"]) + "\n")
    with pytest.raises(RecordError, match="line 2 of .* must be a recorded step"):
        list(read_record(path)[1])
    path.write_text("no\n")
    with pytest.raises(RecordError, match="record must begin with its format"):
        read_record(path)
