"""Compiled programs on the RTL of the system: examples, endings, marks, traces.

All of them run on one build, of two harts.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from compiled_bench import CONFIG, example, program, run
from rel4 import cli
from rel4.compiled import (
    Ending,
    Listener,
    Program,
    run_program,
)
from rel4.compiled.compiler import COMPILERS, CompileError, find_compiler
from rel4.machine.events import UserReturn, UserTrap
from rel4.trace.posts import deliveries
from rel4.trace.reader import parse_events

pytestmark = pytest.mark.sim


@pytest.fixture(params=COMPILERS)
def by(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    try:
        find_compiler(name)
    except CompileError as reason:
        pytest.skip(str(reason))
    return name


# --- examples -------------------------------------------------------------------------------------


def test_hello(tmp_path: Path, by: str) -> None:
    result = run_program(example(tmp_path, "hello.c", by=by), CONFIG)
    assert (result.status, result.console) == (0, b"hello from one of 2 harts\n")


def test_ping_pong(tmp_path: Path, by: str) -> None:
    result = run_program(example(tmp_path, "ping_pong.c", by=by), CONFIG)
    assert result.status == 0
    *rounds, last = result.console.decode().splitlines()
    assert last == "10 and 10 user interrupts"
    cycles = [int(line.split()[2]) for line in rounds]
    assert len(cycles) == 10
    assert all(50 < each < 1000 for each in cycles[1:]), cycles
    assert [(mark.hart, mark.id, mark.value) for mark in result.marks] == [
        (0, 1, count) for count in range(1, 11)
    ]


def test_scheduler(tmp_path: Path, by: str) -> None:
    result = run_program(example(tmp_path, "scheduler.c", "switch.S", by=by), CONFIG)
    assert result.status == 0
    assert result.console.decode().splitlines() == [
        f"thread {index}: {primes} primes, preempted" for index, primes in enumerate((46, 78, 139))
    ]


@pytest.mark.parametrize("optimise", ["0", "s"])
def test_register_and_send(tmp_path: Path, by: str, optimise: str) -> None:
    compiled = example(tmp_path, "register_and_send.c", by=by, optimise=optimise)
    result = run_program(compiled, CONFIG)
    assert result.status == 0
    assert result.console.decode().splitlines()[-1] == "receiver: all three vectors came"


# --- how runs end ---------------------------------------------------------------------------------


def test_the_program_s_status_is_that_of_the_command(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = '#include <stdio.h>\nint main(void) { puts("seven"); return 7; }\n'
    program(tmp_path, text)
    assert cli.main(["run", str(tmp_path / "main.elf"), "--harts", "2", "--stats"]) == 7
    out, err = capfd.readouterr()
    assert out == "seven\n"
    lines = err.splitlines()
    assert re.search(r"rel4: the program ended with exit status 7 after [\d,]+ cycles and", err)
    assert re.match(r"[\d.]+ s, [\d,]+ simulated cycles a second$", lines[-1])


def test_exit_on_any_hart(tmp_path: Path) -> None:
    text = (
        "#include <stdlib.h>\nvoid hart_main(unsigned long hart) { exit((int)hart + 40); }\n"
        "int main(void) { for (;;) ; }\n"
    )
    assert run(tmp_path, text).status == 41


def test_time_limit(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    compiled = program(tmp_path, "int main(void) { for (;;) ; }\n")
    result = run_program(compiled, replace(CONFIG, max_cycles=3000))
    assert (result.ending, result.status, result.cycles) == (Ending.LIMIT, None, 3000)
    assert re.fullmatch(
        r"time limit: 3,000 cycles have passed, and hart 0 runs at main(\+0x\w+)?, "
        r"hart 1 waits at \S+",
        result.sentence,
    )
    arguments = ["run", str(tmp_path / "main.elf"), "--harts", "2", "--max-cycles", "3000"]
    assert cli.main(arguments) == 124


def test_double_fault(tmp_path: Path) -> None:
    text = (
        "#include <csr.h>\n__asm__(\".balign 4\\nwrong: .4byte 0\\n\");\nextern char wrong[];\n"
        "int main(void) { csr_write(mtvec, wrong); __asm__ volatile(\"ecall\"); return 0; }\n"
    )  # fmt: skip
    result = run(tmp_path, text)
    assert (result.ending, result.status) == (Ending.DOUBLE_FAULT, None)
    assert result.sentence == (
        "double fault: hart 0 trapped at wrong, the first instruction of its own trap handler "
        "(cause 2)"
    )
    assert cli.main(["run", str(tmp_path / "main.elf"), "--harts", "2"]) == 125


def test_a_trap_that_nobody_expects(tmp_path: Path) -> None:
    text = "int main(void) { return *(volatile int *)8; }\n"
    result = run(tmp_path, text)
    assert result.status == 133
    assert re.fullmatch(
        rb"hart 0: unexpected trap, mcause 0x5, mepc 0x8\w{7}, mtval 0x8\n", result.console
    )


def test_beyond_the_memory_that_was_asked_for(tmp_path: Path) -> None:
    text = "int main(void) { *(volatile long *)(0x80000000 + (1ul << 20)) = 1; return 0; }\n"
    assert run(tmp_path, text, replace(CONFIG, memory_mib=1)).status == 133
    assert run(tmp_path, text, replace(CONFIG, memory_mib=2)).status == 0


# --- what can be chosen ---------------------------------------------------------------------------

WALK = """#include <mark.h>
static volatile long words[4096];
int main(void)
{
    long sum = 0;
    mark(1, 0);
    for (int i = 0; i < 4096; i += 4)
        sum += words[i * 7 % 4096];
    mark(2, sum);
    return 0;
}
"""


def walk_cycles(compiled: Program, **changes: int) -> int:
    # No type fits: the parameters are a table of mixed types.
    result = run_program(compiled, replace(CONFIG, **changes))  # type: ignore[arg-type]
    first, last = result.marks
    assert (first.id, last.id, last.value) == (1, 2, 0)
    return last.cycle - first.cycle


def test_latency_jitter_and_seed(tmp_path: Path) -> None:
    compiled = program(tmp_path, WALK)
    at_one = walk_cycles(compiled)
    assert walk_cycles(compiled) == at_one, "the same run takes the same cycles"
    at_forty = walk_cycles(compiled, memory_latency=40)
    assert 39 * 1024 < at_forty - at_one < 39 * 1200, "each word of another line is a miss"
    jittered = [walk_cycles(compiled, jitter=20, seed=seed) for seed in (1, 1, 2)]
    assert jittered[0] == jittered[1]
    assert jittered[0] != jittered[2]
    assert all(at_one < each < at_one + 20 * 1200 for each in jittered)


def test_console_input(tmp_path: Path) -> None:
    text = (
        "#include <stdio.h>\nint main(void)\n{\n    int c;\n"
        "    while ((c = getchar()) != '.')\n        putchar(c ^ 32);\n    return 0;\n}\n"
    )
    assert run(tmp_path, text, replace(CONFIG, input=b"Hello.")).console == b"hELLO"


def test_marks_of_both_harts(tmp_path: Path) -> None:
    text = """#include <mark.h>
