"""The explorer: it passes what is right, finds what is wrong, and its reductions change nothing."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from rel4.abi.coroutine import Task
from rel4.cli import main
from rel4.explore.coverage import missed
from rel4.explore.fingerprint import FingerprintError, fingerprint
from rel4.explore.memory import BARRIER, demand, drainable, orders
from rel4.explore.program import Program
from rel4.explore.protocols import PublishedFlag
from rel4.explore.search import Exploration, explore
from rel4.machine.ops import Load


def run(memory: str = "rvwmo", **program: Any) -> Exploration:
    return explore(Program(**program), memory=memory)


# --- what is right ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program",
    [
        {"items": 1},
        {"items": 2, "capacity": 1},
        {"items": 2, "capacity": 2},
        {"items": 3, "capacity": 2, "callers": 1},
        pytest.param({"items": 2, "capacity": 2, "looks": 2}, marks=pytest.mark.long),
        pytest.param({"items": 4, "capacity": 4, "harts": 1}, marks=pytest.mark.long),
        {"items": 3, "capacity": 1, "harts": 1, "looks": 1},
        {"items": 2, "capacity": 2, "deregister": True, "harts": 1},
        {"items": 1, "capacity": 1, "signal": True},
        pytest.param({"items": 3, "capacity": 2, "style": "direct"}, marks=pytest.mark.long),
        {"items": 2, "capacity": 1, "style": "uipi"},
        pytest.param(
            {"items": 2, "capacity": 2, "deregister": True, "style": "direct"},
            marks=pytest.mark.long,
        ),
    ],
    ids=lambda program: Program(**program).title(),
)
def test_our_protocol_loses_nothing(program: dict[str, Any]) -> None:
    found = run(**program)
    assert found.finished
    assert found.verdict is None
    assert found.ends
    assert found.states > 50


# `rel4 explore` has those between, and more callers.
@pytest.mark.parametrize("capacity", [1, pytest.param(4, marks=pytest.mark.long)])
def test_four_items_and_the_least_and_most_capacity_in_program_order(capacity: int) -> None:
    found = run("sc", items=4, capacity=capacity)
    assert found.finished
    assert found.verdict is None
    assert ("handler_online", 0, capacity) in found.pairs
    assert ("handler_online", 1, capacity) in found.pairs


def test_deregistration_answers_or_cancels_every_call() -> None:
    found = run("sc", items=2, capacity=2, deregister=True)
    assert found.finished
    assert found.verdict is None
    answers = {outcome[0] for outcome in found.outcomes}  # type: ignore[index]
    served, cancelled = "NO_ERROR", "CANCELLED"
    assert answers == {
        ((1, served), (2, served)),
        ((1, served), (2, cancelled)),
        ((1, cancelled), (2, cancelled)),
    }


def test_every_operation_of_the_runtime_is_performed_that_can_be() -> None:
    found = [
        run("sc", items=2, capacity=2, deregister=True),
        run("sc", items=1, signal=True),
        run("sc", items=2, style="uipi"),
        run("sc", items=3, capacity=2, style="direct"),
    ]
    total, left = missed(site for exploration in found for site in exploration.sites)
    assert total > 30
    # A flag is cleared without a look where a policy has a budget, as `inline`, whose handler runs
    # in a trap of its own user; only `adaptive` asks whether the kernel's hart is idle.
    assert [name.split(" ")[0] for name in left] == ["OnlineFlag.clear", "AsyncSyscalls._helped"]


# --- what is wrong --------------------------------------------------------------------------------


def test_the_published_protocol_loses_a_wake_up_on_two_harts() -> None:
    found = run("sc", items=2, flag=PublishedFlag)
    assert found.verdict is not None
    assert found.verdict.kind == "lost wake-up"
    assert "the handler sleeps with handler_online = 0" in found.verdict.reason
    assert "without another look at the ring" in found.verdict.reason
    noted = re.search(
        r"found the flag set in line (\d+).*cleared the flag in line (\d+)", found.verdict.reason
    )
    assert noted is not None
    looked, cleared = (found.lines[int(number) - 1] for number in noted.groups())
    assert (looked.who, looked.what) == ("caller 2", "load   handler_online -> 1")
    assert (cleared.who, cleared.what) == ("handler", "store  handler_online := 0")


def test_the_published_protocol_loses_a_reply_on_one_hart() -> None:
    found = run(items=2, capacity=2, harts=1, flag=PublishedFlag)
    assert found.verdict is not None
    assert found.verdict.kind == "lost wake-up"
    assert "the receiver sleeps with receiver_online = 0" in found.verdict.reason


@pytest.mark.long
def test_counts_do_not_depend_on_the_hash_seed() -> None:
    code = (
        "from rel4.explore.search import explore\n"
        "from rel4.explore.program import Program\n"
        "f = explore(Program(items=2, capacity=2, deregister=True, harts=1))\n"
        "g = explore(Program(items=2))\n"
        "print(f.states, f.transitions, f.operations, f.local_states, g.states, g.transitions)"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "4242")
    }
    assert len(seen) == 1
    assert seen.pop().split()[0] > "0"


# --- parts ----------------------------------------------------------------------------------------


def _stopped_at(make: Callable[[], Task], results: list[int]) -> Task:
    coroutine = make()
    coroutine.send(None)
    for result in results:
        coroutine.send(result)
    return coroutine


def test_a_fingerprint_sees_locals_the_stack_and_shared_objects() -> None:
    async def adds() -> int:
        return await Load(0) + await Load(8)

    async def forgets() -> None:
        await Load(0)
        await Load(8)

    async def loops() -> None:
        for _ in range(3):
            await Load(0)

    async def shares(pair: list[list[int]]) -> None:
        await Load(len(pair) * 0)

    def describe(make: Callable[[], Task], *results: int) -> tuple[Any, ...]:
        coroutine = _stopped_at(make, list(results))
        try:
            return fingerprint(coroutine)
        finally:
            coroutine.close()

    assert describe(adds, 1) != describe(adds, 2)  # the first summand is on the stack alone
    assert describe(adds, 1) == describe(adds, 1)
    assert describe(forgets, 1) == describe(forgets, 2)
    assert describe(loops, 0) != describe(loops, 0, 0)  # how far the iterator is
    one: list[int] = []
    assert describe(lambda: shares([one, one])) != describe(lambda: shares([[], []]))
    with pytest.raises(FingerprintError, match="which has no known parts"):
        fingerprint(re.compile("x"))


def test_fences_keep_stores_apart_and_a_word_keeps_its_order() -> None:
    buffer = ((1, 5), (2, 5), (1, 6), BARRIER, (3, 5), (3, 6))
    assert list(drainable(buffer)) == [0, 1]
    assert demand(buffer, 2, 1) == [1]
    assert demand(buffer, 1, 2) == [0, 2]
    assert demand(buffer, 3, 1) == [0, 1, 2, 4]
    assert orders("rw,w", "w", "w")
    assert not orders("rw,w", "w", "r")
    assert not orders("r,rw", "w", "w")


# --- the command ----------------------------------------------------------------------------------


def test_the_command_says_what_is_wrong_and_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--protocol", "published", "--harts", "2", "--items", "2"]) == 1
    out = capsys.readouterr().out
    assert "lost wake-up: The request ring holds 1 item" in out
    assert "handler_online := 0" in out
    assert re.search(r"^ ?1  hart 0  executor ", out, re.MULTILINE)


def test_the_command_counts_states(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--items", "1", "--memory", "sc"]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("rel4: programs to explore: 1; ")
    counted = re.search(r": (\d+) states, ", out)
    assert counted is not None
    assert int(counted[1]) > 100
    assert f"no deadlock, no lost wake-up, no lost or duplicated item in {counted[1]} states" in out


def test_the_command_says_that_it_is_not_finished(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--items", "2", "--max-states", "100"]) == 3
    assert "not finished: there are more than 100 states" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--protocol", "hope"], "protocol must be one of ours, published, not 'hope'"),
        (["--harts", "3"], "harts must be 1 to 2, not 3"),
        (["--items", "0"], "items must be 1 to 8, not 0"),
        (["--items", "2", "--callers", "3"], "callers must be 1 to 2, not 3"),
        (["--capacity", "3"], "capacity must be 1, 2, 4 or 8, not 3"),
        (["--polls", "9"], "polls must be 0 to 8, not 9"),
        (["--style", "lazy"], "style must be one of published, direct, uipi, not 'lazy'"),
        (["--memory", "tso"], "memory must be one of sc, rvwmo, not 'tso'"),
        (["--max-states", "0"], "max-states must be at least 1, not 0"),
        (["--jobs", "0"], "jobs must be 1 to 256, not 0"),
    ],
)
def test_bad_requests_are_one_sentence(
    capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    assert main(["explore", *options]) == 2
    assert capsys.readouterr().err == f"rel4: {sentence}\n"
