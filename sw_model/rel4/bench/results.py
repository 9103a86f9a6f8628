"""What one point of the experiment measured, and how points are kept in files."""

import csv
import io
import json
import math
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path

import rel4
from uintr.files import write_atomically
from uintr.registers import Flavour

from .published import (
    ROUNDS,
    TIMER_PERIOD,
    published_harts,
    published_point,
    published_policies,
)

__all__ = [
    "PointRecord",
    "make_record",
    "read_results",
    "sort_records",
    "source_commit",
    "write_results",
]


@dataclass(frozen=True, kw_only=True)
class PointRecord:
    """One point: what was run, what it took, and what was published for the same. Build it with
    `make_record`, which derives the second half from the first.

    Parameters
    ----------
    run : name of the run, which its event log has too; empty in results older than names
    device : name of the device, as in the entry-point group ``rel4.devices``
    flavour : family of user interrupts, ``riscv`` or ``intel``
    policy : where and when the kernel's handler runs
    harts : number of harts
    concurrency : number of coroutines, N
    rounds : rounds of two system calls in each coroutine
    timer_period : cycles between two timer interrupts of a hart
    seed : seed of every random generator of the run
    cycles : cycles from the first submission to the last reply
    syscalls : system calls served
    traps : traps made for them: system calls, or wake-ups of the handler. Neither timer interrupts
        nor user interrupts count, as in the published figures
    timer_traps : timer interrupts taken meanwhile, on all harts
    user_interrupts : user interrupts delivered
    wall_s : seconds that the run took on the computer that simulated it
    cycles_per_round : cycles / concurrency / rounds
    traps_per_syscall : traps / syscalls
    published_cycles_per_round, published_traps_per_syscall : the published FPGA figures, or None
        where nothing was published for this policy, concurrency, harts, rounds and timer period
    error_pct, traps_error_pct : our deviation from them in percent of them, or None
    version, commit : of the software that ran; commit is None outside a Git checkout
    software : ``model`` or ``compiled``; the fields behind it are those of compiled runs
    compiler, flags : first line of its version, and what it was told
    cache_kib, memory_latency : size of each cache, cycles from a read of main memory to its word
    costs : NAME=VALUE of each cost of the model that is not as in costs.toml, with blanks between
    """

    run: str
    device: str
    flavour: str
    policy: str
    harts: int
    concurrency: int
    rounds: int
    timer_period: int
    seed: int
    cycles: int
    cycles_per_round: float
    syscalls: int
    traps: int
    traps_per_syscall: float
    timer_traps: int
    user_interrupts: int
    wall_s: float
    published_cycles_per_round: float | None
    error_pct: float | None
    published_traps_per_syscall: float | None
    traps_error_pct: float | None
    version: str
    commit: str | None
    software: str = "model"
    compiler: str | None = None
    flags: str | None = None
    cache_kib: int | None = None
    memory_latency: int | None = None
    costs: str | None = None


def make_record(
    *,
    run: str = "",
    device: str,
    flavour: str = Flavour.RISCV.value,
    policy: str,
    harts: int,
    concurrency: int,
    rounds: int,
    timer_period: int,
    seed: int,
    cycles: int,
    syscalls: int,
    traps: int,
    timer_traps: int,
    user_interrupts: int,
    wall_s: float,
    software: str = "model",
    compiler: str | None = None,
    flags: str | None = None,
    cache_kib: int | None = None,
    memory_latency: int | None = None,
    costs: str | None = None,
) -> PointRecord:
    """The record of a run, with the derived and the published figures filled in.

    A published point is set beside ours only if it was measured the same way: same number of harts
    and rounds, same timer period, and RISC-V's user interrupts.

    Raises
    ------
    ValueError : a number that is divided by is not positive.
    """
    for name, value in (("concurrency", concurrency), ("rounds", rounds), ("syscalls", syscalls)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value!r}")
    cycles_per_round = cycles / concurrency / rounds
    traps_per_syscall = traps / syscalls
    comparable = (flavour, harts, rounds, timer_period) == (
        Flavour.RISCV,
        published_harts(policy),
        ROUNDS,
        TIMER_PERIOD,
    )
    published = published_point(policy, concurrency) if comparable else None
    published_cycles = float(published.cycles_per_round) if published else None
    published_traps = published.traps_per_syscall if published else None
    return PointRecord(
        run=run,
        device=device,
        flavour=flavour,
        policy=policy,
        harts=harts,
        concurrency=concurrency,
        rounds=rounds,
        timer_period=timer_period,
        seed=seed,
        cycles=cycles,
        cycles_per_round=round(cycles_per_round, 3),
        syscalls=syscalls,
        traps=traps,
        traps_per_syscall=round(traps_per_syscall, 6),
        timer_traps=timer_traps,
        user_interrupts=user_interrupts,
        wall_s=round(wall_s, 3),
        published_cycles_per_round=published_cycles,
        error_pct=_error_pct(cycles_per_round, published_cycles),
        published_traps_per_syscall=None if published_traps is None else round(published_traps, 6),
        traps_error_pct=_error_pct(traps_per_syscall, published_traps),
        version=rel4.__version__,
        commit=source_commit(),
        software=software,
        compiler=compiler,
        flags=flags,
        cache_kib=cache_kib,
        memory_latency=memory_latency,
        costs=costs,
    )


