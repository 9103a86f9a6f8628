"""RTL and reference side by side: the same requests in the same cycles, all outputs compared."""

import random
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from rel4.machine.device import Device, Request, Response
from rel4.reference.device import reference_device
from traffic import Traffic
from uintr.registers import Privilege, RequestKind

__all__ = ["Pair", "lockstep"]

_KINDS = frozenset(RequestKind)


class Pair:
    """Two devices that get the same inputs and must show the same outputs: a `Device` itself.

    Parameters
    ----------
    rtl : device under test
    seed : mentioned in the message of a failure

    Members
    -------
    coverage : how often what has happened
    """

    def __init__(self, *, rtl: Device, seed: str) -> None:
        self.rtl = rtl
        self.reference: Any = reference_device(rtl.config)
        self.config = rtl.config
        self.coverage: Counter[str] = Counter()
        self._harts = range(rtl.config.harts)
        self._seed = seed
        self._cycle = 0
        self._requests: dict[int, Request] = {}
        self._history: deque[str] = deque(maxlen=30)

    def _note(self, text: str) -> None:
        self._history.append(f"cycle {self._cycle}: {text}")

    def _compare(self, what: str, rtl: object, reference: object) -> None:
        if rtl != reference:
            history = "\n".join(self._history)
            raise AssertionError(
                f"seed {self._seed!r}, cycle {self._cycle}: {what} is {rtl} in the RTL, "
                f"{reference} in the reference\n{history}"
            )

    async def reset(self) -> None:
        """Reset both."""
        self._note("reset")
        await self.rtl.reset()
        await self.reference.reset()
        self._requests.clear()
        self._cycle += 1
        self.compare()

    def set_privilege(self, hart: int, privilege: Privilege) -> None:
        """Present a privilege level to both."""
        self._note(f"hart {hart} in {privilege.name}")
        self.rtl.set_privilege(hart, privilege)
        self.reference.set_privilege(hart, privilege)

    def submit(self, hart: int, request: Request) -> None:
        """Present a request to both."""
        self._note(f"hart {hart} {request}")
        self.rtl.submit(hart, request)
        self.reference.submit(hart, request)
        self._requests[hart] = request

    @property
    def quiescent(self) -> bool:
        """Both are, or neither."""
        return self.rtl.quiescent

    def response(self, hart: int) -> Response | None:
        """Of both."""
        return self.rtl.response(hart)

    def interrupt(self, hart: int) -> bool:
        """Of both."""
        return self.rtl.interrupt(hart)

    def supervisor_interrupt(self, hart: int) -> bool:
        """Of both."""
        return self.rtl.supervisor_interrupt(hart)

    def free(self, hart: int) -> bool:
        """The hart has no request outstanding."""
        return hart not in self._requests

    async def run(self, limit: int) -> int:
        """Step both as far as they go, which must be equally far."""
        stepped = await self.rtl.run(limit)
        expected = await self.reference.run(limit)
        self._cycle += stepped
        self._compare("the number of cycles stepped", stepped, expected)
        self.compare()
        return stepped

    def compare(self) -> None:
        """All outputs, in this cycle."""
        rtl, reference = self.rtl, self.reference
        self._compare("quiescent", rtl.quiescent, reference.quiescent)
        for hart in self._harts:
            response = reference.response(hart)
            self._compare(f"response of hart {hart}", rtl.response(hart), response)
            interrupt = reference.interrupt(hart)
            self._compare(f"interrupt of hart {hart}", rtl.interrupt(hart), interrupt)
            line = reference.supervisor_interrupt(hart)
            self._compare(
                f"supervisor interrupt of hart {hart}", rtl.supervisor_interrupt(hart), line
            )
            self.coverage["supervisor interrupt"] += line
            if response is not None:
                kind = self._requests.pop(hart).kind
                name = RequestKind(kind).name if kind in _KINDS else "no kind"
                self.coverage[f"{name} {response.status.name}"] += 1
                self.coverage[response.status.name] += 1
                self.coverage["operations"] += 1
            self.coverage["interrupt"] += interrupt
        self._cover()

    def _cover(self) -> None:
        """What only the reference's inside tells about this cycle."""
        controller, bus = self.reference.controller, self.reference.bus
        coverage = self.coverage
        coverage["quiescent"] += self.reference.quiescent
        coverage["controller contended"] += controller.valid & (controller.valid - 1) != 0
        coverage["bus contended"] += bus.waiting & (bus.waiting - 1) != 0
        coverage["operation waits for the sweep"] += bool(controller.sweep and controller.valid)
        ahead, behind = controller.count, controller.record
        if ahead is not None and behind is not None and ahead.receiver == behind.receiver:
            coverage["forwarded"] += 1
            coverage["forwarded between harts"] += ahead.port != behind.port
        if behind is not None:
            coverage["claimed"] += behind.queued < 0
            coverage["queued"] += behind.queued > 0
            coverage["claimed again"] += bus.again
            none = controller.none
            before, after = behind.before, behind.after
            coverage["line joined"] += before == none != after
            coverage["line left"] += before != none == after
            coverage["line moved"] += none != before != after != none
            coverage["kind changed"] += (before < none < after) + (after < none < before)


async def lockstep(
    rtl: Device,
    *,
    seed: str,
    operations: int,
    pair_of: type[Pair] = Pair,
    traffic_of: Callable[..., Any] = Traffic,
) -> dict[str, int]:
    """Random traffic of all harts until ``operations`` requests are answered.

    Traffic comes in spells of different density, so that both crowds and quiet happen. Returns the
    coverage. The flavour's own are ``pair_of`` and ``traffic_of``.
    """
    draw = random.Random(f"{seed} schedule")
    pair = pair_of(rtl=rtl, seed=seed)
    harts = range(rtl.config.harts)
    traffic = [traffic_of(config=rtl.config, hart=hart, seed=seed) for hart in harts]
    pair.compare()
    spell, density = 0, 1.0
    while pair.coverage["operations"] < operations:
        if spell == 0:
            spell = draw.randrange(1, 100)
            density = draw.choice((1.0, 1.0, 0.5, 0.1, 0.0))
        spell -= 1
        if draw.random() < 0.0003:
            await pair.reset()
            for each in traffic:
                each.begin()
        for hart in harts:
            each = traffic[hart]
            if not each.beginning and draw.random() < 0.05:
                pair.set_privilege(hart, each.privilege())
            if pair.free(hart) and draw.random() < density:
                pair.submit(hart, each.request(rtl.interrupt(hart)))
        await pair.run(1 if draw.random() < 0.8 else draw.randrange(1, 30))
    return dict(pair.coverage)
