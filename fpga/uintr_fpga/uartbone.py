"""The host's end of uartbone: bytes of a command, and a serial port to send them through."""

import errno
import fcntl
import os
import select
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from rel4.machine.device import DeviceError

__all__ = ["MAX_WORDS", "LinkError", "LostError", "SerialPort", "read_command", "write_command"]

MAX_WORDS = 255
"""Most words of one command."""

_READ, _WRITE = 2, 1


class LinkError(DeviceError):
    """The serial link is not there, or was lost, or carries nonsense; one sentence that says so."""


def _header(command: int, address: int, words: int) -> bytes:
    if not 1 <= words <= MAX_WORDS:
        raise ValueError(f"words of a command must be 1 to {MAX_WORDS}, not {words!r}")
    if not 0 <= address < 1 << 32:
        raise ValueError(f"address must be a word address of 32 bits, not {address!r}")
    return bytes((command, words)) + address.to_bytes(4, "big")


def read_command(address: int, words: int) -> bytes:
    """The command that reads ``words`` words from word ``address`` on."""
    return _header(_READ, address, words)


def write_command(address: int, words: Sequence[int]) -> bytes:
    """The command that writes ``words`` from word ``address`` on."""
    return _header(_WRITE, address, len(words)) + b"".join(
        word.to_bytes(4, "big") for word in words
    )


class LostError(LinkError):
    """The port itself is gone, or cannot be opened."""


class SerialPort:
    """A serial port in raw mode, for one process at a time: a second one waits for the first.

    Parameters
    ----------
    path : the device, such as /dev/ttyUSB0
    baud : bit rate

    Raises
    ------
    LinkError : it cannot be opened, or this system knows no such bit rate.
    """

    def __init__(self, path: str | Path, *, baud: int) -> None:
        self.path = Path(path)
        speed = getattr(termios, f"B{baud}", None)
        if speed is None:
            raise LinkError(f"baud must be a rate that this system's serial ports know, not {baud}")
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            raise LostError(
                f"port must be a serial port that can be opened, but {self.path} cannot: "
                f"{error.strerror}"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            settings = termios.tcgetattr(self._file)
            settings[0] = settings[1] = settings[3] = 0
            settings[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
            settings[4] = settings[5] = speed
            termios.tcsetattr(self._file, termios.TCSANOW, settings)
        except (OSError, termios.error) as error:
            os.close(self._file)
            raise LinkError(f"port must be a serial port, and {self.path} is none") from error

    def close(self) -> None:
        """Give the port back."""
        os.close(self._file)

    def write(self, data: bytes, *, seconds: float) -> None:
        """Write all of ``data``. Raises LinkError."""
        end = time.monotonic() + seconds
        while data:
            self._wait(write=True, end=end)
            try:
                data = data[os.write(self._file, data) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._lost(error) from error

    def read(self, length: int, *, seconds: float) -> bytes:
        """Exactly ``length`` bytes. Raises LinkError, for a time-out too."""
        end = time.monotonic() + seconds
        data = b""
        while len(data) < length:
            self._wait(write=False, end=end)
            try:
                part = os.read(self._file, length - len(data))
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._lost(error) from error
            if not part:
                raise self._lost(OSError(errno.EIO, "end of file"))
            data += part
        return data

    def drain(self) -> None:
        """Throw away what has arrived."""
        try:
            while os.read(self._file, 4096):
                pass
        except BlockingIOError:
            pass
        except OSError as error:
            raise self._lost(error) from error

    def _wait(self, *, write: bool, end: float) -> None:
        files = [self._file]
        left = max(end - time.monotonic(), 0)
        ready = select.select([] if write else files, files if write else [], [], left)
        if not ready[write]:
            raise LinkError(f"the board on {self.path} must answer in time, but it is silent")

    def _lost(self, error: OSError) -> LostError:
        return LostError(f"the link to {self.path} was lost: {error.strerror}")