def _error_pct(ours: float, published: float | None) -> float | None:
    return None if published is None else round(100 * (ours - published) / published, 3)


def sort_records(records: Iterable[PointRecord]) -> list[PointRecord]:
    """By device, flavour, policy (the published ones first and in their order), shape, N, seed; so
    the order does not depend on which point was finished first."""
    known = published_policies()

    def key(record: PointRecord) -> tuple[object, ...]:
        rank = known.index(record.policy) if record.policy in known else len(known)
        return (
            record.device,
            record.flavour != Flavour.RISCV,
            record.flavour,
            rank,
            record.policy,
            record.harts,
            record.rounds,
            record.timer_period,
            record.concurrency,
            record.seed,
            record.software,
            *(record.compiler or "", record.flags or ""),
            *(record.cache_kib or 0, record.memory_latency or 0, record.costs or ""),
        )

    return sorted(records, key=key)


def write_results(records: Iterable[PointRecord], out_dir: str | Path) -> list[Path]:
    """Write ``results.jsonl`` and ``results.csv`` into ``out_dir`` (made if missing), sorted.

    Each file appears whole or not at all. Returns the paths.
    """
    out = Path(out_dir)
    rows = [asdict(record) for record in sort_records(records)]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    table = io.StringIO(newline="")
    writer = csv.DictWriter(
        table, [field.name for field in fields(PointRecord)], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    paths = [out / "results.jsonl", out / "results.csv"]
    write_atomically(paths[0], lines.encode())
    write_atomically(paths[1], table.getvalue().encode())
    return paths


def read_results(path: str | Path) -> list[PointRecord]:
    """Read a ``results.jsonl`` back.

    Raises
    ------
    ValueError : a line is not the JSON object of a point; the sentence names file and line.
    """
    records: list[PointRecord] = []
    seen: dict[tuple[object, ...], int] = {}
    for number, line in enumerate(_text(Path(path)).splitlines(), 1):
        where = f"{path} line {number}"
        record = _record(line, where)
        same = tuple(getattr(record, name) for name in _WHAT)
        if same in seen:
            raise ValueError(f"{where} must be another point than line {seen[same]}, not the same")
        seen[same] = number
        records.append(record)
    return records


_WHAT = (
    *("device", "flavour", "policy", "harts", "concurrency", "rounds", "timer_period", "seed"),
    *("software", "compiler", "flags", "cache_kib", "memory_latency", "costs"),
)
_LEAST = {"harts": 1, "concurrency": 1, "rounds": 1, "timer_period": 1, "syscalls": 1, "cycles": 1}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path} must be text with a JSON object a line, and is binary") from None


def _record(line: str, where: str) -> PointRecord:
    """A line of results.

    Raises
    ------
    ValueError : it is none; the sentence begins with ``where`` and names the field.
    """
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise ValueError(f"{where} must be a JSON object, not {line[:40]!r}")
    # Older files have one flavour and one software only, and no names of runs.
    for name, older in (("flavour", Flavour.RISCV.value), ("software", "model"), ("run", "")):
        row.setdefault(name, older)
    for name in ("compiler", "flags", "cache_kib", "memory_latency", "costs"):
        row.setdefault(name, None)
    wanted = {field.name: field.type for field in fields(PointRecord)}
    if row.keys() != wanted.keys():
        wrong = ", ".join(sorted(row.keys() ^ wanted.keys()))
        raise ValueError(
            f"{where} must have exactly the fields of a point, not {wrong!r} missing or unknown"
        )
    for name, kind in wanted.items():
        value = row[name]
        if not _fits(value, _kind(kind)):
            word = {"i": "a whole number", "f": "a finite number"}.get(_kind(kind)[0], "text")
            raise ValueError(f"{where}: {name} must be {word}, not {value!r}")
        least = _LEAST.get(name, 0)
        if isinstance(value, int | float) and "error" not in name and value < least:
            raise ValueError(f"{where}: {name} must be at least {least}, not {value!r}")
    return PointRecord(**row)


def _fits(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return False
    if kind.startswith("float"):
        number = isinstance(value, int | float) and math.isfinite(value)
        return number or (value is None and "None" in kind)
    if kind.startswith("int"):
        return isinstance(value, int) or (value is None and "None" in kind)
    return isinstance(value, str) or (value is None and "None" in kind)


def _kind(annotation: object) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


@cache
def source_commit() -> str | None:
    """Commit of the checkout that this package runs from; None when it runs from no checkout.

    It ends in ``-dirty`` when tracked files outside docs differ from it. Nothing that is measured
    is in docs, and results are stored there.
    """
    here = Path(__file__).resolve()

    def git(*arguments: str) -> str | None:
        command: Sequence[str] = ("git", "--no-optional-locks", "-C", str(here.parent), *arguments)
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    # Installed below somebody else's checkout, this file is not one of theirs.
    if git("ls-files", "--error-unmatch", here.name) is None:
        return None
    commit = git("rev-parse", "--short=12", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)docs")
    return f"{commit}-dirty" if changed else commit
