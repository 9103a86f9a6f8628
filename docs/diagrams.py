"""Timing diagrams of the documentation, drawn from what the reference device does.

``python docs/diagrams.py docs/img`` writes them; a test holds them, and the numbers in the text.
"""

import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from rel4.machine.device import DeviceConfig, Request, Response, run_sync
from rel4.reference.device import ReferenceDevice
from uintr.registers import (
    CSRS,
    LOW,
    SENDER_ENTRY,
    SLOT_BYTES,
    Csr,
    CsrFunction,
    Privilege,
    RequestKind,
    UipiFunction,
)

__all__ = ["Recording", "delivery", "drain", "figures", "write_diagrams"]

CELL, ROW, LEFT = 46, 34, 132


@dataclass
class Recording:
    """Signals of a run, a value for each cycle: True and False are levels, text is drawn as a box
    of that text, and an empty text as a line."""

    device: ReferenceDevice
    signals: dict[str, list[bool | str]] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)
    cycle: int = 0

    async def step(self, requests: dict[int, tuple[str, Request]]) -> dict[int, Response]:
        """One clock cycle in which the named harts present requests."""
        for hart, (_, request) in requests.items():
            self.device.submit(hart, request)
        for hart in range(self.device.config.harts):
            # What software sees in this cycle was produced by the edge before.
            answer = self.device.response(hart) if self.cycle else None
            self._sample(f"hart {hart} request", requests[hart][0] if hart in requests else "")
            self._sample(f"hart {hart} response", answer.status.name if answer else "")
            self._sample(f"hart {hart} interrupt", self.device.interrupt(hart))
        self._sample("quiescent", self.device.quiescent)
        await self.device.run(1)
        self.cycle += 1
        found = {hart: self.device.response(hart) for hart in range(self.device.config.harts)}
        return {hart: answer for hart, answer in found.items() if answer is not None}

    def _sample(self, name: str, value: bool | str) -> None:
        self.signals.setdefault(name, []).append(value)


async def _request(device: ReferenceDevice, hart: int, request: Request) -> Response:
    device.submit(hart, request)
    while True:
        await device.run(1)
        answer = device.response(hart)
        if answer is not None:
            return answer


async def _prepare() -> ReferenceDevice:
    """Two harts: receiver 0 belongs to user code on hart 1, entry 0 of hart 0 posts vector 3."""
    device = ReferenceDevice(DeviceConfig(harts=2, receivers=4))
    config = device.config
    while not device.quiescent:
        await device.run(1)
    table = CSRS[Csr.SUIST].pack(en=1, size=1, ppn=config.table_base >> 12)

    def csr(number: Csr, value: int) -> Request:
        return Request(RequestKind.CSR, CsrFunction.WRITE, number, value)

    def store(address: int, value: int) -> Request:
        return Request(RequestKind.STORE, address=address, data=value)

    entry = SENDER_ENTRY.pack(valid=1, vector=3, receiver=0)
    low = LOW.pack(active=1, mode=1, hartid=1)
    software = CSRS[Csr.UIE].pack(software=1)
    for hart, request in (
        (0, store(config.table_base, entry)),
        (0, csr(Csr.SUIST, table)),
        (1, store(config.base + 0 * SLOT_BYTES + LOW.address, low)),
        (1, csr(Csr.SUIRS, CSRS[Csr.SUIRS].pack(en=1, index=0))),
        (1, csr(Csr.SIDELEG, software)),
        (1, csr(Csr.UTVEC, 0x1000)),
        (1, csr(Csr.UIE, software)),
        (1, csr(Csr.USTATUS, CSRS[Csr.USTATUS].pack(uie=1))),
    ):
        await _request(device, hart, request)
    for hart in (0, 1):
        device.set_privilege(hart, Privilege.U)
    while not device.quiescent:
        await device.run(1)
    return device


async def delivery() -> Recording:
    """From UIPI SEND on hart 0 to the first instruction of the handler on hart 1."""
    run = Recording(await _prepare())
    send = Request(RequestKind.UIPI, UipiFunction.SEND, data=0)
    trap = Request(RequestKind.TRAP, data=0x8000)
    run.notes[0] = "UIPI SEND"
    await run.step({0: ("SEND 0", send)})
    taken = False
    while run.cycle < 11:
        now = run.cycle
        if run.device.interrupt(1) and not taken:
            taken = True
            run.notes[now] = "line reaches the hart"
            await run.step({1: ("TRAP", trap)})
            run.notes[run.cycle] = "handler runs"
        else:
            await run.step({})
    return run


