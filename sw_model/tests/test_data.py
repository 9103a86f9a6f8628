"""Results and event logs as arrays and tables, the notebook, and the fit."""

import json
from pathlib import Path

import numpy as np
import pytest

from rel4.bench.data import event_arrays, frame, record_array, to_parquet
from rel4.bench.fit import fit_one_core
from rel4.bench.results import read_results
from rel4.cli import main
from rel4.machine.costs import load_costs

ROOT = Path(__file__).resolve().parents[2]
LOG = "tick-h1-n2-s1.jsonl.gz"


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sweep")
    words = f"sweep --policy sync,tick --concurrency 2,4 --rounds 2 --jobs 1 --out {out}"
    assert main(words.split()) == 0
    return out


def test_records_are_an_array(sweep: Path) -> None:
    found = record_array(sweep)
    records = read_results(sweep / "results.jsonl")
    assert found["cycles"].tolist() == [record.cycles for record in records]
    assert found["policy"].tolist() == ["sync", "sync", "tick", "tick"]
    assert np.isnan(found["published_cycles_per_round"]).all()
    assert found[found["policy"] == "tick"]["traps"].sum() > 0


def test_events_are_arrays_by_kind(sweep: Path) -> None:
    found = event_arrays(sweep / LOG)
    assert (np.diff(found["Trap"]["cycle"]) >= 0).all()
    assert set(found["Trap"]["cause"]) >= {"ecall", "timer"}
    assert len(found["AsyncSubmitted"]) == 8


def test_tables(sweep: Path, tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    points, events = frame(sweep), frame(sweep / LOG)
    assert points.groupby("policy")["cycles"].count().to_dict() == {"sync": 2, "tick": 2}
    assert (events["event"] == "AsyncSubmitted").sum() == 8
    assert events["cid"].notna().sum() < len(events)
    parquet = pytest.importorskip("pyarrow.parquet")
    to_parquet(sweep / LOG, tmp_path / "log.parquet")
    assert parquet.read_table(tmp_path / "log.parquet").num_rows == len(events)


def test_the_notebook_makes_its_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = json.loads((ROOT / "examples" / "figure.ipynb").read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        assert cell["cell_type"] == "markdown" or not cell["outputs"]
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "figure.ipynb", "exec"), names)
    assert (tmp_path / "build" / "figure.png").stat().st_size > 10_000


def test_the_fit_gives_the_costs_and_says_how_sure_they_are() -> None:
    costs, fitted = load_costs(), fit_one_core()
    for name, found in fitted.items():
        assert round(found.value) == costs[name]
    assert fitted["kernel.async_call"].error < 0.05 * fitted["kernel.async_call"].value
    page = (ROOT / "docs" / "time.md").read_text(encoding="utf-8")
    for name, found in fitted.items():
        assert f"| `{name}` | {found.value:.0f} | {found.error:.0f} |" in page
