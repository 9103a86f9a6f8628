"""The table on the page is the one that the committed results give."""

from pathlib import Path

import pytest

from uintr_fpga import bench_hw
from uintr_fpga.bench_hw import digest, write_page
from uintr_fpga.report import boards_table, read_results, write_table

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_has_the_table_of_the_results() -> None:
    table = boards_table(read_results(ROOT / "docs" / "data" / "fpga.jsonl"))
    assert table in (ROOT / "docs" / "boards.md").read_text(encoding="utf-8")


def test_the_page_has_the_figures_of_the_controller(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "hardware.md").read_text(encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    write_page(ROOT / "docs" / "data" / "bench_hw.json", page)
    assert page.read_text(encoding="utf-8") == text
    page.write_text("a\n")
    with pytest.raises(ValueError, match="page must have the marks of the table, but .* has not"):
        write_page(ROOT / "docs" / "data" / "bench_hw.json", page)


def test_a_table_is_put_into_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- fpga -->\nold\n<!-- /fpga -->\nb\n")
    write_table(page, "new")
    assert page.read_text() == "a\n<!-- fpga -->\nnew\n<!-- /fpga -->\nb\n"
    page.write_text("a\n")
    with pytest.raises(ValueError, match="must have the marks of the table, but has not"):
        write_table(page, "new")


def test_a_row_is_measured_again_when_anything_that_it_depends_on_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench_hw, "version", lambda name: "1")  # the tools need not be there
    shape = bench_hw._Shape(8, 1, 4)
    kept = digest(shape)
    assert digest(shape) == kept
    assert digest(bench_hw._Shape(8, 1, 3)) != kept
    monkeypatch.setattr(bench_hw, "version", lambda name: "2")
    assert digest(shape) != kept
    monkeypatch.setattr(bench_hw, "version", lambda name: "1")
    monkeypatch.setitem(bench_hw._PLACE, "ecp5", ("another",))
    assert digest(shape) != kept
