"""The comparison of the flavours on the page about software on the Intel flavour."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from flavours_page import BEGIN, END, main, read_pingpong, render_flavours
from records import made_up

from rel4.bench.pingpong import KINDS, PingRecord
from rel4.bench.results import PointRecord, write_results
from uintr.registers import Flavour

ROOT = Path(__file__).resolve().parents[2]


def sweep() -> list[PointRecord]:
    return [
        made_up(8_000 + 100 * number, flavour=flavour.value, policy="tick", concurrency=n)
        for n in (2, 16)
        for number, flavour in enumerate(Flavour)
    ]


def pingpong() -> list[PingRecord]:
    return [
        PingRecord(
            flavour=flavour.value,
            kind=kind,
            harts=harts,
            rounds=10,
            cycles=101.5,
            least=90,
            median=100 + number,
            most=120,
            traps=2.0,
            user_interrupts=0.0,
        )
        for number, flavour in enumerate(Flavour)
        for harts in (1, 2)
        for kind in KINDS
    ]


def test_both_flavours_stand_in_one_cell() -> None:
    text = render_flavours(sweep(), pingpong())
    assert "| policy | harts | N = 2 | N = 16 |" in text
    assert "| tick | 1 | 8000 / 8100 | 8000 / 8100 |" in text
    assert "| way | 1 hart | 1 hart: traps | 2 harts | 2 harts: traps |" in text
    assert "| `pipe` | 100 / 101 | 2.0 / 2.0 | 100 / 101 | 2.0 / 2.0 |" in text


def test_a_point_of_one_flavour_only_is_refused() -> None:
    with pytest.raises(ValueError, match="^tick at N = 16 must be there for both flavours$"):
        render_flavours(sweep()[:-1], pingpong())


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, _ = write_results(sweep(), tmp_path)
    ping = tmp_path / "pingpong.jsonl"
    ping.write_text("".join(json.dumps(asdict(r)) + "\n" for r in pingpong()), encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    arguments = [f"--sweep={data}", f"--pingpong={ping}", f"--page={page}"]
    assert main([*arguments, "--check"]) == 1
    assert "run `make readme`" in capsys.readouterr().out
    assert main(arguments) == 0
    assert main([*arguments, "--check"]) == 0
    ping.write_text("{}\n", encoding="utf-8")
    assert main(arguments) == 2
    assert "must be lines of rel4 pingpong" in capsys.readouterr().err


def test_the_page_shows_the_committed_comparison() -> None:
    data = ROOT / "docs" / "data"
    arguments = [f"--sweep={data / 'flavours.jsonl'}", f"--pingpong={data / 'pingpong.jsonl'}"]
    assert main([*arguments, f"--page={ROOT / 'docs' / 'intel_software.md'}", "--check"]) == 0
    assert len(read_pingpong(data / "pingpong.jsonl")) == 4 * len(KINDS)
