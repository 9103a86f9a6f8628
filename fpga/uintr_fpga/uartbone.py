"""The host's end of uartbone: bytes of a command, and a serial port to send them through."""

import errno
import os
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import serial

from rel4.machine.device import DeviceError

__all__ = ["MAX_WORDS", "LinkError", "LostError", "SerialPort", "read_command", "write_command"]

MAX_WORDS = 255
"""Most words of one command."""

_READ, _WRITE = 2, 1
_LOOK = 0.05
"""Seconds between two looks at a port that another process has."""


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
        while True:
            try:
                self._port = serial.Serial(str(path), baud, exclusive=True)
                return
            except (ValueError, OverflowError) as error:
                raise LinkError(
                    f"baud must be a rate that this system's serial ports know, not {baud}"
                ) from error
            except serial.SerialException as error:
                match error.errno:
                    case None:
                        raise LinkError(
                            f"port must be a serial port, and {path} is none"
                        ) from error
                    case errno.EWOULDBLOCK:
                        time.sleep(_LOOK)
                    case number:
                        raise LostError(
                            f"port must be a serial port that can be opened, but {path} cannot: "
                            f"{os.strerror(number)}"
                        ) from error

    def close(self) -> None:
        """Give the port back."""
        self._port.close()

    def write(self, data: bytes, *, seconds: float) -> None:
        """Write all of ``data``. Raises LinkError."""
        with self._there():
            self._port.write_timeout = seconds
            self._port.write(data)

    def read(self, length: int, *, seconds: float) -> bytes:
        """Exactly ``length`` bytes. Raises LinkError, for a time-out too."""
        with self._there():
            self._port.timeout = seconds
            data = self._port.read(length)
            if len(data) < length:
                raise serial.SerialTimeoutException
        return bytes(data)

    def drain(self) -> None:
        """Throw away what has arrived."""
        with self._there():
            self._port.reset_input_buffer()

    @contextmanager
    def _there(self) -> Iterator[None]:
        try:
            yield
        except serial.SerialTimeoutException as error:
            raise LinkError(
                f"the board on {self.path} must answer in time, but it is silent"
            ) from error
        except (OSError, termios.error) as error:
            raise LostError(f"the link to {self.path} was lost: {error.args[-1]}") from error
