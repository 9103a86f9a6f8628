"""Hostile programs: nothing goes wrong, and what would go wrong is seen."""

import pytest

from rel4.cli import main
from rel4.explore.hostile import Attack, attack
from rel4.kernel.async_runtime import HandlerTask


def test_twenty_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--hostile", "20", "--jobs", "1"]) == 0
    assert "nothing is wrong in 20 programs" in capsys.readouterr().out


def test_the_same_seed_is_the_same_program() -> None:
    assert attack(Attack.of(3)) == attack(Attack.of(3))


def found(seeds: range) -> list[str]:
    """What goes wrong in the first program in which something does."""
    for seed in seeds:
        outcome = attack(Attack.of(seed), every=1)
        if outcome.wrong:
            return outcome.wrong
    return []


def test_a_handler_that_outlives_its_buffer_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    async def release(self: HandlerTask) -> None:
        """Nothing is given back."""

    monkeypatch.setattr(HandlerTask, "release", release)
    assert found(range(40))
