"""The serial port of a board, at a terminal of the system."""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from uintr_fpga.uartbone import LinkError, LostError, SerialPort


@pytest.fixture
def ends() -> Iterator[tuple[int, str, int]]:
    """The board's end of a line, the path of the host's, and a file that holds that open."""
    board, host = os.openpty()
    yield board, os.ttyname(host), host
    for file in (board, host):
        with suppress(OSError):  # the test may have cut the line
            os.close(file)


def test_bytes_go_both_ways(ends: tuple[int, str, int]) -> None:
    board, path, _ = ends
    port = SerialPort(path, baud=1_000_000)
    port.write(b"abc", seconds=1)
    assert os.read(board, 10) == b"abc"
    os.write(board, b"thrown")
    port.drain()
    os.write(board, b"\0\r\n\x03\x11")
    assert port.read(5, seconds=1) == b"\0\r\n\x03\x11"  # no terminal's manners
    with pytest.raises(LinkError, match="must answer in time, but it is silent"):
        port.read(1, seconds=0.05)
    port.close()


def test_a_second_process_waits_for_the_first(ends: tuple[int, str, int]) -> None:
    _, path, _ = ends
    first, second = SerialPort(path, baud=115_200), []
    waits = threading.Thread(target=lambda: second.append(SerialPort(path, baud=115_200)))
    waits.start()
    waits.join(0.2)
    assert waits.is_alive()
    first.close()
    waits.join(10)
    assert len(second) == 1
    second[0].close()


def test_a_line_that_is_cut_is_lost(ends: tuple[int, str, int]) -> None:
    board, path, host = ends
    port = SerialPort(path, baud=115_200)
    os.close(host)
    os.close(board)
    for act in (
        lambda: port.read(1, seconds=0.1),
        lambda: port.write(b"a", seconds=0.1),
        port.drain,
    ):
        with pytest.raises(LostError, match=rf"the link to {path} was lost: .*error"):
            act()
    port.close()


def test_what_is_no_port_is_one_sentence(tmp_path: Path, ends: tuple[int, str, int]) -> None:
    (tmp_path / "file").write_text("")
    for path, sentence in (
        (tmp_path / "nothing", "can be opened, but .*nothing cannot: No such file"),
        (tmp_path, "can be opened, but .* cannot: Is a directory"),
        (tmp_path / "file", "must be a serial port, and .*file is none"),
    ):
        with pytest.raises(LinkError, match=sentence):
            SerialPort(path, baud=115_200)
    for baud in (-5, 10**12):
        with pytest.raises(LinkError, match=f"serial ports know, not {baud}"):
            SerialPort(ends[1], baud=baud)
