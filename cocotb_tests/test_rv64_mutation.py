"""Mutants of the hart: what is made of an outcome, and that a process apart may hang or die."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rel4.bench.campaign import Store
from rv64_verify import mutation
from rv64_verify.directed import PROGRAMS
from rv64_verify.equivalent import proven
from rv64_verify.long_run import SHAPES
from rv64_verify.mutation import Mutation, _Batch, judged, names_of_tests, run_apart
from uintr_verify.mutation import Mutant


def outcome(killed: str = "", by: str = "", cycles: dict[str, int] | None = None) -> dict[str, Any]:
    return {"killed": killed, "by": by, "cycles": cycles or {}}


def all_of(*modes: str) -> Any:
    return SimpleNamespace(
        mutants=[
            Mutant(number, "hart", "", mode, "cell", "A", number, None, "rv64/alu.py", 40)
            for number, mode in enumerate(modes, 1)
        ]
    )


def test_names_are_of_tests_and_none_is_there_twice() -> None:
    names = [name.partition("#")[0] for name in names_of_tests()]
    assert len(set(names)) == len(names)
    assert all(name in PROGRAMS or name.startswith("random ") for name in names)


def test_a_program_that_changes_is_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """And so is one that runs on another memory."""
    before = names_of_tests()
    for change in ({"body": PROGRAMS["memory"].body}, {"shape": SHAPES[2]}):
        names_of_tests.cache_clear()
        monkeypatch.setitem(PROGRAMS, "atomics", replace(PROGRAMS["atomics"], **change))
        others = set(names_of_tests()) - set(before)
        assert [other.partition("#")[0] for other in others] == ["atomics"]
    names_of_tests.cache_clear()


def test_verdicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waivers = tmp_path / "waivers.toml"
    waivers.write_text(
        "[[mutation]]\npattern = 'hart rv64/alu\\.py:40 inv A\\[3\\]'\nreason = \"so\"\n"
        "[[mutation]]\npattern = 'hart rv64/none.*'\nreason = \"stale\"\n"
    )
    monkeypatch.setattr(mutation, "_WAIVERS", waivers)
    records, stale = judged(
        all_of("inv", "const0", "inv", "const1", "inv", "inv"),
        [
            *(outcome("pc", "random 1#0a"), outcome(cycles={"random 1#0a": 7}), outcome()),
            outcome(),
            *(None, outcome()),
        ],
        {6},
    )
    assert [(record["verdict"], record["by"]) for record in records] == [
        ("killed by tests", "random 1"),
        ("changes time alone", ""),
        ("explained", "so"),
        ("alive", ""),
        ("not run", ""),
        ("equivalent", ""),
    ]
    assert records[3]["name"] == "hart rv64/alu.py:40 const1 A[4]"
    assert len(stale) == 1


def bench(run: Callable[[Callable[[dict[str, Any]], None]], None]) -> Any:
    return SimpleNamespace(
        run=lambda number, say: run(say), names=["a", "b"], cycles={"a": 5}, programs={"a": b""}
    )


def test_a_survivor_is_run_with_what_it_has_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def apart(one: Any, number: int) -> dict[str, Any]:
        seen.append((number, one.names))
        return outcome(cycles={"b": 6})

    monkeypatch.setattr(mutation, "run_apart", apart)
    store = Store(tmp_path / "results.jsonl")
    known = {**outcome(cycles={"a": 4}), "names": ["a"]}
    _Batch(bench(lambda say: None), [(1, "k 1 t", None), (2, "k 2 t", known)], store)()
    assert seen == [(1, ["a", "b"]), (2, ["b"])]
    assert store.read()["k 2 t"] == outcome(cycles={"a": 4, "b": 6})


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([("a", "", 5), ("b", "", 6)], outcome(cycles={"b": 6})),
        ([("a", "pc", 3)], outcome("pc", "a")),
        ([("a", "", 4), ("b", "rd", 3)], outcome("rd", "b", {"a": 4})),
        ([("a", "", 5)], outcome("logic does not settle", "b")),
    ],
)
def test_a_process_tells_of_each_test(
    lines: list[tuple[str, str, int]], expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutation, "checker", lambda: None)

    def run(say: Callable[[dict[str, Any]], None]) -> None:
        for test, killed, cycles in lines:
            say({"test": test, "killed": killed, "cycles": cycles})

    assert run_apart(bench(run), 1) == expected


def test_one_that_aborts_and_one_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutation, "checker", lambda: None)
    monkeypatch.setattr(mutation, "_SECONDS", 1)
    aborted = run_apart(bench(lambda say: os.kill(os.getpid(), signal.SIGTERM)), 1)
    assert aborted == outcome("logic does not settle", "a")

    def hangs(say: Any) -> None:
        while True:
            pass

    assert run_apart(bench(hangs), 1) == outcome("does not end", "a")


def test_who_is_dead_stays_dead_and_who_survived_other_tests_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = object.__new__(Mutation)
    some._netlist, some._commands = "netlist", "commands"
    some.mutants = all_of("inv", "inv", "inv").mutants
    results = tmp_path / "results.jsonl"
    store = Store(results)
    monkeypatch.setattr(mutation, "names_of_tests", lambda: ["a", "b"])
    for number, result in ((1, outcome("pc", "a")), (2, outcome("pc", "b")), (3, outcome())):
        store.add(some._name(number), result)
    assert some.known(results) == [outcome("pc", "a"), outcome("pc", "b"), outcome()]
    monkeypatch.setattr(mutation, "names_of_tests", lambda: ["a", "c"])
    assert some.known(results) == [outcome("pc", "a"), None, None]
    # The third mutant has survived the first test already.
    store.add(f"{some.key} 0 {some._name(3).split()[2]}", outcome(cycles={"a": 7, "c": 8}))
    assert some._survived(store.read(), 3) is None, "it is not known which tests it survived"
    monkeypatch.setattr(mutation, "names_of_tests", lambda: ["a", "b"])
    store.add(some._name(0), outcome(cycles={"a": 7, "b": 8}))
    assert some._survived(store.read(), 3) == {**outcome(), "names": ["a", "b"]}
    assert some._survived(store.read(), 2) is None, "it is dead"
    monkeypatch.setattr(mutation, "names_of_tests", lambda: ["a", "c"])
    store.add(some._name(3), outcome("rd", "c"))
    assert some.known(results) == [outcome("pc", "a"), None, outcome("rd", "c")]


@pytest.mark.sim
@pytest.mark.oracle
def test_a_few_mutants_of_the_netlist() -> None:
    """They are of the hart's own source, and one that stands still is noticed."""
    found = Mutation(count=6, folder=Path("build/rv64_mutation-test"))
    assert found.mutants
    assert all(each.source.startswith("rv64/") for each in found.mutants if each.source)
    assert all("trace" not in each.source for each in found.mutants)
    apart = found.bench()
    apart.names = ["immediates"]  # with its digest or without
    first = run_apart(apart, 0)
    assert first["killed"] == ""
    apart.cycles = first["cycles"]
    assert run_apart(apart, 0) == outcome()


