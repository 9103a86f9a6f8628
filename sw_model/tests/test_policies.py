"""Where handlers run, and how the user's side chooses."""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from claims_page import table

from rel4.bench.campaign import Conduct, Store
from rel4.bench.claims import CLAIMS, Claim, Finding, Summary, flips, over_seeds
from rel4.bench.claims_run import Variant, controls, key_of, plan, run_claims
from rel4.bench.compare import event_lines
from rel4.bench.point import Point, simulate
from rel4.bench.policies import POLICIES
from rel4.cli import main
from rel4.machine.clock import Clock
from rel4.machine.costs import load_costs
from rel4.machine.device import run_sync
from rel4.machine.events import AsyncHandled, EventLog, LockWait, Mark, Syscall, Trap, UserTrap
from rel4.reference.device import reference_device
from rel4.user.adaptive import Chooser, Way
from rel4.user.async_syscalls import Style
from uintr.program import UnfinishedError
from uintr.registers import Flavour


def run(**parameters: Any) -> EventLog:
    point = Point(**parameters)
    return run_sync(simulate(point, reference_device(point.config)))


def measured(log: EventLog, kind: type) -> list[Any]:
    begin = min(event.cycle for event in log if isinstance(event, Mark))
    return [event for event in log if isinstance(event, kind) and event.cycle > begin]


