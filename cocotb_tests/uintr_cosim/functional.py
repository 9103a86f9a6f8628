"""Functional coverage: which situations the random traffic has met.

Bins are names, and a model lists all that there should be for a shape, so that holes show. Three
groups:

* ``L<latency> <first> > <then> @<distance>``: two operations on the same receiver, one after the
  other, with the cycles from acceptance to acceptance;
* ``<request> <status>``: every way in which a request or transfer ends;
* ``<feature>: <situation>``.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from rel4.machine.device import DeviceConfig, Request
from rel4.reference.observer import Accepted
from rel4.reference.operation import Operation
from uintr.registers import (
    CONTROL_OFFSET,
    CSRS,
    ENABLE,
    LOW,
    MASK_BYTES,
    MASK_OFFSET,
    MAX_HARTS,
    REJECTED_OFFSET,
    SLOT_BYTES,
    Csr,
    CsrFunction,
    Feature,
    Privilege,
    RequestKind,
    Status,
    UipiFunction,
)
from uintr_cosim.sender_bins import SenderBins
from uintr_cosim.shared_reference import ALL_BYTES, BusTransfer, SharedReference

__all__ = ["DISTANCES", "Functional", "distance_name", "model"]

DISTANCES = ("1", "2", "3", "4", "5", "6", "7-15", "16+")

_FEATURE_OF = {
    Operation.RESET_SLOT: Feature.SLOT_RESET,
    Operation.READ_MASK: Feature.MASK,
    Operation.WRITE_MASK: Feature.MASK,
    Operation.CLAIM: Feature.NOTIFY,
}

_SEND_ENDS = ("OK", "DISABLED", "INDEX", "BUS", "INVALID", "VECTOR", "RECEIVER")
_OWN_ENDS = ("OK", "DISABLED", "RECEIVER")
_DELEGATABLE = CSRS[Csr.SIDELEG].mask()
_TARGETS = ("table", "slot", "control", "mask", "nowhere")

_BASE = (
    "operation: waits for the sweep",
    "operation: contended by two ports",
    "operation: contended by all ports",
    "line: joined",
    "line: left",
    "line: moved to another hart",
    "line: several receivers raise one",
    "line: high when a hart in U takes no trap",
    "vector: beyond the last is ignored",
    "CSR: a bit that is not delegated is written",
    "bus: contended by all initiators",
)
_OF_FEATURE = {
    Feature.SUPERVISOR: (
        "supervisor: set in LOW without ENABLE",
        "supervisor: line joined",
        "supervisor: line left",
        "supervisor: kind changed while it raises a line",
    ),
    Feature.SLOT_RESET: (
        "slot reset: of a receiver that raises a line",
        "slot reset: of a receiver in the queue",
        "slot reset: of an inactive receiver with pending bits",
    ),
    Feature.NOTIFY: (
        "notify: set in LOW without ENABLE",
        "notify: queued",
        "notify: queued while it stands in the ring",
        "notify: claimed",
        "notify: claim of an empty queue",
        "notify: claim passes over a reset slot",
        "notify: no second notification before the claim",
        "notify: hart is told",
    ),
    Feature.MASK: (
        "mask: post of a masked vector",
        "mask: line left by masking",
        "mask: line joined by unmasking",
        "mask: notification by unmasking",
    ),
    Feature.REJECTED: ("rejected: counted", "rejected: cleared"),
    Feature.THROTTLE: (
        "SEND THROTTLED",
        "throttle: the last token is taken",
        "throttle: a token comes back",
        "throttle: a token is taken and one comes back",
        "throttle: written while tokens are missing",
    ),
    Feature.ENTRY_CACHE: (
        "entry cache: filled",
        "entry cache: filled in place of another entry",
        "entry cache: hit",
        "entry cache: hit of what the table holds no longer",
        "entry cache: invalidated by INVALIDATE",
        "entry cache: invalidated by ENTRY_CACHE",
        "entry cache: invalidated by SLOT_RESET",
        "entry cache: invalidated by suist",
        "entry cache: invalidation waits for a post",
    ),
}


def distance_name(cycles: int) -> str:
    """The bin of a distance."""
    if cycles < 7:
        return str(cycles)
    return "7-15" if cycles < 16 else "16+"


def _operations(config: DeviceConfig) -> list[Operation]:
    return [
        each
        for each in Operation
        if each not in _FEATURE_OF or _FEATURE_OF[each] in config.features
    ]


def model(config: DeviceConfig) -> list[str]:
    """Every bin of a shape."""
    operations = _operations(config)
    bins = [
        f"L{config.latency} {first.name} > {then.name} @{distance}"
        for first in operations
        for then in operations
        for distance in DISTANCES
    ]
    bins += [f"SEND {end}" for end in _SEND_ENDS]
    bins += [
        f"{f.name} {end}" for f in UipiFunction if f is not UipiFunction.SEND for end in _OWN_ENDS
    ]
    bins += ["UIPI of no function ILLEGAL", "request of no kind ILLEGAL"]
    bins += [f"CSR {f.name} OK" for f in CsrFunction]
    bins += [f"CSR {why} ILLEGAL" for why in ("number", "privilege", "function")]
    bins += [f"CSR {csr.name} written" for csr in Csr]
    bins += ["TRAP OK", "TRAP NOT_PENDING", "URET OK"]
    for kind in ("LOAD", "STORE"):
        bins += [
            f"{kind} OK",
            f"{kind} BUS",
            f"{kind} privilege ILLEGAL",
            f"{kind} address ILLEGAL",
        ]
    for target in _TARGETS:
        if target == "mask" and Feature.MASK not in config.features:
            continue
        for kind in ("read", "write"):
            if target != "nowhere":
                bins.append(f"bus {kind} of {target} OK")
            if target != "table":
                bins.append(f"bus {kind} of {target} BUS")
            bins.append(
                f"bus {kind} of part of a word of {target} {'OK' if target == 'table' else 'BUS'}"
            )
    bins += _BASE
    for feature, names in _OF_FEATURE.items():
        if feature in config.features:
            bins += names
    return bins


class Functional(SenderBins):
    """Watches a whole reference device and counts bins.

    Parameters
    ----------
    reference : what to watch

    Members
    -------
    bins : how often each was met
    """

    def __init__(self, *, reference: SharedReference) -> None:
        self.bins: Counter[str] = Counter()
        super().__init__(reference=reference, bins=self.bins)
        self._config = reference.config
        self._controller = reference.controller
        self._harts = self._config.harts
        self._cycle = 0
        self._contended = (1 << self._harts + 1) - 1
        reference.observe(self)

    def reset(self) -> None:
        """The device was reset."""
        super().reset()
        self._last: dict[int, tuple[Operation, int]] = {}
        self._asked: list[Any] = [None] * (self._reference.config.harts + 1)

    def submit(self, hart: int, request: Request) -> None:
        """A hart presents a request."""
        self._asked[hart] = (request, self._reference.units[hart].privilege)

    def present(self, transfer: BusTransfer) -> None:
        """The supervisor's bus presents a transfer."""
        self._asked[self._harts] = transfer

    def _contention(self, contenders: int) -> None:
        self.bins["operation: contended by two ports"] += contenders > 1
        self.bins["operation: contended by all ports"] += contenders == self._harts + 1

    def claimed_nothing(self, contenders: int) -> None:
        self._contention(contenders)
        self.bins["notify: claim of an empty queue"] += 1

    def accepted(self, what: Accepted) -> None:
        bins, none = self.bins, self._controller.none
        port, operation, receiver, data, contenders, was, now = what
        self._contention(contenders)
        before = self._last.get(receiver)
        if before is not None:
            name = distance_name(self._cycle - before[1])
            bins[f"L{self._config.latency} {before[0].name} > {operation.name} @{name}"] += 1
        self._last[receiver] = (operation, self._cycle)
        self._lines(operation, was.line, now.line)
        if operation is Operation.SEND:
            bins["vector: beyond the last is ignored"] += data >= 64 and port < self._harts + 1
            bins["mask: post of a masked vector"] += data < 64 and was.mask >> data & 1
        elif operation is Operation.RESET_SLOT:
            bins["slot reset: of a receiver that raises a line"] += was.line != none
            bins["slot reset: of a receiver in the queue"] += was.queued
            bins["slot reset: of an inactive receiver with pending bits"] += (
                was.pending > 0 and was.line == none
            )
        elif operation is Operation.CLAIM:
            claimed = "notify: claimed" if was.queued else "notify: claim passes over a reset slot"
            bins[claimed] += 1
        if now.queued > was.queued:
            bins["notify: queued"] += 1
            bins["notify: queued while it stands in the ring"] += was.listed
            bins["mask: notification by unmasking"] += operation is Operation.WRITE_MASK
        elif was.queued and was.notify and not was.active and not was.pending and now.pending:
            bins["notify: no second notification before the claim"] += 1

    def _lines(self, operation: Operation, before: int, after: int) -> None:
        none, bins = self._controller.none, self.bins
        if before == after:
            return
        bins["line: joined"] += after < none
        bins["line: left"] += before < none
        bins["line: moved to another hart"] += none not in (before, after)
        bins["supervisor: line joined"] += after > none
        bins["supervisor: line left"] += before > none
        bins["supervisor: kind changed while it raises a line"] += (
            before < none < after or after < none < before
        )
        bins["line: several receivers raise one"] += (
            after != none and self._controller.counters[after] > 0
        )
        if operation is Operation.WRITE_MASK:
            bins["mask: line left by masking"] += after == none
            bins["mask: line joined by unmasking"] += before == none

    def step(self) -> None:
        """After a cycle of the device."""
        self._cycle = self._reference.cycles
        bins, reference = self.bins, self._reference
        controller = self._controller
        super().step()
        bins["operation: waits for the sweep"] += bool(controller.sweep and controller.valid)
        bins["bus: contended by all initiators"] += reference.bus.waiting == self._contended
        bins["notify: hart is told"] += bool(
            controller.told and reference.control.notify_hart < self._harts
        )
        for number in reference.responding:
            response = reference.response(number)
            asked = self._asked[number]
            if asked is None or response is None:
                continue
            if number < self._harts:
                request, level = asked
                self._request(number, request, level, response.status)
            else:
                self._transfer(asked, response.status)

    def _request(self, hart: int, request: Request, level: Privilege, status: Status) -> None:
        bins, name = self.bins, status.name
        kind = request.kind
        if kind == RequestKind.UIPI:
            known = request.function <= max(UipiFunction)
            what = UipiFunction(request.function).name if known else "UIPI of no function"
            bins[f"{what} {name}"] += 1
            if request.function == UipiFunction.SEND and status is not Status.OK:
                bins["rejected: counted"] += 1
        elif kind == RequestKind.CSR:
            self._csr(hart, request, level, status)
        elif kind in (RequestKind.LOAD, RequestKind.STORE):
            why = ""
            if status is Status.ILLEGAL:
                why = "privilege " if level is Privilege.U else "address "
            bins[f"{RequestKind(kind).name} {why}{name}"] += 1
            target = self._target(request.address)
            self._low(request, target, status)
            if target == "rejected" and kind == RequestKind.STORE and status is Status.OK:
                bins["rejected: cleared"] += 1
        elif kind in (RequestKind.TRAP, RequestKind.URET):
            bins[f"{RequestKind(kind).name} {name}"] += 1
        else:
            bins[f"request of no kind {name}"] += 1
        if self._reference.interrupt(hart):
            bins["line: high when a hart in U takes no trap"] += kind != RequestKind.TRAP

    def _low(self, request: Request, target: str, status: Status) -> None:
        """Bits of LOW that software has not said that it knows."""
        offset = (request.address - self._config.base) % SLOT_BYTES
        low = target == "slot" and offset == LOW.address and request.kind == RequestKind.STORE
        if low and status is Status.OK:
            for name in ("supervisor", "notify"):
                known = ENABLE.field(name).get(self._reference.control.enable)
                asked = LOW.field(name).get(request.data)
                self.bins[f"{name}: set in LOW without ENABLE"] += asked > known

    def _csr(self, hart: int, request: Request, level: Privilege, status: Status) -> None:
        bins, number = self.bins, request.address
        if status is Status.OK:
            hidden = _DELEGATABLE & ~self._reference.csr(hart, Csr.SIDELEG)
            if number in (Csr.UIE, Csr.UIP) and request.function != CsrFunction.READ:
                bins["CSR: a bit that is not delegated is written"] += bool(request.data & hidden)
            bins[f"CSR {CsrFunction(request.function).name} OK"] += 1
            if request.function != CsrFunction.READ:
                bins[f"CSR {Csr(number).name} written"] += 1
        elif number not in set(Csr):
            bins["CSR number ILLEGAL"] += 1
        elif Csr(number).privilege > level:
            bins["CSR privilege ILLEGAL"] += 1
        else:
            bins["CSR function ILLEGAL"] += 1

    def _target(self, address: int) -> str:
        config = self._config
        offset = address - config.base
        (table, table_size) = config.windows[2]
        if table <= address < table + table_size:
            return "table"
        if 0 <= offset < SLOT_BYTES << (config.receivers - 1).bit_length():
            return "slot"
        if 0 <= offset - CONTROL_OFFSET < 4096:
            counter = offset - CONTROL_OFFSET - REJECTED_OFFSET
            return "rejected" if 0 <= counter < 8 * MAX_HARTS else "control"
        masks = MASK_BYTES << (config.receivers - 1).bit_length()
        if Feature.MASK in config.features and 0 <= offset - MASK_OFFSET < masks:
            return "mask"
        return "nowhere"

    def _transfer(self, transfer: BusTransfer, status: Status) -> None:
        target = self._target(transfer.address)
        what = "control" if target == "rejected" else target
        part = "" if transfer.select == ALL_BYTES else "part of a word of "
        kind = "write" if transfer.write else "read"
        self.bins[f"bus {kind} of {part}{what} {status.name}"] += 1
        if target == "rejected" and transfer.write and status is Status.OK:
            self.bins["rejected: cleared"] += 1


def holes(bins: Counter[str], configs: Iterable[DeviceConfig]) -> list[str]:
    """Bins of the shapes' models that were never met, in the order of the models."""
    wanted = dict.fromkeys(name for config in configs for name in model(config))
    return [name for name in wanted if not bins.get(name)]