def test_what_is_proven_to_be_the_hart(tmp_path: Path) -> None:
    """In a small netlist: another bit of an OR, if that bit is there anyway; and a bit of a sum."""
    (tmp_path / "prepared.il").write_text(
        "module \\soc.hart_0\n"
        "  wire width 4 input 1 \\a\n  wire output 2 \\y\n  wire width 4 output 3 \\z\n"
        "  cell $reduce_or $any\n    parameter \\A_SIGNED 0\n    parameter \\A_WIDTH 4\n"
        "    parameter \\Y_WIDTH 1\n    connect \\A \\a\n    connect \\Y \\y\n  end\n"
        "  cell $not $each\n    parameter \\A_SIGNED 0\n    parameter \\A_WIDTH 4\n"
        "    parameter \\Y_WIDTH 4\n    connect \\A \\a\n    connect \\Y \\z\n  end\nend\n"
    )
    command = "mutate -mode cnot1 -module soc.hart_0 -cell {} -port A -portbit 1 -ctrlbit 2"
    mutants = [SimpleNamespace(command=command.format(cell)) for cell in ("$any", "$each")]
    of: Any = SimpleNamespace(folder=tmp_path, key="key", mutants=mutants)
    results = tmp_path / "equivalent.jsonl"
    assert proven(of, [1, 2], results=results) == {1}
    of.mutants = []  # nothing is proven twice
    assert proven(of, [1, 2], results=results) == {1}