@pytest.mark.parametrize("policy", [name for name, info in POLICIES.items() if info.asynchronous])
@pytest.mark.parametrize(("harts", "clients"), [(1, 1), (2, 1), (3, 3)])
@pytest.mark.parametrize("flavour", Flavour)
def test_every_policy_serves_every_call_on_any_number_of_harts(
    policy: str, harts: int, clients: int, flavour: Flavour
) -> None:
    """Conservation is checked by the run itself."""
    log = run(policy=policy, harts=harts, clients=clients, concurrency=3, rounds=2, flavour=flavour)
    calls = measured(log, AsyncHandled)
    assert calls
    # On one hart `adaptive` tries the synchronous way too.
    calls += [event for event in measured(log, Syscall) if event.label.startswith("RISCV_PAGE_")]
    assert len(calls) == 12 * clients
    assert {event.error for event in calls} == {"NO_ERROR"}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "flavour", [Flavour.RISCV, pytest.param(Flavour.INTEL, marks=pytest.mark.long)]
)
def test_operations_at_once_leave_the_same_log(
    policy: str, flavour: Flavour, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = {"policy": policy, "harts": 4, "clients": 2, "concurrency": 5, "flavour": flavour}
    quick = run(**shape, workload="mixed", timer_period=2_000)
    skipped = []

    def refuse(self: Clock, cycles: int) -> bool:
        skipped.append(cycles)
        return False

    monkeypatch.setattr(Clock, "skip", refuse)
    slow = run(**shape, workload="mixed", timer_period=2_000)
    assert len(skipped) > 1_000
    assert list(quick.lines()) == list(slow.lines())


@pytest.mark.parametrize("policy", ["uipi", "poll", "adaptive"])
@pytest.mark.parametrize("concurrency", [1, 7])
@pytest.mark.parametrize("flavour", Flavour)
def test_a_second_hart_takes_every_trap_away(
    policy: str, concurrency: int, flavour: Flavour
) -> None:
    log = run(policy=policy, harts=2, concurrency=concurrency, flavour=flavour)
    causes = [event.cause for event in measured(log, Trap) if event.hart == 0]
    assert "ecall" not in causes
    assert {event.hart for event in measured(log, AsyncHandled)} == {1}


@pytest.mark.parametrize("policy", ["uipi", "poll", "adaptive"])
@pytest.mark.parametrize(("concurrency", "most"), [(1, 1.0), (4, 0.35), (16, 0.15)])
def test_the_more_calls_the_fewer_interrupts_of_the_kernels_hart(
    policy: str, concurrency: int, most: float
) -> None:
    """The kernel is told once half of what is outstanding is new to it."""
    log = run(policy=policy, harts=2, concurrency=concurrency, rounds=10)
    told = sum(event.cause == "uipi" for event in measured(log, Trap))
    assert 0 < told / (20 * concurrency) <= most


def test_inline_serves_a_batch_in_one_trap_and_needs_no_user_interrupt() -> None:
    log = run(policy="inline", harts=1, concurrency=8, rounds=1)
    causes = [event.cause for event in measured(log, Trap)]
    assert causes.count("ecall") == 2  # map of all eight, unmap of all eight
    assert not measured(log, UserTrap)


def test_an_inline_batch_leaves_the_kernel_before_the_next_tick() -> None:
    log = run(policy="inline", harts=1, concurrency=64, rounds=1)
    entered = {}
    for event in measured(log, Trap):
        entered[event.cycle] = 0
    starts = sorted(entered)
    for event in measured(log, AsyncHandled):
        entered[max(cycle for cycle in starts if cycle <= event.cycle)] += 1
    assert max(entered.values()) <= 16


def test_what_an_inline_budget_leaves_over_waits_for_the_next_trap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A user who announces 64 requests at once gets 16 served in a trap, and all in the end."""
    greedy = replace(POLICIES["inline"], style=Style(direct=True, batch=64))
    monkeypatch.setitem(POLICIES, "inline", greedy)
    log = run(policy="inline", harts=1, concurrency=64, rounds=2)
    starts = [event.cycle for event in measured(log, Trap)]
    handled = measured(log, AsyncHandled)
    batches = Counter(max(c for c in starts if c <= event.cycle) for event in handled)
    assert len(handled) == 256
    assert max(batches.values()) == 16


def test_two_handlers_share_a_buffer_and_take_turns() -> None:
    """Where the kernel is slower than the user, so that requests wait."""
    point = Point(policy="spread", harts=3, concurrency=32, rounds=4)
    slow = load_costs().scaled("kernel.async_call", 4)
    log = run_sync(simulate(point, reference_device(point.config), slow))
    harts = [event.hart for event in measured(log, AsyncHandled)]
    assert min(harts.count(1), harts.count(2)) > len(harts) // 4
    assert harts.count(0) == 0


def test_ipi_interrupts_an_idle_hart_which_serves_the_calls() -> None:
    log = run(policy="ipi", harts=2, concurrency=4)
    assert [event for event in measured(log, Trap) if event.cause == "ipi" and event.hart == 1]
    assert {event.hart for event in measured(log, AsyncHandled)} == {1}


def test_waiting_harts_go_first_between_two_requests() -> None:
    """A long batch on the kernel's hart holds nobody up for more than a few calls."""
    log = run(policy="uipi", harts=2, concurrency=64, rounds=2)
    longest = max((event.cycles for event in measured(log, LockWait)), default=0)
    assert longest < 3 * load_costs()["kernel.async_call"]


def test_all_devices_and_seeds_alike_for_new_policies() -> None:
    points = [Point(policy="adaptive", harts=2, concurrency=5, seed=seed) for seed in (1, 1, 2)]
    one, same, other = (event_lines(point, "reference") for point in points)
    assert one == same
    assert one != other


def test_the_mixed_load_is_the_same_work_for_every_policy() -> None:
    def calls(policy: str) -> list[str]:
        log = run(policy=policy, harts=1, concurrency=4, rounds=6, workload="mixed")
        return sorted(event.label for event in measured(log, AsyncHandled))

    assert calls("tick") == calls("inline")
    assert len(calls("inline")) == 48


# --- choosing by measurement ----------------------------------------------------------------------


def feed(chooser: Chooser, cost: Callable[[Way], float], calls: int) -> list[Way]:
    ways = []
    for _ in range(calls):
        way = chooser.choose()
        ways.append(way)
        chooser.record(way, round(cost(way)))
    return ways


def test_the_chooser_finds_the_cheaper_way_and_stays_there() -> None:
    chooser = Chooser()
    ways = feed(chooser, lambda way: 4000 if way is Way.ASYNC else 3000, 20_000)
    assert chooser.way is Way.SYNC
    assert chooser.switches == 1
    assert ways[-4000:].count(Way.SYNC) > 3900


def test_the_chooser_does_not_oscillate_between_ways_that_cost_the_same() -> None:
    chance = random.Random(1)
    chooser = Chooser()
    feed(chooser, lambda way: chance.gauss(3000, 60), 50_000)
    assert chooser.switches == 0


def test_the_chooser_follows_a_change_of_load() -> None:
    chooser = Chooser()
    feed(chooser, lambda way: 2000 if way is Way.ASYNC else 3000, 5_000)
    ways = [chooser.way]
    feed(chooser, lambda way: 4000 if way is Way.ASYNC else 3000, 20_000)
    ways.append(chooser.way)
    assert ways == [Way.ASYNC, Way.SYNC]


def test_trials_cost_less_than_one_call_in_fifty() -> None:
    chooser = Chooser()
    ways = feed(chooser, lambda way: 2000 if way is Way.ASYNC else 3000, 50_000)
    assert 0 < ways.count(Way.SYNC) < 1000


# --- claims ---------------------------------------------------------------------------------------


def test_a_flip_is_a_change_of_verdict() -> None:
    def finding(name: str, value: float, holds: bool) -> Finding:
        return Finding(name, "", 1.0, value, None, holds)

    base = [finding("a", 1.2, True), finding("b", 0.5, False)]
    other = [finding("a", 0.9, False), finding("b", 0.6, False)]
    assert flips(base, other) == {"a": 0.9}


def test_over_seeds_the_worst_counts() -> None:
    def findings(value: float) -> list[Finding]:
        return [
            Finding(claim.name, claim.text, 1.0, value, None, claim.holds(value))
            for claim in CLAIMS
        ]

    for claim, found in zip(CLAIMS, over_seeds([findings(0.5), findings(9.0)]), strict=True):
        assert (found.low, found.high) == (0.5, 9.0)
        assert found.value == (9.0 if claim.most else 0.5)
        assert found.holds == (claim.holds(0.5) and claim.holds(9.0))


def test_a_claim_may_be_a_floor_or_a_ceiling() -> None:
    assert Claim("x", "", 1.5, lambda lab: 0.0).holds(1.5)
    assert not Claim("x", "", 1.5, lambda lab: 0.0).holds(1.4)
    assert Claim("x", "", 0, lambda lab: 0.0, most=True).holds(0)
    assert not Claim("x", "", 0, lambda lab: 0.0, most=True).holds(1)


def test_a_scaled_cost_changes_that_cost_alone() -> None:
    costs = load_costs()
    scaled = costs.scaled("user.fetch", 2)
    assert scaled["user.fetch"] == 2 * costs["user.fetch"]
    assert {name for name in costs if costs[name] != scaled[name]} == {"user.fetch"}
    with pytest.raises(KeyError, match="cost must be one of"):
        costs.scaled("user.fetsch", 2)


def test_a_control_gives_the_kernel_the_same_work_both_ways() -> None:
    for variant in controls("reference").values():
        assert variant.costs["kernel.async_call"] == variant.costs["kernel.invocation"]


def test_finished_points_are_found_again_and_nothing_else_is(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.jsonl")
    variant = Variant(device="reference", every_n=(1, 16))
    point, *others = plan(variant)
    store.add(key_of(variant, point), {"cycles": 7})
    with store.path.open("a") as file:
        file.write('{"key": "cut o')
    again = Store(tmp_path / "store.jsonl").read()
    assert again == {key_of(variant, point): {"cycles": 7}}
    changed = replace(variant, changes=(("user.fetch", 1),))
    assert key_of(changed, point) not in again
    assert not again.keys() & {key_of(variant, other) for other in others}


def test_claims_run_what_is_missing_stop_in_time_and_go_on(tmp_path: Path) -> None:
    """All points but those of one claim are there already, with made-up results."""
    store = Store(tmp_path / "store.jsonl")
    variant = Variant(device="reference")
    missing = Point(policy="uipi", harts=2, concurrency=1)
    for point in plan(variant):
        if point != missing:
            store.add(key_of(variant, point), asdict(Summary(100, 0, (1.0,))))
    claims = partial(run_claims, "reference", sensitivity=False, store=store, seeds=[1])
    with pytest.raises(UnfinishedError, match="^time is up, .* of .* points are kept$"):
        claims(conduct=Conduct(1, minutes=1e-9))
    record = claims(conduct=Conduct(1))
    values = {claim["name"]: claim["value"] for claim in record["claims"]}
    assert values["uipi-4"] == 1
    cycles = store.read()[key_of(variant, missing)]["cycles"]
    assert values["uipi-1"] == 100 / cycles


def test_one_claim_alone_runs_its_own_points(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {point.harts for point in plan(Variant(device="reference", claims=("fairness",)))} == {4}
    store = f"--store={tmp_path / 'claims.jsonl'}"
    assert main(["claims", "--seeds", "1", "--jobs", "1", "--only", "uipi-1", store]) == 0
    found = capsys.readouterr().out
    assert found.count("holds  ") == 1
    assert "two harts: gain of uipi at N = 1" in found
    assert main(["claims", "--only", "fairnes", store]) == 2
    assert "did you mean 'fairness'?" in capsys.readouterr().err
    assert main(["claims", "--only", "fairness", "--sensitivity", store]) == 2
    assert "only must not be given with --sensitivity" in capsys.readouterr().err


def test_the_claims_page_is_made_from_the_findings() -> None:
    claim = {
        "name": "a",
        "text": "a gain",
        "target": 1.5,
        "value": 1.25,
        "low": 1.25,
        "high": 1.5,
        "bound": 2.0,
        "holds": False,
    }
    rows = [
        {"cost": "user.fetch", "factor": 0.5, "flips": {}},
        {"cost": "user.fetch", "factor": 2.0, "flips": {"a": 1.0}},
    ]
    failed = {"value": 0.75, "bound": 0.9, "holds": False}
    control = {"name": "x as y", "costs": {"x": 1}, "claims": {"a": failed}}
    content = table(
        {
            "device": "rtl",
            "seeds": [1, 2],
            "commit": "abc",
            "claims": [claim],
            "controls": [control],
            "sensitivity": rows,
        }
    )
    assert "| claim | `x as y` |" in content
    assert "| a gain | 0.75 * (bound 0.900) |" in content
    assert "| a gain | 1.5 | 1.25 | 1.25 to 1.5 | 2.000 | missed |" in content
    assert "2 variations" in content
    assert "* `user.fetch` × 2 changes: a (1.000)." in content


def test_the_committed_page_holds_the_committed_findings() -> None:
    root = Path(__file__).resolve().parents[2]
    record = json.loads((root / "docs/data/claims.json").read_text(encoding="utf-8"))
    assert table(record) in (root / "docs/async.md").read_text(encoding="utf-8")
    assert {claim["name"] for claim in record["claims"]} == {claim.name for claim in CLAIMS}
