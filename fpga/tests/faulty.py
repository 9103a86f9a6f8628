"""A serial line that loses and changes bytes, or breaks: a proxy between a host and a board."""

import os
import random
import select
import threading
import tty

__all__ = ["FaultyLine"]


class FaultyLine:
    """A pseudo-terminal that passes bytes on to another one, not all of them and not all unchanged.

    Parameters
    ----------
    path : the board's terminal
    seed : of the one random generator
    drop, corrupt : probability of each for a byte, in either direction
    cut_after : so many bytes pass, then the line is cut; ``cut`` cuts and mends it by hand

    Members
    -------
    cut : nothing passes
    passed : bytes that came, in both directions together
    """

    def __init__(
        self,
        path: str,
        *,
        seed: str,
        drop: float = 0.0,
        corrupt: float = 0.0,
        cut_after: int | None = None,
    ) -> None:
        self._draw = random.Random(seed)
        self._drop, self._corrupt = drop, corrupt
        self.dropped = self.corrupted = 0
        self.cut = False
        self.passed = 0
        self._cut_after = cut_after
        self._board = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._board)
        self._host, other = os.openpty()
        self._other = other
        tty.setraw(other)
        os.set_blocking(self._host, False)
        self.path = os.ttyname(other)
        self._wake, self._end = os.pipe()
        self._thread = threading.Thread(target=self._pass, daemon=True)

    def __enter__(self) -> "FaultyLine":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._end, b"x")
        self._thread.join(10)
        for file in (self._board, self._host, self._other, self._wake, self._end):
            os.close(file)

    def _pass(self) -> None:
        ways = {self._host: self._board, self._board: self._host}
        while True:
            ready, _, _ = select.select([*ways, self._wake], [], [])
            if self._wake in ready:
                return
            for source in ready:
                try:
                    data = os.read(source, 256)
                except BlockingIOError:
                    continue
                data = self._spoil(data)
                while data:
                    select.select([], [ways[source]], [])
                    data = data[os.write(ways[source], data) :]

    def _spoil(self, data: bytes) -> bytes:
        self.passed += len(data)
        if self._cut_after is not None and self.passed > self._cut_after:
            self.cut, self._cut_after = True, None
        if self.cut:
            return b""
        spoilt = bytearray()
        for byte in data:
            chance = self._draw.random()
            if chance < self._drop:
                self.dropped += 1
            elif chance < self._drop + self._corrupt:
                self.corrupted += 1
                spoilt.append(byte ^ 1 << self._draw.randrange(8))
            else:
                spoilt.append(byte)
        return bytes(spoilt)
