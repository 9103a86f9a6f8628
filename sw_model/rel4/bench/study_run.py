"""``rel4 study``: run the trials of a study here or on a Dask cluster, and write one table."""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

import rel4

from .results import source_commit, write_atomically
from .study import METRICS, Study, Trial, read_study, run_trial

__all__ = ["run_study", "write_table"]

Row = dict[str, Any]
Runner = Callable[[Sequence[Trial]], Iterator[tuple[Trial, Row]]]


def run_study(
    path: Path,
    *,
    out: Path,
    jobs: int,
    scheduler: str | None = None,
    show: Callable[[str], None] = print,
) -> list[Row]:
    """Run what is not finished yet of the study in ``path``, and write ``results.csv`` and, where
    pyarrow is installed, ``results.parquet`` into ``out``.

    Every trial is kept as soon as it is finished; started again, a study goes on where it was,
    unless the source has changed. Rows stand in the order of the design and hold no times of this
    computer, so the tables are the same whoever ran the trials.

    Parameters
    ----------
    jobs : processes on this computer
    scheduler : address of a Dask scheduler; its workers then run the trials

    Raises
    ------
    ValueError : the study is not right, or Dask is wanted and not installed.
    """
    study = read_study(path)
    kept = out / "trials"
    kept.mkdir(parents=True, exist_ok=True)
    commit = source_commit()  # once: somebody may commit while the study runs
    rows = {trial: row for trial in study.trials if (row := _read(kept, trial, commit)) is not None}
    todo = [trial for trial in study.trials if trial not in rows]
    if rows:
        show(f"{len(rows)} of {len(study.trials)} trials were finished before")
    with (
        _runner(jobs, scheduler) as run,
        tqdm(
            total=len(study.trials),
            initial=len(rows),
            unit="trial",
            desc=path.stem,
            mininterval=0.3 if sys.stderr.isatty() else 10,
        ) as bar,
    ):
        for trial, row in run(todo):
            rows[trial] = row
            content = {"commit": commit, "row": row}
            write_atomically(kept / f"{trial.key}.json", json.dumps(content).encode())
            bar.update()
    ordered = [rows[trial] for trial in study.trials]
    for written in write_table(study, ordered, out, commit):
        show(f"{written}: {len(ordered)} rows")
    failed = sum(bool(row["error"]) for row in ordered)
    if failed:
        show(f"{failed} trials could not be run; column error says why")
    return ordered


def _read(kept: Path, trial: Trial, commit: str | None) -> Row | None:
    path = kept / f"{trial.key}.json"
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    row: Row = content["row"]
    return row if content["commit"] == commit else None


def write_table(study: Study, rows: Iterable[Row], out: Path, commit: str | None) -> list[Path]:
    """Write the rows as CSV and, where pyarrow is installed, as Parquet; answers the paths."""
    columns = [*study.names, *METRICS, "error", "device", "version", "commit"]
    about = {"device": study.device, "version": rel4.__version__, "commit": commit}
    whole = [row | about for row in rows]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(whole)
    paths = [out / "results.csv"]
    write_atomically(paths[0], text.getvalue().encode())
    try:
        from pyarrow import BufferOutputStream, Table, parquet
    except ModuleNotFoundError:
        return paths
    stream = BufferOutputStream()
    table = Table.from_pydict({name: [row.get(name) for row in whole] for name in columns})
    parquet.write_table(table, stream)
    paths.append(out / "results.parquet")
    write_atomically(paths[1], stream.getvalue().to_pybytes())
    return paths


@contextmanager
def _runner(jobs: int, scheduler: str | None) -> Iterator[Runner]:
    if scheduler is not None:
        with _dask(scheduler) as run:
            yield run
        return
    with ProcessPoolExecutor(max_workers=jobs, mp_context=get_context("spawn")) as pool:

        def local(trials: Sequence[Trial]) -> Iterator[tuple[Trial, Row]]:
            running = {pool.submit(run_trial, trial): trial for trial in trials}
            try:
                for future in as_completed(running):
                    yield running[future], future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

        yield local


@contextmanager
def _dask(address: str) -> Iterator[Runner]:
    try:
        distributed = import_module("distributed")  # its own types are incomplete
    except ModuleNotFoundError:
        raise ValueError(
            "scheduler needs Dask, which is not installed: pip install 'rel4-uintr[study]'"
        ) from None
    try:
        client = distributed.Client(address, timeout="20s")
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"scheduler must be reachable at {address}: {error}") from error
    with client:

        def remote(trials: Sequence[Trial]) -> Iterator[tuple[Trial, Row]]:
            # Pure: the same trial is the same key, so no worker runs it twice.
            futures = client.map(run_trial, trials, pure=True)
            of = {future.key: trial for future, trial in zip(futures, trials, strict=True)}
            for future, row in distributed.as_completed(futures, with_results=True):
                yield of[future.key], row

        yield remote
