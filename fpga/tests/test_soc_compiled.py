"""The compiled kernel on the board target, emulated: the same cycles as in simulation.

The emulated board is the complete design of `uintr_fpga.soc_board`, with its serial line, which
loads the program. What is simulated is the system of ``rel4 sweep --software compiled``, with a
memory in C++. Asynchronous calls need a frame of 2 MiB for their rings: for them the emulated board
has 16 MiB of memory, which a real one has not, and everything else as it is.
"""

from pathlib import Path

import pytest

from rel4.bench.compiled import image_words
from rel4.bench.point import Point
from rel4.compiled import RunConfig, run_program
from rel4.compiled.runner import Listener
from rel4.compiled.system import build_system, configured
from uintr_fpga import soc_runner
from uintr_fpga.emulate import running
from uintr_fpga.soc_board import build_soc_emulator
from uintr_fpga.soc_runner import SocLink, execute
from uintr_fpga.uartbone import SerialPort

pytestmark = [pytest.mark.sim, pytest.mark.long]

HARTS, DIVISOR, LATENCY = 2, 4, 7
BOARD, LARGE = 256 << 10, 16 << 20
SMALL = ("MAX_TASKS=64", "ROOT_RADIX=7")
SLOW_HERTZ = 5_000
"""Of the emulated clock at least, for the time limit."""


@pytest.mark.parametrize(
    ("policy", "memory"), [("sync", BOARD), ("inline", LARGE), ("poll", LARGE), ("adaptive", LARGE)]
)
def test_a_board_takes_the_cycles_of_the_simulation(
    policy: str, memory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soc_runner, "_SECONDS", 120.0)
    program = build_system(tmp_path / "small.elf", defines=SMALL)
    words = image_words(Point(policy=policy, harts=HARTS, concurrency=4, rounds=3))
    words["parameters"] += [0] * (6 - len(words["parameters"])) + [memory]
    image = configured(program, words)
    config = RunConfig(
        harts=HARTS,
        memory_mib=max(1, memory >> 20),
        memory_latency=LATENCY,
        max_cycles=3_000_000,
    )
    simulated = run_program(image, config, runner="rtl")
    emulator = build_soc_emulator(harts=HARTS, divisor=DIVISOR, memory_bytes=memory)
    with running(emulator, divisor=DIVISOR) as path:
        port = SerialPort(path, baud=1_000_000)
        emulated = execute(SocLink(port), image, config, Listener(), hertz=SLOW_HERTZ)
        port.close()
    assert (simulated.status, emulated.status) == (0, 0), emulated.console
    assert emulated.cycles == simulated.cycles
