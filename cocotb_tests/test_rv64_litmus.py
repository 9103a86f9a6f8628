"""Memory order among harts: no outcome that TSO forbids, and every one that it allows."""

from collections import Counter
from collections.abc import Iterator

import pytest

from rv64_verify.litmus import MEMORY_BYTES, TESTS, Outcome, allowed, explored, told
from rv64_verify.rtl import Rtl


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


def test_what_is_told_of_a_test() -> None:
    seen: Counter[Outcome] = Counter({(0, 0, 1, 1): 3, (0, 1, 1, 1): 1, (0, 1, 0, 1): 2})
    record = told(TESTS["SB"], seen, 1)
    assert record["threads"] == "Wx1 Ry \u2016 Wy1 Rx"
    assert (record["skews"], record["allowed"]) == (6, 4)
    assert record["forbidden"] == ["0 1 0 1"]
    assert record["never"] == ["1 0 1 1", "1 1 1 1"]
    assert record["relaxed"] == ["0 0 1 1"]
    assert record["seen"]["0 0 1 1"] == 3


# --- the harts ---


def _run(name: str, rtl: Rtl) -> None:
    test = TESTS[name]
    seen, settings = explored(test, rtl)
    record = told(test, seen, settings)
    assert record["forbidden"] == []
    assert record["never"] == []


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
