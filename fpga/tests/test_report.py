"""The table on the page is the one that the committed results give."""

from pathlib import Path

from uintr_fpga.report import read_results, readme_table

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_has_the_table_of_the_results() -> None:
    table = readme_table(read_results(ROOT / "docs" / "data" / "fpga.jsonl"))
    assert table in (ROOT / "docs" / "boards.md").read_text(encoding="utf-8")
