import re
from pathlib import Path

import pytest
from readme_page import (
    BEGIN,
    END,
    main,
    render_measured,
    render_points,
    replace_measured,
    words_for,
)
from records import made_up

from rel4.bench.results import PointRecord, write_results

ROOT = Path(__file__).resolve().parents[2]


SWEPT = (("sync", 2), ("sync", 16), ("tick", 2))


def sweep() -> list[PointRecord]:
    return [made_up(policy=policy, concurrency=n) for policy, n in SWEPT]


def test_a_row_a_concurrency_and_a_column_a_policy() -> None:
    text = render_points(sweep())
    assert "| N | sync, 1 hart | tick, 1 hart |" in text
    assert "| 2 | 8000 / 8443 / -5.2 | 8000 / 23670 / -66.2 |" in text
    assert "| 16 | 8000 / 8381 / -4.5 | - |" in text


def test_only_what_stands_between_the_markers_changes() -> None:
    assert replace_measured(f"a\n{BEGIN}\nold\n{END}\nz\n", "new") == (
        f"a\n{BEGIN}\n\nnew\n\n{END}\nz\n"
    )
    for text in ("", BEGIN, f"{END}{BEGIN}", f"{BEGIN}{END}{END}", f"{BEGIN}{BEGIN}{END}"):
        with pytest.raises(ValueError, match="^text must hold the markers once each and in order"):
            replace_measured(text, "new")


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, _ = write_results(sweep(), tmp_path)
    readme = tmp_path / "README.md"
    readme.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    arguments = [f"--data={data}", f"--readme={readme}", f"--page={page}"]
    arguments += [f"--figures={tmp_path / 'img'}"]
    assert main([*arguments, "--check"]) == 1
    assert "run `make readme`" in capsys.readouterr().out
    assert main(arguments) == 0
    assert main([*arguments, "--check"]) == 0
    assert (tmp_path / "img" / "cycles.svg").exists()
    readme.write_text("no markers", encoding="utf-8")
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("text must hold the markers")


def test_both_languages_have_the_same_numbers() -> None:
    def numbers(text: str) -> list[str]:
        return re.findall(
            r"[-+]?\d[\d.,]*", "\n".join(re.findall(r"^\| (?:sync|tick) .*", text, re.MULTILINE))
        )

    english, chinese = (
        render_measured(sweep(), words_for(Path(name))) for name in ("README.md", "README.zh.md")
    )
    assert "盈亏平衡" in chinese
    assert numbers(english) == numbers(chinese) != []


def test_the_readmes_show_the_committed_sweep() -> None:
    data = ROOT / "docs" / "data" / "sweep.jsonl"
    readmes = [str(ROOT / name) for name in ("README.md", "README.zh.md")]
    page = ROOT / "docs" / "published.md"
    assert main([f"--data={data}", f"--page={page}", "--check", "--readme", *readmes]) == 0


def test_both_readmes_have_the_same_commands() -> None:
    """What a reader types is the same in both languages."""

    def commands(name: str) -> set[str]:
        text = (ROOT / name).read_text(encoding="utf-8")
        return set(re.findall(r"`(rel4 \w+|make \w+)[^`\n]*`", text))

    assert commands("README.md") == commands("README.zh.md")


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        (
            "README.md",
            r"gain is (\S+) with .*? and (\S+) with .*? it is (\S+) to (\S+), .*? (\S+) from 16",
        ),
        (
            "README.zh.md",
            r"增益 (\S+)，16 KiB 时 (\S+)）.*?增益为 (\S+) 至 (\S+)；.*?起为 (\d\.\d)",
        ),
    ],
)
def test_the_first_page_says_what_was_measured(name: str, pattern: str) -> None:
    """Of compiled programs; the figures are those of the tables on their page."""

    def table(page: str, mark: str) -> dict[tuple[str, ...], list[str]]:
        lines = page.split(f"<!-- {mark}: begin -->")[1].split("<!--")[0].strip().splitlines()[2:]
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
        return {tuple(row[:2]): row[2:] for row in rows}

    page = (ROOT / "docs" / "when.md").read_text(encoding="utf-8")
    surface, second = table(page, "surface"), table(page, "second hart")
    switch = [float(row[5]) for row in surface.values() if row[5]]
    cells = [surface["4", "1"][3], surface["16", "1"][3], second["4", "1"][0]]
    four, sixteen, other_hart = map(float, cells)
    measured = [four, sixteen, min(switch), max(switch), other_hart]
    text = " ".join((ROOT / name).read_text(encoding="utf-8").split())
    found = re.search(pattern, text.replace("， ", "，"))
    assert found is not None
    assert list(found.groups()) == [f"{value:.1f}" for value in measured]
