"""The report: what stands in it, and that a browser shows it without a complaint."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from rel4 import cli
from rel4.bench.charts import LEAST_STEP, Series, bar_chart, line_chart
from rel4.bench.looks import MARKERS, look_of
from rel4.bench.policies import POLICIES
from rel4.machine.costs import load_costs

VOID = {"meta", "link"}
WIDTHS = (1400, 1024, 390)


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
    lengths: dict[str, float] = {}
    for title, width in re.findall(
        r'aria-label="([^":]+): [^"]*"><rect [^>]*width="([\d.]+)"', report.read_text()
    ):
        lengths[title] = lengths.get(title, 0) + float(width)
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
    series = [Series(name="<a>", look=look_of("tick"), points={1: 1.0})]
    assert "<a>" not in line_chart(series, label="", unit="")
    assert "<a>" not in bar_chart([("<a>", {"x": 1})], {"x": "fill:red"}, label="", unit="")


def test_labels_of_an_axis_do_not_touch() -> None:
    series = [Series(name="a", look=look_of("tick"), points=dict.fromkeys(range(1, 65), 1.0))]
    labels = re.findall(
        r'x="([\d.]+)" y="294" text-anchor="middle">\d+<', line_chart(series, label="", unit="")
    )
    places = [float(x) for x in labels]
    assert len(places) > 5
    assert all(b - a >= LEAST_STEP for a, b in pairwise(places))


def test_every_policy_has_a_look_of_its_own() -> None:
    looks = [look_of(policy) for policy in POLICIES]
    for field in ("colour", "dark", "marker"):
        assert len({getattr(look, field) for look in looks}) == len(looks)
    assert {look.marker for look in looks} <= MARKERS.keys()
    assert look_of("tick-any") == look_of("tick-any")


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
@pytest.mark.parametrize("width", WIDTHS)
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
<iframe src="{page}" width="{width}" height="800" style="border:0"></iframe>
<script>
window.onload = () => {{
  const page = document.querySelector("iframe").contentDocument;
  const wrong = [];
  const root = page.documentElement;
  if (root.scrollWidth > root.clientWidth) wrong.push(`page ${{root.scrollWidth}} wide`);
  for (const each of page.querySelectorAll("body *")) {{
    const box = each.getBoundingClientRect();
    if (box.width && (box.left < -0.5 || box.right > {width} + 0.5) && !each.closest(".tip"))
      wrong.push(`${{each.tagName}} ${{each.textContent.slice(0, 30)}} is cut off`);
    if (each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).overflowX != "visible")
      wrong.push(`${{each.tagName}} scrolls`);
  }}
  for (const drawing of page.querySelectorAll("figure svg")) {{
    const outer = drawing.getBoundingClientRect();
    const texts = [...drawing.querySelectorAll("text.axis")].map(t => t.getBoundingClientRect());
    texts.forEach((a, i) => texts.slice(i + 1).forEach(b => {{
      if (a.left < b.right && b.left < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom)
        wrong.push(`labels touch in ${{drawing.getAttribute("aria-label")}}`);
    }}));
    if (texts.some(t => t.left < outer.left - 1 || t.right > outer.right + 1))
      wrong.push(`a label is cut off in ${{drawing.getAttribute("aria-label")}}`);
    for (const point of drawing.querySelectorAll(".point")) {{
      const tip = point.querySelector(".tip");
      point.focus();
      const box = tip.getBoundingClientRect();
      if (getComputedStyle(tip).display == "none") wrong.push(`no value at ${{tip.textContent}}`);
      else if (box.right > outer.right + 1) wrong.push(`value cut off: ${{tip.textContent}}`);
    }}
  }}
  const named = new Set([...page.querySelectorAll(".legend [style]")].map(
    each => each.style.getPropertyValue("--c") || each.style.background));
  for (const each of page.querySelectorAll("figure .line, figure .mark, figure .hollow"))
    if (!named.has(each.style.getPropertyValue("--c"))) wrong.push("a colour without a name");
  for (const each of page.querySelectorAll("figure .point rect"))
    if (!named.has(each.style.fill)) wrong.push(`${{each.style.fill}} without a name`);
  document.title = `found ${{wrong.length}}: ${{[...new Set(wrong)].slice(0, 5).join("; ")}}`;
}};
</script>
"""


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off_and_everything_can_be_read(
    report: Path, tmp_path: Path, width: int
) -> None:
    """At each width: all of the page lies on the screen, no labels touch, every point shows its
    value when it is focused, which is what a touch does, and every colour is in a legend."""
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(page=report.as_uri(), width=width))
    shown = browse(
        tmp_path,
        "--allow-file-access-from-files",
        f"--window-size={max(width, 500) + 100},900",
        "--dump-dom",
        frame.as_uri(),
    )
    found = re.search(r"<title>(.*?)</title>", shown)
    assert found is not None
    assert found[1] == "found 0: ", found[1]
