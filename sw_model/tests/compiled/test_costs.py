"""Measured costs, the model with them, and the page of the answer."""

from pathlib import Path

import pytest

from rel4.bench import measure
from rel4.bench.compiled import Setup
from rel4.bench.measure import Sample, render, values
from rel4.bench.results import PointRecord, read_results
from rel4.bench.validate import compare
from rel4.bench.validate import render as render_comparison
from rel4.bench.when_page import break_even_trap, filled, tables
from rel4.cli import main
from rel4.machine.costs import chosen_costs, load_costs, measured_costs, measured_with

DATA = Path(__file__).parents[3] / "docs" / "data" / "compiled.jsonl"


def stored(policy: str, concurrency: int, harts: int = 1) -> PointRecord:
    """The stored point with a small cache and fast memory."""
    made = measured_with()
    return next(
        record
        for record in read_results(DATA)
        if (record.policy, record.concurrency, record.harts) == (policy, concurrency, harts)
        and (record.cache_kib, record.memory_latency) == (4, 1)
        and (record.compiler, record.flags) in made
    )


def test_a_cost_lies_between_those_of_the_latencies_on_both_sides() -> None:
    low, middle, high = (
        measured_costs(memory_latency=latency, cache_kib=4)["kernel.invocation"]
        for latency in (10, 20, 30)
    )
    assert low < middle < high
    assert middle == pytest.approx((low + high) / 2, abs=1)


def test_what_was_not_measured_stays_published() -> None:
    costs = measured_costs(memory_latency=1, cache_kib=16, root_switch=1)
    assert costs.table["kernel.interrupt"].provenance != "measured"
    assert costs["kernel.interrupt"] == load_costs()["kernel.interrupt"]
    assert costs.table["trap.entry"].provenance == "measured"


@pytest.mark.parametrize(
    ("latency", "cache", "switch"), [(101, 4, 0), (1, 8, 0), (1, 4, 3)], ids=str
)
def test_no_cost_is_made_up_outside_what_was_measured(
    latency: int, cache: int, switch: int
) -> None:
    with pytest.raises(ValueError, match="memory latency must be within those measured with"):
        measured_costs(memory_latency=latency, cache_kib=cache, root_switch=switch)