static volatile int ready;
void hart_main(unsigned long hart) { mark(2047, hart << 40 | 5); ready = 1; for (;;) ; }
int main(void) { mark(0, -1); while (!ready) ; mark(5, 7); mark(5, 8); return 0; }
"""
    marks = run(tmp_path, text).marks
    found = {(mark.hart, mark.id, mark.value) for mark in marks}
    assert found == {(0, 0, (1 << 64) - 1), (1, 2047, 1 << 40 | 5), (0, 5, 7), (0, 5, 8)}
    seven, eight = (mark.cycle for mark in marks if mark.id == 5)
    assert 1 <= eight - seven <= 40


# --- traces ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trace")
    example(folder, "ping_pong.c")
    arguments = ["run", str(folder / "example.elf"), "--harts", "2", "--memory-latency", "10"]
    assert cli.main([*arguments, "--trace", str(folder / "out"), "--instructions"]) == 0
    return folder / "out"


def test_the_event_log_is_one_of_the_model_s(traced: Path) -> None:
    events = list(parse_events((traced / "events.jsonl").read_text().splitlines()))
    cycles = [event.cycle for event in events]
    assert cycles == sorted(cycles)
    kinds = Counter((event.kind, event.hart) for event in events)
    for hart in (0, 1):
        assert kinds["UserTrap", hart] == 10
        assert kinds["UserReturn", hart] == 10
        assert kinds["TrapReturn", hart] == 1
    assert kinds["Mark", 0] == 10
    returns = {(event.hart, event.pc) for event in events if isinstance(event, UserReturn)}
    assert {(event.hart, event.pc) for event in events if isinstance(event, UserTrap)} == returns
    # No type fits: only that kind of event has `what`.
    assert {event.what for event in events if event.kind == "CacheMiss"} >= {"icache", "dcache"}  # type: ignore[attr-defined]


def test_every_post_became_a_user_interrupt(traced: Path) -> None:
    events = list(parse_events((traced / "events.jsonl").read_text().splitlines()))
    found = deliveries(events)
    assert len(found) == 20
    assert [(each.sender, each.taker, each.receiver) for each in found[:4]] == [
        (0, 1, 1), (1, 0, 0), (0, 1, 1), (1, 0, 0),
    ]  # fmt: skip
    assert all(each.sent < each.taken < each.read < each.sent + 200 for each in found)


def test_the_timeline_is_balanced_and_has_functions(traced: Path) -> None:
    trace = json.loads((traced / "trace.json").read_text())
    assert trace["otherData"]["memory_latency"] == 10
    depth: Counter[tuple[int, int]] = Counter()
    for record in trace["traceEvents"]:
        if record["ph"] in "BE":
            depth[record["pid"], record["tid"]] += 1 if record["ph"] == "B" else -1
            assert depth[record["pid"], record["tid"]] >= 0
    assert not any(depth.values())
    functions = {
        record["name"] for record in trace["traceEvents"] if record.get("cat") == "function"
    }
    assert {"_start", "player", "user_handler", "user_interrupt", "printf"} <= functions
    groups = {
        record["args"]["name"]
        for record in trace["traceEvents"]
        if record.get("name") == "process_name"
    }
    assert {"harts", "threads", "functions", "memory"} <= groups


def test_the_instruction_trace_has_symbols(traced: Path) -> None:
    lines = (traced / "instructions.txt").read_text().splitlines()
    assert re.fullmatch(r" +\d+ 0 M 0000000080000000 f1402473 _start  x8=0x0", lines[0])
    assert any(re.search(r" 1 U \w+ \w+ +user_handler .* interrupt 0x8000000000000000", line)
               for line in lines)  # fmt: skip
    assert any("exit+0x" in line and "]=0x1/" in line for line in lines), "the store to tohost"


def test_a_trace_changes_no_cycle(tmp_path: Path) -> None:
    compiled = example(tmp_path, "hello.c")
    plain = run_program(compiled, CONFIG)
    heard: list[int] = []

    class Ear(Listener):
        def retired(self, record: object) -> None:
            heard.append(1)

    loud = run_program(compiled, replace(CONFIG, trace=True, instructions=True), listener=Ear())
    assert (loud.cycles, loud.instructions) == (plain.cycles, plain.instructions)
    assert len(heard) == sum(plain.instructions)


# --- the command ---------------------------------------------------------------------------------


def test_ctrl_c_ends_the_command_and_the_simulation(tmp_path: Path) -> None:
    program(tmp_path, '#include <stdio.h>\nint main(void) { puts("on"); for (;;) ; }\n')
    rel4 = str(Path(sys.executable).with_name("rel4"))
    command = [rel4, "run", str(tmp_path / "main.elf"), "--harts", "2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        process.send_signal(2)
        assert process.wait(30) == 130
