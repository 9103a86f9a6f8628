"""The compiled system: the published experiment under every policy, on the functional model."""

from pathlib import Path

import pytest

from rel4.abi.c_header import KERNEL_POLICIES, c_header
from rel4.abi.numbers import ASYNC_INVOCATIONS, SeL4Error, SysCall
from rel4.compiled import Program, RunConfig, run_program
from rel4.compiled.spike import missing
from rel4.compiled.system import build_system, configured

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")

ROUNDS = 3
PUBLISHED, DIRECT = [0, 1, 0, 0], [1, 8, 0, 0]
PARALLEL, ADAPTIVE = [1, 8, 4000, 0], [1, 8, 4000, 1]
HARTS_AND_STYLE = {
    "never": (1, PUBLISHED),
    "tick": (1, PUBLISHED),
    "tick-smp": (2, PUBLISHED),
    "ipi": (2, PUBLISHED),
    "inline": (1, DIRECT),
    "uipi": (2, PARALLEL),
    "poll": (2, PARALLEL),
    "adaptive": (1, ADAPTIVE),
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return build_system(tmp_path_factory.mktemp("system") / "system.elf")


def run(program: Program, policy: str, concurrency: int, harts: int = 0) -> dict[str, int]:
    """What the experiment printed, by name."""
    most, style = HARTS_AND_STYLE[policy]
    harts = harts or most
    number = KERNEL_POLICIES.index(policy)
    asynchronous = policy != "never"
    changed = configured(
        program,
        {
            "parameters": [harts],
            "experiment": [number, asynchronous, *style, concurrency, ROUNDS, 16],
        },
    )
    result = run_program(changed, RunConfig(harts=harts, max_cycles=20_000_000), runner="spike")
    text = result.console.decode()
    assert result.status == 0, f"{result.sentence}: {text}"
    return {name: int(value) for name, value in (line.split() for line in text.splitlines())}


@pytest.mark.parametrize("concurrency", [1, 3, 16])
@pytest.mark.parametrize("policy", HARTS_AND_STYLE)
def test_every_call_is_answered_once(program: Program, policy: str, concurrency: int) -> None:
    printed = run(program, policy, concurrency)
    assert printed["calls"] == 2 * concurrency * ROUNDS
    assert printed["errors"] == printed["outstanding"] == 0


def test_more_coroutines_than_the_ring_has_slots_wait_for_room(program: Program) -> None:
    for policy in ("tick", "inline", "poll"):
        assert run(program, policy, 40)["errors"] == 0


def test_synchronous_calls_trap_each_and_a_second_hart_needs_no_trap(program: Program) -> None:
    assert run(program, "never", 4)["traps"] == 2 * 4 * ROUNDS
    assert run(program, "uipi", 4)["traps"] == 0


def test_a_tick_serves_all_and_interrupts_once(program: Program) -> None:
    printed = run(program, "tick", 4)
    assert printed["traps"] == printed["interrupts"] == 2 * ROUNDS


def test_the_wake_trap_serves_a_batch_without_any_interrupt(program: Program) -> None:
    printed = run(program, "inline", 16)
    assert printed["traps"] == 2 * 16 * ROUNDS / 8
    assert printed["interrupts"] == 0


def test_words_that_are_no_symbol_of_the_image_are_refused(program: Program) -> None:
    with pytest.raises(ValueError, match="nothing must be a symbol"):
        configured(program, {"nothing": [1]})
    with pytest.raises(ValueError, match="handlers must be initialised data"):
        configured(program, {"handlers": [1]})


def test_an_unknown_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="program must be one of .*experiment.*, not 'nothing'"):
        build_system(tmp_path / "system.elf", program="nothing")


def test_the_header_has_the_numbers_of_the_model() -> None:
    text = c_header()
    assert f"#define SYS_WAKE_SYSCALL_HANDLER ({SysCall.WAKE_SYSCALL_HANDLER.value})" in text
    assert f"#define ERROR_CANCELLED {SeL4Error.CANCELLED.value:#x}" in text
    assert text.count("    X(ASYNC_") == len(ASYNC_INVOCATIONS)
