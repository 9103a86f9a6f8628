"""Memory order among harts: no outcome that TSO forbids, and every one that it allows."""

from collections import Counter
from collections.abc import Iterator

import pytest

from rv64_verify.litmus import MEMORY_BYTES, TESTS, Outcome, allowed, observed
from rv64_verify.rtl import Rtl

ROUNDS = 300
SETTINGS = [
    (seed, (1, 2, 3, 4, 6, 10, 20)[seed % 7], (0, 1, 2, 5, 15)[seed % 5]) for seed in range(1, 40)
]
LEAST = 4
"""Settings that are run in any case; more until every outcome was seen."""


@pytest.fixture(scope="module")
def two() -> Iterator[Rtl]:
    rtl = Rtl(harts=2, memory_bytes=MEMORY_BYTES)
    yield rtl
    rtl.close()


@pytest.fixture(scope="module")
def four() -> Iterator[Rtl]:
    rtl = Rtl(harts=4, memory_bytes=MEMORY_BYTES)
    yield rtl
    rtl.close()


# --- the model ---


def test_what_store_buffers_allow() -> None:
    """The outcome that is not sequentially consistent, and what forbids it."""
    relaxed = (0, 0, 1, 1)
    assert relaxed in allowed(TESTS["SB"])
    assert relaxed not in allowed(TESTS["SB"], buffers=False)
    for name in ("SB+fences", "SB+amos", "SB+lrsc"):
        assert relaxed not in allowed(TESTS[name])
    assert (1, 0, 1, 0, 1, 1) in allowed(TESTS["SB+rfi"])


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("MP", (1, 0, 1, 1)),
        ("LB", (1, 1, 1, 1)),
        ("S", (1, 2, 1)),
        ("2+2W", (1, 1)),
        ("CoRR", (1, 0, 1)),
        ("IRIW", (1, 0, 1, 0, 1, 1)),
        ("WRC", (1, 1, 0, 1, 1)),
    ],
)
def test_what_the_model_forbids(name: str, outcome: Outcome) -> None:
    found = allowed(TESTS[name])
    assert len(outcome) == len(next(iter(found)))
    assert outcome not in found


def test_r_is_allowed_without_fences_alone() -> None:
    assert (0, 1, 2) in allowed(TESTS["R"])
    assert (0, 1, 2) not in allowed(TESTS["R+fences"])


# --- the harts ---


def _run(name: str, rtl: Rtl) -> None:
    test = TESTS[name]
    may = allowed(test)
    seen: Counter[Outcome] = Counter()
    for number, (seed, latency, jitter) in enumerate(SETTINGS):
        seen += observed(
            test,
            rtl,
            rounds=ROUNDS,
            seed=seed,
            latency=latency,
            jitter=jitter,
            spread=bool(seed % 2),
        )
        assert set(seen) <= may
        if number + 1 >= LEAST and set(seen) == may:
            break
    assert may - set(seen) == set()


@pytest.mark.sim
@pytest.mark.oracle
@pytest.mark.parametrize("name", [name for name, test in TESTS.items() if len(test.threads) == 2])
def test_two_harts(two: Rtl, name: str) -> None:
    _run(name, two)


@pytest.mark.sim
@pytest.mark.oracle
@pytest.mark.parametrize("name", [name for name, test in TESTS.items() if len(test.threads) > 2])
def test_four_harts(four: Rtl, name: str) -> None:
    _run(name, four)
