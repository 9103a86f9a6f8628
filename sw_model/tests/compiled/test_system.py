"""The compiled system: the published experiment under every policy, on the functional model."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rel4.abi.c_header import KERNEL_POLICIES, Moment, c_header
from rel4.abi.numbers import ASYNC_INVOCATIONS, SeL4Error, SysCall
from rel4.bench.compiled import Setup, log_of, run_compiled
from rel4.bench.compiled_options import add_software, setup_of
from rel4.bench.conservation import ConservationError, PendingAtEnd, check_conservation
from rel4.bench.point import Point
from rel4.bench.results import PointRecord
from rel4.compiled import Marker, Program, RunConfig, run_program
from rel4.compiled.spike_library import missing
from rel4.compiled.system import build_system, configured
from uintr.program import Parser

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

ROUNDS = 3
HARTS = {"sync": 1, "tick": 1, "tick-smp": 2, "ipi": 2, "inline": 1, "uipi": 2, "poll": 2}
HARTS["adaptive"] = 1
SPIKE = Setup(device="spike")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return build_system(tmp_path_factory.mktemp("system") / "system.elf")


def run(policy: str, concurrency: int, *, harts: int = 0, setup: Setup = SPIKE) -> PointRecord:
    point = Point(
        policy=policy,
        harts=harts or HARTS[policy],
        concurrency=concurrency,
        rounds=ROUNDS,
    )
    return run_compiled(point, setup)


@pytest.mark.parametrize("concurrency", [1, 3, 16])
@pytest.mark.parametrize("policy", HARTS)
def test_every_call_is_answered_once(policy: str, concurrency: int) -> None:
    record = run(policy, concurrency)
    assert record.syscalls == 2 * concurrency * ROUNDS
    assert record.software == "compiled"
    assert record.cycles > 0


@pytest.mark.parametrize("root_switch", [1, 2])
def test_a_trap_may_change_the_root_page_table(root_switch: int) -> None:
    setup = Setup(device="spike", root_switch=root_switch)
    assert run("sync", 4, setup=setup).traps == 2 * 4 * ROUNDS
    assert run("uipi", 4, setup=setup).traps == 0


def test_adaptive_uses_a_second_hart_without_traps() -> None:
    assert run("adaptive", 16, harts=2).traps == 0


def test_more_coroutines_than_the_ring_has_slots_wait_for_room(program: Program) -> None:
    for policy, style in (("inline", [1, 8, 0, 0]), ("tick", [0, 1, 0, 0])):
        number = KERNEL_POLICIES.index(policy)
        small = configured(program, {"experiment": [number, 1, *style, 40, ROUNDS, 16]})
        result = run_program(small, RunConfig(max_cycles=20_000_000), runner="spike")
        assert result.status == 0, result.sentence
        handled = [mark for mark in result.marks if mark.id == Moment.HANDLED]
        assert len(handled) == 2 * 40 * ROUNDS


def test_synchronous_calls_trap_each_and_a_second_hart_needs_no_trap() -> None:
    assert run("sync", 4).traps == 2 * 4 * ROUNDS
    assert run("uipi", 4).traps == 0


def test_a_tick_serves_all_and_interrupts_once() -> None:
    record = run("tick", 4)
    assert record.traps == record.user_interrupts == 2 * ROUNDS


def test_the_wake_trap_serves_a_batch_without_any_interrupt() -> None:
    record = run("inline", 16)
    assert record.traps == 2 * 16 * ROUNDS / 8
    assert record.user_interrupts == 0


def test_a_request_that_is_handled_twice_is_found() -> None:
    word = 5 << 32 | 7
    twice = [Marker(n, 0, moment, word) for n, moment in enumerate((3, 4, 4))]
    with pytest.raises(ConservationError, match="handled twice"):
        check_conservation(log_of(twice), PendingAtEnd())
    with pytest.raises(ConservationError, match="mark 99 means nothing"):
        log_of([Marker(0, 0, 99, 0)])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"policy": "spread"}, "policy must be one of sync, tick,"),
        ({"workload": "mixed", "harts": 1}, "workload must be one of published"),
        ({}, "harts must be one of 1, 2, 3, 4"),
        (
            {"concurrency": 1025, "harts": 1},
            "concurrency must be 1 to 1024 as machine code, not 1025",
        ),
    ],
)
def test_what_machine_code_does_not_have_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        run_compiled(replace(Point(policy="sync", harts=5, concurrency=1), **change), SPIKE)


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="root-switch must be 0, 1 or 2, not 3"):
        Setup(root_switch=3)
    with pytest.raises(ValueError, match="memory-latency must be 1 to 200"):
        Setup(memory_latency=0)
    for words, sentence in (
        (["--compiler", "gcc"], "compiler must be left out unless --software is compiled"),
        (["--software", "compiled", "--costs", "measured"], "costs must be left out with"),
        (["--software", "real"], "software must be one of model, compiled"),
        (["--software", "compiled", "--compiler", "tcc"], "compiler must be clang or gcc"),
    ):
        with pytest.raises(ValueError, match=sentence):
            setup_of(parser().parse_args(words))


def parser() -> Parser:
    made = Parser()
    made.add_argument("--device", default="spike")
    add_software(made)
    return made


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