async def drain() -> Recording:
    """What the handler does: take the pending bits, clear uip, return."""
    device = await _prepare()
    await _request(device, 0, Request(RequestKind.UIPI, UipiFunction.SEND, data=0))
    while not device.interrupt(1):
        await device.run(1)
    await _request(device, 1, Request(RequestKind.TRAP, data=0x8000))
    while not device.quiescent:
        await device.run(1)
    run = Recording(device)
    clear = CSRS[Csr.UIP].pack(software=1)
    for title, request in (
        ("READ", Request(RequestKind.UIPI, UipiFunction.READ)),
        ("CLEAR uip", Request(RequestKind.CSR, CsrFunction.CLEAR, Csr.UIP, clear)),
        ("URET", Request(RequestKind.URET)),
    ):
        run.notes[run.cycle] = {"READ": "UIPI READ", "URET": "uret"}.get(title, "")
        answers = await run.step({1: (title, request)})
        while 1 not in answers:
            answers = await run.step({})
    await run.step({})
    await run.step({})
    return run


def draw(run: Recording, names: Sequence[str], title: str) -> str:
    """The recording as SVG."""
    cycles = len(next(iter(run.signals.values())))
    width, top = LEFT + cycles * CELL + 12, 54
    height = top + len(names) * ROW + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="DejaVu Sans, sans-serif" font-size="12">'
        f"<title>{escape(title)}</title>"
        f'<rect width="{width}" height="{height}" rx="6" fill="#ffffff"/>'
    ]
    for cycle in range(cycles + 1):
        x = LEFT + cycle * CELL
        parts.append(f'<path d="M{x} 44V{height - 8}" stroke="#d5d9dd"/>')
        if cycle < cycles:
            parts.append(
                f'<text x="{x + CELL / 2}" y="40" text-anchor="middle" fill="#59616b">'
                f"{cycle}</text>"
            )
    for cycle, note in run.notes.items():
        if note and cycle < cycles:
            x = LEFT + cycle * CELL
            crowded = run.notes.get(cycle + 1)
            at, anchor = (x - 3, "end") if crowded else (x + 3, "start")
            parts.append(
                f'<path d="M{x} 24V{height - 8}" stroke="#c2500a" stroke-dasharray="3 3"/>'
                f'<text x="{at}" y="20" text-anchor="{anchor}" fill="#c2500a">{escape(note)}</text>'
            )
    for row, name in enumerate(names):
        y = top + row * ROW
        parts.append(f'<text x="8" y="{y + 17}" fill="#1d2126">{escape(name)}</text>')
        parts += _wave(run.signals[name], y)
    return "".join([*parts, "</svg>\n"])


def _wave(values: Sequence[bool | str], y: int) -> list[str]:
    high, low, middle = y + 4, y + 24, y + 14
    parts = []
    before: bool | str | None = None
    for cycle, value in enumerate(values):
        x = LEFT + cycle * CELL
        if isinstance(value, str):
            if value:
                parts.append(
                    f'<rect x="{x + 1}" y="{high}" width="{CELL - 2}" height="20" rx="3" '
                    'fill="#dcebf7" stroke="#0b66a8"/>'
                    f'<text x="{x + CELL / 2}" y="{middle + 4}" text-anchor="middle" '
                    f'font-size="{10 if len(value) < 8 else 8}" fill="#1d2126">{escape(value)}'
                    "</text>"
                )
            else:
                parts.append(
                    f'<path d="M{x} {middle}h{CELL}" stroke="#0b66a8" stroke-width="1.4"/>'
                )
            continue
        level = high if value else low
        edge = (
            f"M{x} {low if level == high else high}V{level}"
            if before == (not value)
            else f"M{x} {level}"
        )
        parts.append(
            f'<path d="{edge}H{x + CELL}" fill="none" stroke="#0b66a8" stroke-width="1.8"/>'
        )
        before = value
    return parts


DIAGRAMS: dict[str, tuple[Callable[[], Coroutine[Any, Any, Recording]], list[str], str]] = {
    "delivery": (
        delivery,
        [
            "hart 0 request",
            "hart 0 response",
            "hart 1 interrupt",
            "hart 1 request",
            "hart 1 response",
            "quiescent",
        ],
        "A post from hart 0 becomes a user trap on hart 1",
    ),
    "drain": (
        drain,
        ["hart 1 request", "hart 1 response", "hart 1 interrupt", "quiescent"],
        "The handler takes the pending bits and returns",
    ),
}


def figures() -> dict[str, int]:
    """Cycles that the text gives, read off the same runs."""
    post, handler = run_sync(delivery()), run_sync(drain())
    reads = handler.signals["hart 1 response"].index("OK")
    return {
        "answered": post.signals["hart 0 response"].index("OK"),
        "line": post.signals["hart 1 interrupt"].index(True),
        "handler": post.signals["hart 1 response"].index("OK"),
        "read": reads,
    }


def write_diagrams(folder: Path) -> list[Path]:
    """Write every diagram as ``NAME.svg``; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, (record, names, title) in DIAGRAMS.items():
        path = folder / f"{name}.svg"
        path.write_text(draw(run_sync(record()), names, title), encoding="utf-8")
        paths.append(path)
    return paths


if __name__ == "__main__":
    for written in write_diagrams(Path(sys.argv[1])):
        print(written)
