"""``rel4 study``: run the trials of a study here or on a Dask cluster, and write one table."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import rel4
from rel4.machine.costs import Costs
from uintr.files import claimed, write_atomically

from .campaign import Batch, Conduct, Store, keeping, run_campaign
from .results import source_commit
from .study import Study, Trial, columns, read_study, run_trial

__all__ = ["run_study", "write_table"]

Row = dict[str, Any]
TRIALS = "trials.jsonl"
"""Finished trials, kept."""


def run_study(
    path: Path,
    *,
    out: Path,
    conduct: Conduct,
    scheduler: str | None = None,
    costs: Costs | None = None,
    show: Callable[[str], None] = print,
) -> list[Row]:
    """Run what is not finished yet of the study in ``path``, and write ``results.csv`` and, where
    pyarrow is installed, ``results.parquet`` into ``out``, and a figure if a number varies.

    Every trial is kept as soon as it is finished; started again, a study goes on where it was,
    unless the source has changed. Rows stand in the order of the design and hold no times of this
    computer, so the tables are the same whoever ran the trials.

    Parameters
    ----------
    scheduler : address of a Dask scheduler; its workers then run the trials
    costs : of software work that is no parameter, instead of those of costs.toml

    Raises
    ------
    ValueError : the study is not right, or Dask is wanted and not installed.
    Whatever `run_campaign` does.
    """
    study = read_study(path)
    with _cluster(scheduler) as client, claimed(out):
        commit = source_commit()  # once: somebody may commit while the study runs
        store = Store(out / TRIALS)
        others = costs.differences if costs is not None else ()
        trials = [replace(trial, costs=others) for trial in study.trials]
        tasks = {trial.key: trial for trial in trials}
        finished = len(store.read().keys() & tasks.keys())
        if finished:
            show(f"{finished} of {len(tasks)} trials were finished before")
        with keeping(store, dict.fromkeys(tasks, 1), "trial"):
            if client is not None:
                _run_on_dask(client, tasks, store)
            found = run_campaign(
                tasks, _batches(store), store=store, conduct=conduct, name=path.stem, unit="trial"
            )
            ordered = [found[key] for key in tasks]
            for written in write_table(study, ordered, out, commit):
                show(f"{written}: {len(ordered)} rows")
            from .study_plot import plot_study  # not before something is drawn

            for written in plot_study(study, ordered, out):
                show(f"{written}: the figure")
    failed = sum(bool(row["error"]) for row in ordered)
    if failed:
        show(f"{failed} of {len(ordered)} trials could not be run; column error says why")
    return ordered


@dataclass(frozen=True)
class _Trial:
    """A batch: one trial."""

    key: str
    trial: Trial
    store: Store

    def __call__(self) -> None:
        self.store.add(self.key, run_trial(self.trial))


def _batches(store: Store) -> Callable[[Mapping[str, Trial]], list[Batch]]:
    return lambda todo: [_Trial(key, trial, store) for key, trial in todo.items()]


def write_table(study: Study, rows: Iterable[Row], out: Path, commit: str | None) -> list[Path]:
    """Write the rows as CSV and, where pyarrow is installed, as Parquet; returns the paths."""
    names = columns(study)
    about = {"device": study.device, "version": rel4.__version__, "commit": commit}
    whole = [row | about for row in rows]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(whole)
    paths = [out / "results.csv"]
    write_atomically(paths[0], text.getvalue().encode())
    try:
        from pyarrow import BufferOutputStream, Table, parquet
    except ModuleNotFoundError:
        return paths
    stream = BufferOutputStream()
    table = Table.from_pydict({name: [row.get(name) for row in whole] for name in names})
    parquet.write_table(table, stream)
    paths.append(out / "results.parquet")
    write_atomically(paths[1], stream.getvalue().to_pybytes())
    return paths


@contextmanager
def _cluster(address: str | None) -> Iterator[Any]:
    """A client of the Dask scheduler at ``address``; None if there is to be none."""
    if address is None:
        yield None
        return
    try:
        distributed = import_module("distributed")  # its own types are incomplete
    except ModuleNotFoundError:
        raise ValueError(
            "scheduler needs Dask, which is not installed: pip install 'distributed>=2024.5'"
        ) from None
    try:
        client = distributed.Client(address, timeout="20s")
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"scheduler must be reachable at {address}: {error}") from error
    with client:
        yield client


def _run_on_dask(client: Any, tasks: Mapping[str, Trial], store: Store) -> None:
    """Run what ``store`` does not hold on a cluster, and keep every row as it comes."""
    from tqdm import tqdm

    completed = import_module("distributed").as_completed
    known = store.read()
    todo: Sequence[str] = [key for key in tasks if key not in known]
    with tqdm(total=len(todo), unit="trial", desc="cluster") as bar:
        # Pure: the same trial is the same key, so no worker runs it twice.
        futures = client.map(run_trial, [tasks[key] for key in todo], pure=True)
        of = {future.key: key for future, key in zip(futures, todo, strict=True)}
        for future, row in completed(futures, with_results=True):
            store.add(of[future.key], row)
            bar.update()
