"""Tables of the page on verification, from what its commands have stored in docs/data.

A run that has not been stored is said to be missing; it never stops the build.
"""

import json
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

from marked import table

__all__ = ["write_tables"]

_ROOT = Path(__file__).parents[1]
_DATA = Path(__file__).parent / "data"
_KINDS = ("line", "branch", "expr", "toggle")


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content


def _missing(command: str) -> str:
    return f"*Not stored yet: `{command}` makes it.*\n"


def _commits(records: list[dict[str, Any]]) -> str:
    names = sorted({record.get("commit", "unknown") for record in records})
    return f"At commit {', '.join(f'`{name}`' for name in names)}."


def plan(data: Path) -> str:
    """One row a feature.

    Raises
    ------
    ValueError : a test file of the plan is not there.
    """
    with (_DATA / "verification_plan.toml").open("rb") as stream:
        features = tomllib.load(stream)["feature"]
    proofs = _lines(data / "formal.jsonl")
    rows = []
    for feature in features:
        for test in feature["tests"]:
            if not (_ROOT / test).is_file():
                raise ValueError(f"a test of the plan must be a file, not {test!r}")
        tests = ", ".join(f"`{test}`" for test in feature["tests"])
        found = [p for p in proofs if _name(p).startswith(tuple(feature["proofs"]))]
        passed = sum(proof["result"] == "PASS" for proof in found)
        proven = f": {passed} of {len(found)} pass" if found else ""
        names = ", ".join(f"`{name}`" for name in feature["proofs"])
        where = f"[{feature['specified']}]({feature['specified']})"
        rows.append(f"{feature['name']} | {where} | {tests} | {names}{proven}")
    return table("feature | specified in | tests | proofs", rows)


def _name(proof: dict[str, Any]) -> str:
    name: str = proof.get("property") or proof.get("name", "")
    return name


def formal(data: Path) -> str:
    """Every property with its proofs, and every proof."""
    from uintr_formal.catalogue import PROPERTIES

    proofs = _lines(data / "formal.jsonl")
    if not proofs:
        return _missing("make formal")
    rows = [
        f"{_name(p)} | {p.get('words', '')} | {p.get('mode', '')} | {p.get('engine', '')} | "
        f"{p.get('depth', '')} | {p.get('seconds', 0):.0f} | {p['result']}"
        for p in proofs
    ]
    passed = {_name(proof) for proof in proofs if proof["result"] == "PASS"}
    properties = []
    for words, names in PROPERTIES:
        held = ", ".join(f"`{name}`" for name in names if name in passed)
        others = ", ".join(f"`{name}`" for name in names if name not in passed)
        properties.append(f"{words} | {held or '-'} | {others or '-'}")
    return (
        f"{_commits(proofs)}\n\n"
        + table("property | proven by | not shown by", properties)
        + "\n"
        + table("proof | in words | kind | engine | depth | seconds | result", rows)
    )


def random(data: Path) -> str:
    """Operations a shape, and functional coverage."""
    records = _lines(data / "random.jsonl")
    covered = _json(data / "coverage_functional.json")
    if not records or not covered:
        return _missing("make random")
    rows = []
    for shape in dict.fromkeys(record["shape"] for record in records):
        these = [record for record in records if record["shape"] == shape]
        sums = [sum(r[key] for r in these) for key in ("operations", "cycles", "icarus_cycles")]
        figures = " | ".join(f"{number:,}" for number in sums)
        rows.append(f"{shape} | {len(these)} | {figures}")
    total = sum(record["operations"] for record in records)
    groups = [
        f"{name} | {c['bins']} | {c['met']} | {c['waived']} | {c['bins'] - c['met'] - c['waived']}"
        for name, c in covered["groups"].items()
    ]
    return (
        f"{total:,} operations. {_commits(records)}\n\n"
        + table("shape | seeds | operations | cycles | of these on Icarus too", rows)
        + "\n"
        + table("bins | all | met | waived | holes", groups)
        + _waived(covered, "bins")
    )


