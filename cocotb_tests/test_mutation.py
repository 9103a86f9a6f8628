"""The mutation run on a few mutants: the unmutated design passes, mutants die, results are kept."""

from pathlib import Path

import pytest

from rel4.machine.device import DeviceConfig
from uintr.registers import Feature
from uintr_verify.mutation import Mutation
from uintr_verify.native import ReplayError
from uintr_verify.targets import Target

pytestmark = pytest.mark.sim

PLAIN = DeviceConfig(harts=1, receivers=2, table_pages=1, features=Feature(0))
TARGET = Target(
    PLAIN, (("controller", "system.controller", 12), ("unit", "system.hart_unit_0", 12))
)


@pytest.fixture(scope="module")
def folder() -> Path:
    # Yosys as a wheel sees the working directory alone, and no other temporary folder.
    path = Path("build/mutation-test")
    path.mkdir(parents=True, exist_ok=True)
    for name in ("results.jsonl", "turned.jsonl"):
        (path / name).unlink(missing_ok=True)
    return path


def test_mutants(folder: Path) -> None:
    mutation = Mutation(target=TARGET, folder=folder)
    assert len(mutation.mutants) > 12
    assert {mutant.block for mutant in mutation.mutants} == {"controller", "unit"}
    assert all(mutant.source.startswith("uintr/") for mutant in mutation.mutants if mutant.source)
    stimulus = TARGET.random(folder, seeds=2, operations=1500)
    results = folder / "results.jsonl"
    outcomes = mutation.run(stimulus, results=results)
    assert outcomes[0]["file"] == -1, "the unmutated design passes"
    killed = sum(outcome["file"] >= 0 for outcome in outcomes)
    assert killed > len(mutation.mutants) // 2
    # A second run knows all of it.
    before = results.read_bytes()
    assert mutation.run(stimulus, results=results) == outcomes
    assert results.read_bytes() == before
    # In another order of the files the same mutants die.
    first = dict.fromkeys(range(1, len(outcomes)), "random_2")
    turned = mutation.run(stimulus, results=folder / "turned.jsonl", first=first)
    assert [each["file"] >= 0 for each in turned] == [each["file"] >= 0 for each in outcomes]
    assert sum(each["file"] == 1 for each in turned) > killed // 2
    # With fewer files, what survived all of them has survived these.
    fewer = mutation.run(stimulus[:1], results=results)
    alive = [number for number, each in enumerate(outcomes) if each["file"] < 0]
    assert all(fewer[number]["file"] < 0 for number in alive)
    # A stimulus that the unmutated design does not pass stops everything.
    content = bytearray(stimulus[0].read_bytes())
    content[-10] ^= 1
    stimulus[0].write_bytes(content)
    with pytest.raises(ReplayError, match="the unmutated design must pass"):
        mutation.run(stimulus, results=results)
