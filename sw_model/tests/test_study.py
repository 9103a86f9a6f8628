"""Studies: designs, rows, going on where one was, and the same table from a cluster."""

import csv
import importlib
import importlib.util
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from rel4 import cli
from rel4.bench import campaign
from rel4.bench.campaign import Conduct
from rel4.bench.study import Trial, read_study, run_trial
from rel4.bench.study_run import run_study
from uintr.program import Stopped

GRID = """
design = "grid"
[parameters]
policy = ["tick", "uipi"]
concurrency = [2]
rounds = [1, 2]
harts = [2]
"cost.user.fetch" = [150, 208]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text)
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_grid_has_every_combination(tmp_path: Path) -> None:
    study = read_study(written(tmp_path, GRID))
    assert study.names == ("policy", "concurrency", "rounds", "harts", "cost.user.fetch")
    assert len(study.trials) == 8
    assert len({trial.key for trial in study.trials}) == 8


def test_a_random_design_repeats(tmp_path: Path) -> None:
    text = """
design = "random"
samples = 30
seed = 5
[parameters]
policy = ["sync", "tick"]
concurrency = {min = 1, max = 64, log = true}
timer_period = {min = 2000, max = 4000}
"""
    study = read_study(written(tmp_path, text))
    assert study == read_study(written(tmp_path, text))
    values = [dict(trial.parameters) for trial in study.trials]
    assert all(1 <= int(v["concurrency"]) <= 64 for v in values)
    assert all(2000 <= int(v["timer_period"]) <= 4000 for v in values)
    assert {v["policy"] for v in values} == {"sync", "tick"}
    assert study != read_study(written(tmp_path, text.replace("seed = 5", "seed = 6")))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = [", "must be a readable TOML file"),
        (
            "speed = 1",
            "an entry must be one of design, samples, .* not 'speed'; did you mean 'seed'",
        ),
        (
            "[parameters]\nspeed = [1]",
            "a parameter must be one of policy, harts, .* not 'speed'; did you mean 'seed'",
        ),
        ('[parameters]\npolicy = ["tick"]', "parameters must have concurrency, and have none"),
        ('[parameters]\npolicy = "tick"\nconcurrency = [2]', "policy must be a list of values"),
        (
            'design = "random"\n[parameters]\npolicy = ["tick"]\nconcurrency = {min = 9, max = 2}',
            "concurrency must be a list of values, or min and max",
        ),
        (
            'design = "all"\n[parameters]\npolicy = ["tick"]\nconcurrency = [2]',
            "design must be one of grid, random, not 'all'",
        ),
        ('device = "fpga"', "device must be one of"),
    ],
)
def test_what_is_wrong_with_a_design(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_study(written(tmp_path, text))


def test_a_cost_changes_the_time_and_nothing_else() -> None:
    def row(stub: int) -> dict[str, object]:
        parameters = (("policy", "sync"), ("concurrency", 2), ("cost.user.invoke", stub))
        return run_trial(Trial("reference", parameters))

    less, more = row(150), row(200)
    assert less["error"] == more["error"] == ""
    assert less["latency_p50"] == int(str(more["latency_p50"])) - 50
    assert less["traps_per_syscall"] == more["traps_per_syscall"]
    assert row(200) == more


def test_parameters_that_do_not_go_together_are_a_row_too() -> None:
    row = run_trial(Trial("reference", (("policy", "tick"), ("concurrency", 2), ("harts", 0))))
    assert row["error"] == "harts must be 1 to 1024, not 0"
    assert row["cycles"] is None


def test_a_study_goes_on_where_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = written(tmp_path, GRID), tmp_path / "out"
    assert cli.main(["study", str(path), "--out", str(out), "--jobs", "1"]) == 0
    first = (out / "results.csv").read_bytes()
    kept = (out / "trials.jsonl").read_text().splitlines(keepends=True)
    assert len(kept) == 8
    (out / "trials.jsonl").write_text("".join(kept[2:]))
    capsys.readouterr()
    assert cli.main(["study", str(path), "--out", str(out), "--jobs", "1"]) == 0
    assert "6 of 8 trials were finished before" in capsys.readouterr().out
    assert (out / "results.csv").read_bytes() == first
    assert (out / "figure.png").stat().st_size > 5_000
    assert b"<!-- tick" in (out / "figure.svg").read_bytes()
    rows = rows_of(out / "results.csv")
    assert [row["policy"] for row in rows] == ["tick"] * 4 + ["uipi"] * 4
    assert all(row["error"] == "" for row in rows)


@pytest.mark.parametrize("moment", ["run_trial", "write_table", "plot_study"])
def test_an_interrupt_at_any_moment_says_what_is_kept(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    study, out = written(tmp_path, GRID), tmp_path / "out"
    where = {"run_trial": "campaign.wait", "plot_study": "study_plot.plot_study"}
    monkeypatch.setattr(f"rel4.bench.{where.get(moment, f'study_run.{moment}')}", interrupt)
    arguments = ["study", str(study), "--out", str(out), "--jobs", "1"]
    assert cli.main(arguments) == 130
    said = capsys.readouterr().err.splitlines()[-1]
    kept = 0 if moment == "run_trial" else 8
    assert f"interrupted; {kept} of 8 trials are kept; go on with: " in said
    assert said.endswith(" ".join(arguments))


@pytest.mark.parametrize("threads", [0, 1])
def test_an_interrupt_is_held_back_whatever_thread_the_signal_comes_to(threads: int) -> None:
    """That of the progress bar, say."""
    end, reached = threading.Event(), []
    for _ in range(threads):
        threading.Thread(target=end.wait).start()

    def hold_back() -> None:
        with campaign.uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            reached.append("the end")
        reached.append("more")

    with pytest.raises(KeyboardInterrupt):
        hold_back()
    end.set()
    assert reached == ["the end"]


def test_an_interrupt_while_workers_start_ends_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is held back while they are started, and comes right behind."""
    held, late = campaign.uninterrupted, [True]

    @contextmanager
    def interrupted() -> Iterator[None]:
        with held():
            yield
        if late and late.pop():
            raise KeyboardInterrupt

    monkeypatch.setattr(campaign, "uninterrupted", interrupted)
    with pytest.raises(Stopped, match="^0 of 1 tasks are kept$"):
        campaign.run_campaign(
            {"task": 60.0},
            lambda todo: [partial(time.sleep, seconds) for seconds in todo.values()],
            store=campaign.Store(tmp_path / "store.jsonl"),
            conduct=Conduct(1),
            name="sleep",
            unit="task",
        )
    assert not multiprocessing.active_children()