def _waived(summary: dict[str, Any], unit: str) -> str:
    parts = []
    if summary["waivers"]:
        counts: Counter[str] = Counter()
        for waiver in summary["waivers"]:
            counts[waiver["reason"]] += waiver[unit]
        rows = [f"{count} | {reason}" for reason, count in counts.items()]
        parts.append("\n" + table(f"{unit} waived | because", rows))
    if summary["holes"]:
        shown = "\n".join(f"    {hole}" for hole in summary["holes"][:40])
        parts.append(f"\n{len(summary['holes'])} holes without a waiver, the first of them:\n\n")
        parts.append(f"{shown}\n")
    return "".join(parts)


def coverage(data: Path) -> str:
    """Structural coverage a source file."""
    summary = _json(data / "coverage.json")
    if not summary:
        return _missing("make coverage")
    return f"Shapes {', '.join(summary['shapes'])}. {_structural(summary)}"


def hart_coverage(data: Path) -> str:
    """The same of the hart."""
    summary = _json(data / "rv64_coverage.json")
    if not summary:
        return _missing("make coverage-hart")
    return (
        f"{summary['directed']} directed programs, {summary['random']} random ones, and the litmus "
        f"tests of two harts. {_structural(summary)}"
    )


def _structural(summary: dict[str, Any]) -> str:
    rows = []
    for file, kinds in summary["files"].items():
        cells = []
        for kind in _KINDS:
            counts = kinds.get(kind)
            if counts is None:
                cells.append("")
                continue
            wanted = counts["points"] - counts["waived"]
            percent = 100 * counts["met"] / wanted if wanted else 100.0
            # Never rounded up: 100 is said only of all.
            cells.append(f"{counts['met']}/{wanted} ({int(percent * 10) / 10:g} %)")
        rows.append(f"`{file}` | " + " | ".join(cells))
    head = "source | line | branch | expression | toggle"
    return f"{_commits([summary])}\n\n" + table(head, rows) + _waived(summary, "points")


def mutation(data: Path) -> str:
    """Mutants of controller and hart unit."""
    return _mutants(data / "mutation.jsonl", "make mutate")


def hart_mutation(data: Path) -> str:
    """Mutants of the hart."""
    return _mutants(data / "rv64_mutation.jsonl", "make mutate-hart")


def _mutants(path: Path, command: str) -> str:
    """The score, and every mutant that is neither killed nor equivalent."""
    records = _lines(path)
    if not records:
        return _missing(command)
    verdicts = sorted({record["verdict"] for record in records})
    rows = []
    for block in dict.fromkeys(record["block"] for record in records):
        counts = Counter(r["verdict"] for r in records if r["block"] == block)
        rows.append(f"{block} | {counts.total()} | " + " | ".join(str(counts[v]) for v in verdicts))
    counts = Counter(record["verdict"] for record in records)
    killed = sum(count for verdict, count in counts.items() if verdict.startswith("killed"))
    real = counts.total() - counts["equivalent"]
    text = (
        f"{counts.total():,} mutants; of the {real:,} that are not equivalent, {killed:,} are "
        f"killed: {int(1000 * killed / real) / 10:g} %. {_commits(records)}\n\n"
        + table("block | mutants | " + " | ".join(verdicts), rows)
    )
    reasons = Counter(r["by"] for r in records if r["verdict"] == "explained")
    if reasons:
        rows = [f"{count} | {reason}" for reason, count in reasons.items()]
        text += "\n" + table("mutants explained | because", rows)
    alive = [r for r in records if r["verdict"] == "alive"]
    if alive:
        rows = [f"`{r['source']}:{r['line']}` | {r['mode']} {r['port']}[{r['bit']}]" for r in alive]
        text += "\nAlive, without an explanation:\n\n" + table("source | mutation", rows)
    return text


def gates(data: Path) -> str:
    """What the netlist for iCE40 has run, each log equal to those of RTL and reference."""
    path = data / "gates.json"
    if not path.is_file():
        return _missing("make test-gates")
    results = json.loads(path.read_text(encoding="utf-8"))
    rows = [
        f"`{result['target']}` | {run['what']} | {run.get('events', '')} | {run['seconds']:g}"
        for result in results
        for run in result["runs"]
    ]
    return _commits(results) + "\n\n" + table("target | run | events | seconds", rows)