def test_a_set_of_costs_is_chosen_by_name_or_by_file(tmp_path: Path) -> None:
    assert chosen_costs("published") is load_costs()
    at = measured_costs(memory_latency=20, cache_kib=16)
    assert chosen_costs("measured", memory_latency=20, cache_kib=16) == at
    few = tmp_path / "few.toml"
    few.write_text('[trap]\nentry = {value = 7, provenance = "assumed", source = "a test"}\n')
    assert chosen_costs(str(few)).differences == (("trap.entry", 7),)
    own = tmp_path / "own.toml"
    own.write_text(render([(Setup(compiler="clang"), 1, {"trap.entry": Sample(9, 9, 9, 9, 9)})]))
    assert chosen_costs(str(own))["trap.entry"] == 9


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("trap = 3", "costs group trap must be a table"),
        ("[trap", "is not right"),
        ('[trap]\nentry = {value = -1, provenance = "assumed", source = "x"}', "trap.entry is not"),
        (
            '[trap]\nother = {value = 1, provenance = "assumed", source = "x"}',
            "cost must be one of",
        ),
        ("[[at]]\ncache_kib = 4", "each .*at.* must have memory_latency"),
        ("at = 3", "is not right"),
    ],
)
def test_a_file_of_costs_that_is_not_right_is_refused(
    tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "costs.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=sentence):
        chosen_costs(str(path))


@pytest.mark.parametrize(
    "command",
    [
        "sweep --policy sync --concurrency 1 --rounds 1 --no-log",
        "ipc --harts 1 --concurrency 1 --rounds 1",
        "pingpong --flavour riscv --harts 1 --rounds 1",
    ],
)
def test_a_run_has_the_costs_that_were_chosen(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = {}
    for costs in ("published", "measured"):
        out = tmp_path / costs
        assert main([*command.split(), "--jobs", "1", "--costs", costs, "--out", str(out)]) == 0
        (result,) = out.glob("*.jsonl")
        written[costs] = result.read_text()
    assert written["published"] != written["measured"]
    if command.startswith("sweep"):
        (published,) = read_results(tmp_path / "published" / "results.jsonl")
        (measured,) = read_results(tmp_path / "measured" / "results.jsonl")
        assert published.costs is None
        assert measured.costs is not None
        invocation = chosen_costs("measured")["kernel.invocation"]
        assert f"kernel.invocation={invocation}" in measured.costs.split()
        assert measured.cycles < published.cycles


def test_a_study_has_the_costs_that_were_chosen_unless_it_varies_them(tmp_path: Path) -> None:
    design = tmp_path / "design.toml"
    design.write_text(
        '[parameters]\npolicy = ["sync"]\nconcurrency = [1]\nrounds = [1]\n'
        "timer_period = [1_000_000_000]\n"
        '"cost.kernel.invocation" = [4000, 8000]\n'
    )
    found = {}
    for costs in ("published", "measured"):
        out = tmp_path / costs
        words = ["study", str(design), "--jobs", "1", "--costs", costs, "--out", str(out)]
        assert main(words) == 0
        lines = (out / "results.csv").read_text().splitlines()[1:]
        found[costs] = [int(line.split(",")[5]) for line in lines]
    for cycles in found.values():
        assert cycles[1] - cycles[0] == 2 * 4000
    assert found["measured"][0] < found["published"][0]


def test_what_a_batch_costs_once_is_part_of_the_wake() -> None:
    flat, first = Sample(10, 10, 10, 10, 80), Sample(30, 20, 20, 100, 80)
    found = {"trap.entry": flat, "trap.exit": flat, "(trap.entry)": flat, "(trap.exit)": flat}
    found |= {"kernel.wake": Sample(50, 50, 50, 50, 10), "kernel.async_call": first}
    made = values(found)
    assert made["kernel.async_call"] == 20
    assert made["kernel.wake"] == 50 + (30 - 20) * 80 / 10
    assert "(trap.entry)" not in made


def test_what_is_written_can_be_read() -> None:
    sample = Sample(12.5, 10, 12, 20, 40)
    text = render([(Setup(compiler="clang"), 1, {"trap.entry": sample})])
    costs = measured_costs(memory_latency=1, cache_kib=4, text=text)
    assert costs["trap.entry"] == 12


@pytest.mark.parametrize(("policy", "concurrency"), [("sync", 16), ("inline", 4), ("inline", 32)])
def test_the_model_is_held_to_points_that_costs_were_not_taken_from(
    policy: str, concurrency: int
) -> None:
    (one,) = compare([stored(policy, concurrency)])
    assert not one.tuned
    assert abs(one.error_pct) < 5
    assert one.traps == pytest.approx(one.record.traps_per_syscall, rel=0.05)
    assert "not used for costs: 1 points" in render_comparison([one])


@pytest.mark.parametrize(("policy", "concurrency"), [("uipi", 2), ("poll", 4), ("tick-smp", 8)])
def test_so_it_is_where_two_harts_share_the_work(policy: str, concurrency: int) -> None:
    (one,) = compare([stored(policy, concurrency, harts=2)])
    assert not one.tuned
    assert abs(one.error_pct) < 10
    assert one.events_pct < 5


def test_the_break_even_trap_tells_who_wins() -> None:
    for cache, latency, wins in ((4, 1, True), (4, 30, False), (16, 30, True)):
        costs = measured_costs(memory_latency=latency, cache_kib=cache)
        trap = costs["trap.entry"] + costs["trap.exit"]
        assert (trap > break_even_trap(costs)) == wins


def test_the_page_has_the_stored_figures() -> None:
    page = (DATA.parents[1] / "when.md").read_text("utf-8")
    assert filled(page, tables(read_results(DATA))) == page
    with pytest.raises(ValueError, match="the page must have the marks of 'other'"):
        filled(page, {"other": ""})


def test_validate_says_what_it_runs_and_then_the_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = DATA.read_text(encoding="utf-8").splitlines()
    of_the_costs = next(
        line for line, record in zip(first, read_results(DATA), strict=True)
        if record == stored("sync", 1)
    )  # fmt: skip
    one = tmp_path / "results.jsonl"
    one.write_text(of_the_costs + "\n")
    assert main(["validate", str(one)]) == 0
    out, err = capsys.readouterr()
    assert err == "rel4: points to run on the model: 1\n"
    assert "error %" in out


def test_measuring_goes_on_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is finished is kept beside the checkout; the file that belongs to it is written once."""
    monkeypatch.chdir(tmp_path)
    out, stop = tmp_path / "costs.toml", [False]

    def measured(setup: Setup, harts: int = 1) -> dict[str, Sample]:
        if stop[0] and setup.memory_latency == 10:
            raise KeyboardInterrupt
        assert not out.exists()
        return {"trap.entry": Sample.of([float(harts)])}

    monkeypatch.setattr(measure, "measure", measured)
    words = ["--memory-latencies=1,10", "--caches=4", "--root-switches=0", f"--out={out}"]
    words.append("--compiler=clang")
    stop[0] = True
    with pytest.raises(KeyboardInterrupt):
        measure.main(words)
    assert not out.exists()
    stop[0] = False
    assert measure.main(words) == 0
    said = capsys.readouterr().out
    assert said.count("latency 1, root switch 0, harts 2: kept") == 1
    assert said.count("latency 10, root switch 0, harts 2: measured") == 1
    assert out.read_text().count("[[at]]") == 4
    assert not list((tmp_path / "build").glob("costs*"))
