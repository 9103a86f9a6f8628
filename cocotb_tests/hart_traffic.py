"""What the constrained-random requests of one hart have in common, whatever its flavour."""

import random
from typing import ClassVar

from rel4.machine.device import DeviceConfig, Request
from uintr.registers import VECTORS, XLEN, CsrFunction, Privilege, RequestKind

__all__ = ["HartTraffic"]


class HartTraffic:
    """Requests of one hart, from one seeded generator.

    Parameters
    ----------
    config : shape of the hardware
    hart : whose requests
    seed : of the generator; different for each hart
    """

    LEVELS: ClassVar[tuple[Privilege, ...]]
    """Privileges, as often as each is drawn."""
    KINDS: ClassVar[tuple[int, ...]] = ()
    """Kinds that there are not, if a broken request may be of one."""

    def __init__(self, *, config: DeviceConfig, hart: int, seed: str) -> None:
        self._config = config
        self._hart = hart
        self._draw = random.Random(f"{seed} hart {hart}")
        self._level = Privilege.S
        self.begin()

    def begin(self) -> None:
        """After a reset: first of all make the hart ready to send and to be interrupted."""
        self._level = Privilege.S
        self._first = self._beginning()

    def _beginning(self) -> list[Request]:
        raise NotImplementedError

    @property
    def beginning(self) -> bool:
        """Requests of `begin` remain: the hart should stay in S."""
        return bool(self._first)

    def privilege(self) -> Privilege:
        """The hart's next privilege level."""
        self._level = self._draw.choice(self.LEVELS)
        return self._level

    def request(self, interrupt: bool) -> Request:
        """The next request, where ``interrupt`` says whether a trap would be taken."""
        return self._first.pop(0) if self._first else self._next(interrupt)

    def _next(self, interrupt: bool) -> Request:
        raise NotImplementedError

    def _write(self, number: int, word: int) -> Request:
        return Request(RequestKind.CSR, CsrFunction.WRITE, number, word)

    def _trap(self) -> Request:
        return Request(RequestKind.TRAP, 0, 0, self._draw.getrandbits(XLEN))

    def _bits(self) -> int:
        """A pending word, often with no or one bit."""
        draw = self._draw
        return draw.choice((0, 1 << draw.randrange(VECTORS), draw.getrandbits(VECTORS)))

    def _broken(self, request: Request) -> Request:
        """The same with one field replaced by anything."""
        draw = self._draw
        kind, function = request.kind, request.function
        address, data = request.address, request.data
        which = draw.randrange(5 if self.KINDS else 4)
        if which == 4:
            kind = draw.choice(self.KINDS)  # type: ignore[assignment]  # any number
            return Request(kind, function, address, data)
        if which == 0:
            function = draw.randrange(128)
        elif which == 1:
            address = draw.choice((address + draw.randrange(1, 8), draw.getrandbits(XLEN)))
        elif which == 2:
            address = address ^ 1 << draw.randrange(XLEN)
        else:
            data = draw.getrandbits(XLEN)
        return Request(kind, function, address % (1 << XLEN), data)