def hart(data: Path) -> str:
    """What ran in lock-step, and the proofs of the hart."""
    runs = _lines(data / "rv64_lockstep.jsonl")
    proofs = _lines(data / "rv64_formal.jsonl")
    text = _missing("make test-oracle")
    if runs:
        shapes: dict[str, list[dict[str, Any]]] = {}
        for run in runs:
            name = f"{run['cache_kib']} KiB | {run['latency']} | {run['jitter']}"
            shapes.setdefault(name, []).append(run)
        keys = ("instructions", "cycles", "interrupts", "user_interrupts")
        rows = []
        for name, these in shapes.items():
            programs = sum(run["seeds"][1] - run["seeds"][0] + 1 for run in these)
            sums = " | ".join(f"{sum(run[key] for run in these):,}" for key in keys)
            longest = max(run["longest"] for run in these)
            rows.append(f"{name} | {programs} | {sums} | {longest}")
        total = sum(run["instructions"] for run in runs)
        first, last = min(run["seeds"][0] for run in runs), max(run["seeds"][1] for run in runs)
        head = (
            "caches | latency | jitter | programs | instructions | cycles | interrupts | "
            "to user mode | an interrupt that was due waited for, instructions"
        )
        text = f"{total:,} instructions, seeds {first} to {last}. {_commits(runs)}\n\n"
        text += table(head, rows)
    command = "python -m rv64_formal --store docs/data/rv64_formal.jsonl"
    if not proofs:
        return f"{text}\n{_missing(command)}"
    names = {proof["name"] for proof in proofs} | {"reservation"}
    right = [proof for proof in proofs if proof["words"] not in names]
    broken = [proof for proof in proofs if proof["words"] in names]
    rows = [
        f"{p['name']} | {p['words']} | {p['mode']} | {p['depth']} | {p['seconds']:.0f} | "
        f"{p['result']}"
        for p in right
    ]
    text += f"\n{_commits(proofs)}\n\n"
    text += table("proof | in words | kind | depth | seconds | result", rows)
    rows = [
        f"{p['name']} | {p['words']} | {'yes' if p['result'] == 'FAIL' else p['result']}"
        for p in broken
    ]
    return text + "\n" + table("broken design | proof | noticed", rows)


def hart_litmus(data: Path) -> str:
    """Which outcomes each litmus test has shown."""
    records = _lines(data / "rv64_litmus.jsonl")
    if not records:
        return _missing("python -m rv64_verify litmus")
    rows = []
    for record in records:
        relaxed = sum(record["seen"].get(each, 0) for each in record["relaxed"])
        rows.append(
            f"{record['test']} | `{record['threads']}` | {record['skews']:,} | "
            f"{len(record['seen'])} of {record['allowed']} | {len(record['forbidden'])} | "
            + (f"{relaxed:,}" if record["relaxed"] else "none is allowed")
        )
    head = "test | threads | skews | allowed outcomes seen | forbidden ones seen | not sequential"
    total = sum(record["skews"] for record in records)
    return f"{total:,} skews. {_commits(records)}\n\n" + table(head, rows)


def stored(data: Path) -> str:
    """How each file of stored data stands against the checkout."""
    from uintr_verify.stored import STORED, status

    states = [status(each, _ROOT) for each in STORED]
    rows = [
        f"`{each.name}` | {each.what} | {each.commit} | {', '.join(each.changed)} | `{each.renew}`"
        for each in states
    ]
    return table("data | is | at commit | changed since | made by", rows)


def write_tables(folder: Path, data: Path = _DATA) -> None:
    """Write them into ``folder``; verification.md includes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for make in (
        plan,
        formal,
        random,
        coverage,
        mutation,
        gates,
        hart,
        hart_litmus,
        hart_mutation,
        hart_coverage,
        stored,
    ):
        (folder / f"verification_{make.__name__}.inc").write_text(make(data), encoding="utf-8")