def test_without_dask_a_scheduler_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match="scheduler needs Dask, which is not installed"):
        run_study(
            written(tmp_path, GRID),
            out=tmp_path / "out",
            conduct=Conduct(1),
            scheduler="tcp://localhost:1",
        )


@contextmanager
def dask(part: str, *arguments: str) -> Iterator[None]:
    """The scheduler or a worker, as a process of its own."""
    command = [sys.executable, "-m", f"distributed.cli.dask_{part}", *arguments, "--no-dashboard"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.mark.long
@pytest.mark.filterwarnings("default")
def test_a_cluster_gives_the_same_table(tmp_path: Path) -> None:
    if importlib.util.find_spec("distributed") is None:
        pytest.skip("Dask is not installed (pip install 'rel4-uintr[study]')")
    path, where = written(tmp_path, GRID), tmp_path / "scheduler.json"
    run_study(path, out=tmp_path / "here", conduct=Conduct(1))
    file = f"--scheduler-file={where}"
    with (
        dask("scheduler", file, "--host=127.0.0.1", "--port=0"),
        dask("worker", file, "--nworkers=1", "--nthreads=1", f"--local-directory={tmp_path}"),
    ):
        until = time.monotonic() + 60
        while not where.exists() and time.monotonic() < until:
            time.sleep(0.1)
        address = json.loads(where.read_text())["address"]
        arguments = ["study", str(path), "--out", str(tmp_path / "there"), "--scheduler", address]
        assert cli.main(arguments) == 0
    for name in ("results.csv", "results.parquet"):
        here, there = tmp_path / "here" / name, tmp_path / "there" / name
        if here.exists() or there.exists():
            assert here.read_bytes() == there.read_bytes()


def test_parquet_holds_what_csv_does(tmp_path: Path) -> None:
    if importlib.util.find_spec("pyarrow") is None:
        pytest.skip("pyarrow is not installed (pip install 'rel4-uintr[study]')")
    parquet = importlib.import_module("pyarrow.parquet")
    run_study(written(tmp_path, GRID), out=tmp_path, conduct=Conduct(1))
    table = parquet.read_table(tmp_path / "results.parquet").to_pylist()
    rows = rows_of(tmp_path / "results.csv")
    assert [row["cycles"] for row in table] == [int(row["cycles"]) for row in rows]


def test_out_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, GRID)
    assert cli.main(["study", str(path), "--out", str(path)]) == 2
    assert "out must be a folder, and" in capsys.readouterr().err
