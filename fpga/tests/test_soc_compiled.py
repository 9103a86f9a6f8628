"""The compiled kernel and runtimes on the board target, emulated: the same cycles as in simulation.

The emulated board is the complete design of `uintr_fpga.soc_board` with its 256 KiB of memory and its
serial line, which loads the program. What is simulated is the system of ``rel4 sweep --software
compiled --device rtl``, with a memory in C++.
"""

from collections.abc import Iterator

import pytest

from rel4.bench.compiled import image_words
from rel4.bench.point import Point
from rel4.compiled import Program, RunConfig, run_program
from rel4.compiled.runner import Listener
from rel4.compiled.system import build_system, configured
from uintr_fpga.emulate import running
from uintr_fpga.soc_board import build_soc_emulator
from uintr_fpga.soc_runner import SocLink, execute
from uintr_fpga.uartbone import SerialPort

HARTS, DIVISOR, MEMORY_BYTES = 2, 4, 256 << 10
SMALL = ("MAX_TASKS=64", "ROOT_RADIX=7", "SMALL_BUFFER=1")
SLOW_HERTZ = 100_000
"""Of the emulated clock at least, for the time limit."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return build_system(tmp_path_factory.mktemp("small") / "small.elf", defines=SMALL)


@pytest.fixture(scope="module")
def link() -> Iterator[SocLink]:
    with running(build_soc_emulator(harts=HARTS, divisor=DIVISOR), divisor=DIVISOR) as path:
        port = SerialPort(path, baud=1_000_000)
        yield SocLink(port)
        port.close()


@pytest.mark.sim
@pytest.mark.parametrize(
    ("policy", "latency"), [("sync", 1), ("inline", 1), ("uipi", 1), ("poll", 7)]
)
def test_a_board_takes_the_cycles_of_the_simulation(
    program: Program, link: SocLink, policy: str, latency: int
) -> None:
    point = Point(policy=policy, harts=HARTS, concurrency=4, rounds=3)
    words = image_words(point)
    words["parameters"] += [0] * (6 - len(words["parameters"])) + [MEMORY_BYTES]
    image = configured(program, words)
    config = RunConfig(harts=HARTS, memory_mib=1, memory_latency=latency, max_cycles=3_000_000)
    simulated = run_program(image, config, runner="rtl")
    emulated = execute(link, image, config, Listener(), hertz=SLOW_HERTZ)
    assert (simulated.status, emulated.status) == (0, 0), emulated.console
    print(simulated.cycles, emulated.cycles, simulated.instructions, emulated.instructions)
    assert emulated.cycles == simulated.cycles
