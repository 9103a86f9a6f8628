"""Lost and changed bytes, garbage, a cut line: clear errors, and runs that go on all the same."""

import gzip
import os
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from emulated_board import BAUD
from faulty import FaultyLine

from rel4 import cli as rel4_cli
from rel4.bench.compare import event_lines, first_difference
from rel4.bench.point import Point
from rel4.machine.device import run_sync
from uintr.registers import Csr, CsrFunction, RequestKind
from uintr_fpga.device import UartDevice
from uintr_fpga.link import BoardLink
from uintr_fpga.uartbone import LinkError, read_command, write_command
from uintr_fpga.window import COMMAND, DOORBELL, STATUS, register

pytestmark = pytest.mark.sim

POINT = Point(policy="tick", harts=1, concurrency=1, rounds=1)
SCRATCH = register("scratch").word


def test_a_bad_line_changes_nothing(board: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes are lost and changed in both directions; the event log is that of the reference."""
    with FaultyLine(board, seed="bad line", drop=0.0005, corrupt=0.0005) as line:
        monkeypatch.setenv("UINTR_PORT", line.path)
        monkeypatch.setenv("UINTR_UART_TIMEOUT", "1.5")
        monkeypatch.setenv("UINTR_UART_RETRIES", "20")
        lines = event_lines(POINT, "uart")
        assert line.dropped
        assert line.corrupted
    assert first_difference(event_lines(POINT, "reference"), lines) is None


def test_a_cut_line_is_said_and_the_run_can_go_on(terminal: str, target, monkeypatch) -> None:
    """The program that was lost is sent again, and the board has lost nothing."""
    from rel4.machine.device import Request

    with (
        FaultyLine(terminal, seed="cut") as line,
        closing(BoardLink(line.path, baud=BAUD, seconds=20)) as link,
    ):
        device = UartDevice(config=target.config, link=link)
        write = Request(RequestKind.CSR, CsrFunction.WRITE, Csr.USCRATCH, 0x1234)
        device.submit(0, write)
        run_sync(device.run(10))
        line.cut = True
        device.submit(0, Request(RequestKind.CSR, CsrFunction.READ, Csr.USCRATCH))
        with monkeypatch.context() as short:
            short.setattr(link, "_seconds", 0.2)
            short.setattr(link, "_attempts", 2)
            with pytest.raises(LinkError) as caught:
                run_sync(device.run(10))
        assert str(caught.value) == (
            f"the board on {line.path} must answer in time, but it is silent, 2 times in a row"
        )
        line.cut = False
        link.execute([], expect=0)  # the number that was lost
        again = UartDevice(config=target.config, link=link)
        again.submit(0, write)
        assert run_sync(again.run(10)) == 1


POINT_BYTES = 5000
"""What a point of one round takes on the line at least, both directions together."""


def test_a_run_survives_a_cut(board: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is cut in the middle of a run and mended: the event log is that of the reference."""
    with FaultyLine(board, seed="mended", cut_after=POINT_BYTES // 2) as line:
        monkeypatch.setenv("UINTR_PORT", line.path)
        monkeypatch.setenv("UINTR_UART_TIMEOUT", "1")
        monkeypatch.setenv("UINTR_UART_RETRIES", "60")

        def mend() -> None:
            for _ in range(600):
                if line.cut:
                    time.sleep(1.5)
                    line.cut = False
                    return
                time.sleep(0.1)

        mender = threading.Thread(target=mend, daemon=True)
        mender.start()
        lines = event_lines(POINT, "uart")
        mender.join(1)
        assert not mender.is_alive()
    assert first_difference(event_lines(POINT, "reference"), lines) is None


def test_a_sweep_goes_on_after_a_cut(
    board: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line is cut for good in the middle of a sweep: one sentence, and --resume goes on."""
    out = tmp_path / "sweep"
    arguments = ["sweep", "--policy", "tick", "--concurrency", "2,4", "--rounds", "1"]
    arguments += ["--device", "uart", "--jobs", "1", "--out", str(out)]
    monkeypatch.setenv("UINTR_UART_TIMEOUT", "1")
    monkeypatch.setenv("UINTR_UART_RETRIES", "1")
    with FaultyLine(board, seed="for good", cut_after=POINT_BYTES * 3 // 2) as line:
        assert rel4_cli.main([*arguments, "--port", line.path]) == 2
        assert line.cut
    error = capsys.readouterr().err
    assert "must answer in time, but it is silent, 2 times in a row" in error
    monkeypatch.setenv("UINTR_UART_TIMEOUT", "20")
    monkeypatch.setenv("UINTR_UART_RETRIES", "5")
    assert rel4_cli.main([*arguments, "--port", board, "--resume"]) == 0
    assert "1 of 2 points were finished before" in capsys.readouterr().out
    reference = tmp_path / "reference"
    arguments[arguments.index("uart")] = "reference"
    arguments[arguments.index(str(out))] = str(reference)
    assert rel4_cli.main(arguments) == 0
    logs = [
        # Behind the first line, which says of which run it is.
        {
            log.name: gzip.decompress(log.read_bytes()).partition(b"\n")[2]
            for log in folder.rglob("*.jsonl.gz")
        }
        for folder in (out, reference)
    ]
    assert all(lines.startswith(b'{"cycle"') for lines in logs[0].values())
    assert len(logs[0]) == 2
    assert logs[0] == logs[1]


def test_a_program_is_executed_once(link: BoardLink) -> None:
    """The same bytes again: the answers are there again, and no cycle was stepped."""
    from uintr_fpga.steps import Step, encode_step
    from uintr_fpga.window import MAGIC, checksum

    words = encode_step(Step(limit=5, calm=True))
    link.execute(encode_step(Step(reset=True, limit=600)), expect=3)
    number = link._last + 1 & 0xFF
    header = MAGIC << 24 | number << 16 | len(words)
    tail = [*words, header, checksum([header, *words])]
    first = None
    for _ in range(3):
        link.write(DOORBELL + 1 - len(tail), tail)
        answers = link.read(STATUS, 5)
        cycles = link.read(register("cycles").word)
        first = first or (answers, cycles)
        assert (answers, cycles) == first
    assert first[0][1] & 0xFFFFFF == 5
    link._last = number


@pytest.mark.parametrize("what", ["checksum", "magic", "number", "length"])
def test_a_wrong_program_is_refused_and_counted(link: BoardLink, what: str) -> None:
    from uintr_fpga.window import MAGIC, checksum

    errors, cycles = register("errors").word, register("cycles").word
    link.write(errors, [0])
    words = [0x3000_0005]
    magic = MAGIC ^ (what == "magic")
    number = link._last + 1 + 3 * (what == "number") & 0xFF
    header = magic << 24 | number << 16 | len(words) + 300 * (what == "length")
    tail = [*words, header, checksum([header, *words]) ^ (what == "checksum")]
    before = link.read(cycles)
    link.write(DOORBELL + 1 - len(tail), tail)
    link.read(STATUS)
    assert link.read(errors) == [1 << 24]
    assert link.read(cycles) == before
    link.write(errors, [0])


def test_an_unknown_operation_is_said(link: BoardLink) -> None:
    with pytest.raises(LinkError) as caught:
        link.execute([0xF000_0000], expect=0)
    assert "does not know an operation of the program" in str(caught.value)
    link._last += 1


@pytest.mark.parametrize("seed", range(6))
def test_garbage_and_truncated_commands(terminal: str, seed: int) -> None:
    """Whatever was sent before, a new host finds the beginning of a command and the old state."""
    import random

    draw = random.Random(f"garbage {seed}")
    link = BoardLink(terminal, baud=BAUD, seconds=20)
    link.write(SCRATCH, [0x600D_F00D])
    assert link.read(SCRATCH) == [0x600D_F00D]
    last = link._last
    cut = write_command(COMMAND, [draw.getrandbits(32) for _ in range(9)])
    garbage = [
        cut[: draw.randrange(1, len(cut))],
        read_command(STATUS, 9)[:-1],
        bytes((0x00, 0xFF, 0x80)),
        bytes((7,)),
        write_command(SCRATCH, [0])[:9],  # a word of which one byte is missing
        bytes((1, 200, 0, 0)),
    ][seed]
    link._port.write(garbage, seconds=5)
    link.close()
    with closing(BoardLink(terminal, baud=BAUD, seconds=20)) as again:
        assert again._last == last
        # Zeros may have completed the word, as data do; nothing else can have changed it.
        assert again.read(SCRATCH) in ([0x600D_F00D], [0])
        assert again.read(0) == [0x5549_4E54]
    assert os.path.exists(terminal)
