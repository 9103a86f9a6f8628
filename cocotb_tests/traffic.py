"""Constrained-random requests: mostly sensible, broken in every way the hardware must refuse."""

from hart_traffic import HartTraffic
from rel4.machine.device import DeviceConfig, Request
from uintr.registers import (
    ACTIVE,
    CLAIM,
    CONTROL_OFFSET,
    CONTROL_REGISTERS,
    CSRS,
    ENABLE,
    ENTRIES_PER_PAGE,
    ENTRY_CACHE,
    HIGH,
    INVALIDATE,
    LOW,
    MASK,
    MASK_BYTES,
    MASK_OFFSET,
    NOTIFY_HART,
    PAGE_BYTES,
    REJECTED,
    SEND,
    SENDER_ENTRY,
    SENDER_ENTRY_BYTES,
    SLOT_BYTES,
    SLOT_REGISTERS,
    SLOT_RESET,
    THROTTLE,
    VECTORS,
    XLEN,
    Csr,
    CsrFunction,
    Feature,
    Privilege,
    Register,
    RequestKind,
    UipiFunction,
)

__all__ = ["BusTraffic", "Traffic", "entry_address", "slot_address"]

_SOFTWARE = CSRS[Csr.UIP].field("software").mask
_USED_ENTRIES = 32
"""Entries at the beginning of the table that the traffic keeps filled."""
_OFTEN = (
    *(CLAIM, CLAIM, SLOT_RESET, SLOT_RESET, REJECTED, MASK, MASK, MASK),
    *(THROTTLE, THROTTLE, ENTRY_CACHE, INVALIDATE, INVALIDATE),
)
"""Registers of control page and masks that take more than one access to tell on a receiver."""
_DUEL = (
    *((register, write) for register in (LOW, HIGH, ACTIVE, MASK) for write in (False, True)),
    *((SEND, True), (SEND, True), (HIGH, False), (HIGH, False), (SLOT_RESET, True)),
    *((CLAIM, False),) * 4,
)
"""What a duel of the bus consists of: register, whether it is written."""
_FAULTS = 3
"""Ways in which an entry is broken: invalid, vector, receiver."""
_FAVOURITES = range(_FAULTS, _FAULTS + 2)
"""Entries that are used so often that a cache may find them."""
_ALL_BYTES = (1 << XLEN // 8) - 1


def slot_address(config: DeviceConfig, receiver: int, register: Register) -> int:
    """Address of a register of a receiver's slot."""
    return config.base + receiver * SLOT_BYTES + register.address


def entry_address(config: DeviceConfig, index: int) -> int:
    """Address of an entry of the table that begins at the table memory."""
    return config.table_base + index * SENDER_ENTRY_BYTES


class Traffic(HartTraffic):
    """Requests of one hart, from one seeded generator.

    Members
    -------
    focus : the receiver that all operations are for, or None: any
    storm : only operations on receivers, as dense as the hart unit takes them
    duel : harts post and look, the bus from outside does all that it can do, evenly: so that
        whatever the bus does meets whatever it has done a few cycles before
    """

    LEVELS = (Privilege.U, Privilege.S, Privilege.M)
    KINDS = tuple(sorted(set(range(8)) - {kind.value for kind in RequestKind}))

    focus: int | None = None
    storm = False
    duel = False

    def _beginning(self) -> list[Request]:
        ppn = self._config.table_base // PAGE_BYTES
        receiver = self._hart % self._config.receivers
        low = LOW.pack(active=1, hartid=self._hart)
        first = [
            self._write(Csr.SUIST, CSRS[Csr.SUIST].pack(ppn=ppn, size=1, en=1)),
            self._write(Csr.SUIRS, CSRS[Csr.SUIRS].pack(index=receiver, en=1)),
            self._write(Csr.SIDELEG, _SOFTWARE),
            self._write(Csr.UIE, _SOFTWARE),
            self._write(Csr.USTATUS, CSRS[Csr.USTATUS].pack(uie=1)),
            Request(RequestKind.STORE, 0, slot_address(self._config, receiver, LOW), low),
            *(
                # One broken entry of each kind from the start: no run depends on drawing one.
                self._fill(index, fault=index if index < _FAULTS else None)
                for index in range(self._hart, _USED_ENTRIES, self._config.harts)
            ),
        ]
        if self._draw.random() < 0.9:
            word = ENABLE.pack(supervisor=1, notify=1)
            first.insert(0, self._control_store(ENABLE, word))
        if Feature.ENTRY_CACHE in self._config.features and self._draw.random() < 0.7:
            first.append(self._control_store(ENTRY_CACHE, 1, 8 * self._hart))
        return first

    def _next(self, interrupt: bool) -> Request:
        draw = self._draw
        if self.duel:
            return self._duelling()
        if self.storm and draw.random() < 0.9:
            return self._stormy()
        if interrupt and draw.random() < 0.3:
            return Request(RequestKind.TRAP, 0, 0, draw.getrandbits(XLEN))
        # A user is mostly refused what is the supervisor's, so it rarely tries.
        supervisor = 1 if self._level is Privilege.U else 8
        make = draw.choices(
            (
                self._csr,
                self._send,
                self._own,
                self._trap,
                self._uret,
                self._table,
                self._slot,
                self._control,
            ),
            (10, 12, 12, 2, 4, supervisor, 3 * supervisor, supervisor),
        )[0]
        request = make()
        if draw.random() < 0.02:
            return self._broken(request)
        return request

    def _stormy(self) -> Request:
        """What reaches a receiver: own operations need no bus, so those of all harts meet."""
        draw = self._draw
        if draw.random() < 0.05:
            word = CSRS[Csr.SUIRS].pack(index=self._receiver(), en=1)
            return self._write(Csr.SUIRS, word)
        if self._level is Privilege.U or draw.random() < 0.6:
            return draw.choice((self._send, self._send, self._own, self._own))()
        return draw.choice((self._slot, self._slot, self._control, self._table))()

    def _duelling(self) -> Request:
        draw = self._draw
        if self._level is not Privilege.U and draw.random() < 0.2:
            return self._fill(draw.choice(_FAVOURITES))
        if draw.random() < 0.2:
            return self._own()
        return Request(RequestKind.UIPI, UipiFunction.SEND, 0, draw.choice(_FAVOURITES))

    def _control_store(self, register: Register, word: int, offset: int = 0) -> Request:
        address = self._config.base + CONTROL_OFFSET + register.address + offset
        return Request(RequestKind.STORE, 0, address, word)

    def _csr(self) -> Request:
        draw = self._draw
        csr = draw.choice(list(Csr))
        function = draw.choice(list(CsrFunction))
        word = draw.getrandbits(XLEN)
        useful = draw.random() < 0.9
        if csr is Csr.SUIST and useful:
            function = CsrFunction.WRITE
            pages = self._config.table_pages
            word = CSRS[csr].pack(
                ppn=self._config.table_base // PAGE_BYTES
                + draw.choice((0, 0, 0, pages - 1, pages)),
                size=draw.choice((1, 1, pages, 0)),
                en=draw.random() < 0.8,
            )
        elif csr is Csr.SUIRS and useful:
            function = CsrFunction.WRITE
            word = CSRS[csr].pack(index=self._receiver(), en=draw.random() < 0.8)
        elif csr in (Csr.SIDELEG, Csr.USTATUS, Csr.UIE) and useful:
            function = draw.choice((CsrFunction.SET, CsrFunction.SET, CsrFunction.CLEAR))
            word = 1
        return Request(RequestKind.CSR, function, csr, word)

    def _send(self) -> Request:
        draw = self._draw
        index = draw.choice(
            (
                *(draw.randrange(_USED_ENTRIES) for _ in range(10)),
                *(draw.choice(_FAVOURITES) for _ in range(10)),
                ENTRIES_PER_PAGE - 1,
                ENTRIES_PER_PAGE,
                draw.getrandbits(XLEN),
                1 << draw.randrange(XLEN),
            )
        )
        return Request(RequestKind.UIPI, UipiFunction.SEND, 0, index)

    def _own(self) -> Request:
        function = self._draw.choice(list(UipiFunction)[1:])
        return Request(RequestKind.UIPI, function, 0, self._bits())

    def _uret(self) -> Request:
        return Request(RequestKind.URET)

    def _table(self) -> Request:
        draw = self._draw
        index = draw.choice((*range(_USED_ENTRIES), ENTRIES_PER_PAGE - 1))
        if draw.random() < 0.6:
            return self._fill(index)
        end = self._config.table_pages * ENTRIES_PER_PAGE
        if draw.random() < 0.1:
            index = draw.choice((-1, end - 1, end))
        return Request(RequestKind.LOAD, 0, entry_address(self._config, index))

    def _fill(self, index: int, fault: int | None = None) -> Request:
        """Write a table entry, broken in the way ``fault`` or, without it, one in seven."""
        draw = self._draw
        valid, vector, receiver = 1, draw.randrange(VECTORS), self._draw.choice(self._few())
        if fault is None:
            fault = draw.randrange(20)
        if fault == 0:
            valid = 0
        elif fault == 1:
            vector = draw.choice((VECTORS, draw.randrange(VECTORS, 1 << 16)))
        elif fault == 2:
            count = self._config.receivers
            receiver = draw.choice((count, draw.randrange(count, 1 << 16)))
        elif fault == 3:
            receiver = self._config.receivers - 1
        word = SENDER_ENTRY.pack(valid=valid, vector=vector, receiver=receiver)
        reserved = draw.getrandbits(XLEN) & SENDER_ENTRY.mask("reserved")
        address = entry_address(self._config, index)
        return Request(RequestKind.STORE, 0, address, word | reserved)

    def _slot(self) -> Request:
        draw = self._draw
        register = draw.choice((*SLOT_REGISTERS, LOW, LOW))
        address = slot_address(self._config, self._receiver(), register)
        if draw.random() < 0.4:
            return Request(RequestKind.LOAD, 0, address)
        word = draw.getrandbits(XLEN)
        if register is SEND:
            word = draw.choice((*range(VECTORS + 2), 1 << 63))
        elif register is HIGH:
            word = self._bits()
        elif register is ACTIVE:
            word = draw.randrange(4)
        elif draw.random() < 0.9:
            hartid = draw.randrange(self._config.harts + 2)
            word = LOW.pack(
                active=draw.random() < (0.5 if self.storm else 0.8),
                mode=draw.randrange(2),
                supervisor=draw.random() < 0.3,
                notify=draw.random() < 0.5,
                hartid=hartid,
            )
        return Request(RequestKind.STORE, 0, address, word)

    def _control(self) -> Request:
        """The control page and the masks."""
        draw = self._draw
        config = self._config
        page = config.base + CONTROL_OFFSET
        register = draw.choice((*CONTROL_REGISTERS, *_OFTEN))
        address = page + register.address
        write = draw.random() < 0.4
        word = draw.getrandbits(XLEN)
        if register is MASK:
            write = draw.random() < 0.7
            address = config.base + MASK_OFFSET + MASK_BYTES * self._receiver()
            word = draw.choice((0, 0, ~0 % (1 << XLEN), word))
        elif register in (REJECTED, THROTTLE, ENTRY_CACHE):
            address += 8 * draw.randrange(config.harts + 1)
            if register is THROTTLE:
                period = draw.choice((0, 0, 1, 2, 7, 30, 300))
                word = THROTTLE.pack(period=period, burst=draw.choice((0, 1, 2, 3, 255)))
            elif register is ENTRY_CACHE:
                word = word & ~1 | (draw.random() < 0.8)
        elif register is SLOT_RESET:
            write = draw.random() < 0.9
            word = draw.choice((self._receiver(), self._receiver(), word))
        elif register is ENABLE and draw.random() < 0.8:
            word = ENABLE.pack(supervisor=1, notify=1)
        elif register is NOTIFY_HART:
            word = draw.randrange(config.harts + 2)
        if write:
            return Request(RequestKind.STORE, 0, address, word)
        return Request(RequestKind.LOAD, 0, address)

    def _few(self) -> range:
        """Receivers that most of the traffic is for, so that harts meet at them."""
        if self.focus is not None:
            return range(self.focus, self.focus + 1)
        return range(min(4, self._config.receivers))

    def _receiver(self) -> int:
        if self.focus is not None:
            return self.focus
        draw = self._draw
        last = self._config.receivers
        return draw.choice((*(draw.choice(self._few()) for _ in range(10)), last - 1, last))


class BusTraffic(Traffic):
    """Transfers of the supervisor's bus from outside: what a hart may load and store, and transfers
    of less than the whole word.

    Parameters
    ----------
    config : shape of the hardware
    seed : of the generator
    """

    def __init__(self, *, config: DeviceConfig, seed: str) -> None:
        super().__init__(config=config, hart=config.harts, seed=seed)

    def transfer(self) -> tuple[bool, int, int, int]:
        """Write or read, byte address, data, and a bit for each byte that is transferred."""
        draw = self._draw
        if self.duel:
            address, write, word = self._operation()
            return write, address, word, _ALL_BYTES
        make = draw.choices(
            (self._table, self._slot, self._control), (1, 1, 1) if not self.storm else (1, 5, 3)
        )[0]
        request = make()
        if draw.random() < 0.03:
            request = self._broken(request)
        select = _ALL_BYTES
        if draw.random() < 0.1:
            select = draw.getrandbits(8)
        write = request.kind == RequestKind.STORE
        return write, request.address & ~7, request.data, select

    def _operation(self) -> tuple[int, bool, int]:
        """An operation of the controller: its address, whether it is a write, and what is written.

        All are drawn, those more often that bring a receiver into the queue and out of it.
        """
        draw = self._draw
        config = self._config
        receiver = self._receiver() % config.receivers
        register, write = draw.choice(_DUEL)
        word = 0
        if register in (SLOT_RESET, CLAIM):
            return config.base + CONTROL_OFFSET + register.address, write, receiver
        if register is MASK:
            return config.base + MASK_OFFSET + MASK_BYTES * receiver, write, word
        if register is LOW:
            active = draw.random() < 0.2
            word = LOW.pack(active=active, notify=1, hartid=draw.randrange(config.harts))
        elif register is SEND:
            word = draw.randrange(VECTORS)
        elif register is HIGH:
            word = self._bits()
        elif register is ACTIVE:
            word = int(draw.random() < 0.2)
        return slot_address(config, receiver, register), write, word
