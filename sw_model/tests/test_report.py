"""The report: what stands in it, and that a browser shows it without a complaint."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rel4 import cli
from rel4.bench.charts import Series, bar_chart, line_chart
from rel4.machine.costs import load_costs

VOID = {"meta", "link"}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a small sweep of three policies."""
    out = tmp_path_factory.mktemp("sweep")
    sweep = ["--policy", "sync,tick,ipi", "--concurrency", "2,8", "--jobs", "1"]
    assert cli.main(["sweep", *sweep, "--out", str(out)]) == 0
    assert cli.main(["report", str(out)]) == 0
    return out / "report.html"


class Balance(HTMLParser):
    """Fails where tags do not close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_tags_close_in_order(report: Path) -> None:
    parser = Balance()
    parser.feed(report.read_text())
    assert not parser.open
    assert parser.seen.count("figure") == 6


def test_page_stands_alone(report: Path) -> None:
    text = report.read_text()
    assert "<script" not in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def test_page_says_where_everything_comes_from(report: Path) -> None:
    text = report.read_text()
    for name, cost in load_costs().table.items():
        assert f">{name}</td>" in text
        assert cost.provenance in text
    for words in ("23,670", "8,443"):  # published cycles of N = 2
        assert f"{words} cycles" in text
    assert "wake-up interrupts the least busy hart" in text
    assert "Beijing Institute of Technology" in text


def test_bars_have_the_length_of_the_window(report: Path) -> None:
    """All harts of a run are equally long."""
    widths: dict[str, float] = {}
    for title, width in re.findall(
        r'width="([\d.]+)" height="20"><title>([^:]+):', report.read_text()
    ):
        widths[width] = widths.get(width, 0) + float(title)
    lengths = {name: widths[name] for name in ("ipi, hart 0", "ipi, hart 1")}
    assert lengths["ipi, hart 0"] == pytest.approx(lengths["ipi, hart 1"], abs=0.2)


def test_without_logs_the_page_says_so(tmp_path: Path) -> None:
    sweep = ["--policy", "sync", "--concurrency", "2", "--jobs", "1", "--no-log"]
    assert cli.main(["sweep", *sweep, "--out", str(tmp_path)]) == 0
    assert cli.main(["report", str(tmp_path), "--out", str(tmp_path / "r.html")]) == 0
    assert "There are no event logs" in (tmp_path / "r.html").read_text()


def test_no_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(tmp_path)]) == 2
    assert "must hold the results of a sweep, but has no results.jsonl" in capsys.readouterr().err


def test_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="series must have at least one point, not none"):
        line_chart([], label="", unit="")


def test_text_is_escaped() -> None:
    series = [Series(name="<a>", look=0, points={1: 1.0})]
    assert "<a>" not in line_chart(series, label="", unit="")
    assert "<a>" not in bar_chart([("<a>", {"x": 1})], {"x": "u0"}, label="", unit="")


def chromium() -> str:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("neither chromium nor google-chrome is installed")
    return program


def browse(folder: Path, *arguments: str) -> str:
    """Run the browser without a screen; what it prints. Fails if the page logs to the console."""
    done = subprocess.run(
        [
            chromium(),
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}"),
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    return done.stdout


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390])
def test_browser_shows_it(report: Path, tmp_path: Path, scheme: str, width: int) -> None:
    from matplotlib.image import imread

    picture = tmp_path / "shot.png"
    browse(
        tmp_path,
        f"--blink-settings=preferredColorScheme={int(scheme == 'light')}",
        f"--window-size={width},1600",
        f"--screenshot={picture}",
        report.as_uri(),
    )
    pixels = imread(picture)[..., :3]
    assert pixels.shape[1] == width
    corner = float(pixels[0, 0].mean())
    assert corner > 0.9 if scheme == "light" else corner < 0.2
    # Not empty: the upper and the lower half both hold more than the colour of the page.
    half = len(pixels) // 2
    for part in (pixels[:half], pixels[half:]):
        assert (abs(part - pixels[0, 0]).max(axis=2) > 0.1).mean() > 0.02


FRAME = """<!doctype html><title>waiting</title>
<iframe src="{page}" width="390" height="800"></iframe>
<script>
window.onload = () => {{
  const page = document.querySelector("iframe").contentDocument.documentElement;
  document.title = `wide ${{page.scrollWidth}} of ${{page.clientWidth}}`;
}};
</script>
"""


@pytest.mark.browser
def test_on_a_phone_nothing_is_wider_than_the_screen(report: Path, tmp_path: Path) -> None:
    """Tables scroll within themselves, the page only downwards."""
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(page=report.as_uri()))
    shown = browse(tmp_path, "--allow-file-access-from-files", "--dump-dom", frame.as_uri())
    found = re.search(r"<title>wide (\d+) of (\d+)</title>", shown)
    assert found is not None, shown[:200]
    wide, screen = map(int, found.groups())
    assert 300 < wide <= screen <= 390
