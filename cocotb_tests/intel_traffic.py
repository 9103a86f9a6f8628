"""Constrained-random requests for the Intel flavour: mostly sensible, broken in every way."""

from hart_traffic import HartTraffic
from rel4.machine.device import DeviceConfig, Request
from uintr.intel.registers import (
    BROADCAST,
    CANONICAL_BITS,
    FIRST_VECTOR,
    MSRS,
    UITTE,
    UITTE_BYTES,
    UPID,
    UPID_BYTES,
    Instruction,
    Internal,
    Msr,
    StoreFunction,
)
from uintr.registers import PAGE_BYTES, VECTORS, XLEN, CsrFunction, Privilege, RequestKind

__all__ = ["IntelBusTraffic", "IntelTraffic"]

_ENTRIES = 32
"""Entries at the beginning of the table that the traffic keeps filled."""
_DESCRIPTOR_OFFSET = 0x800
_FREE_OFFSET = 0xC00
_UINTR = 1 << 25
_NOTIFICATION = (0xEC, 0xEC, 0xEC, 0xEB)
_HIGH = 0xFFFF_8000_0000_0000


class IntelTraffic(HartTraffic):
    """Requests of one hart. See `traffic.Traffic`."""

    LEVELS = (Privilege.U, Privilege.U, Privilege.S, Privilege.M)

    def _beginning(self) -> list[Request]:
        return [
            self._write(Internal.CR4, _UINTR),
            self._write(Msr.UINTR_TT, self._config.table_base | 1),
            self._write(Msr.UINTR_MISC, MSRS[Msr.UINTR_MISC].pack(uittsz=_ENTRIES - 1, uinv=0xEC)),
            self._write(Msr.UINTR_PD, self._descriptor(self._hart)),
            self._write(Msr.UINTR_HANDLER, 0x4000 + self._hart),
            Request(RequestKind.UIPI, Instruction.STUI),
            *self._initial_descriptor(self._hart),
            *(
                request
                for index in range(self._hart, _ENTRIES, self._config.harts)
                for request in self._fill(index)
            ),
        ]

    def _next(self, interrupt: bool) -> Request:
        draw = self._draw
        if interrupt and draw.random() < 0.3:
            return Request(RequestKind.TRAP, 0, 0, draw.getrandbits(XLEN))
        # A user is mostly refused what is the supervisor's, so it rarely tries.
        supervisor = 1 if self._level is Privilege.U else 8
        make = draw.choices(
            (
                self._senduipi,
                self._flag,
                self._trap,
                self._uret,
                self._internal,
                self._msr,
                self._interrupt,
                self._entry,
                self._upid,
            ),
            (20, 4, 2, 4, 6, 2 * supervisor, supervisor, supervisor, 3 * supervisor),
        )[0]
        request = make()
        return self._broken(request) if draw.random() < 0.02 else request

    # --- places -----------------------------------------------------------------------------------

    def _descriptor(self, number: int) -> int:
        return self._config.table_base + _DESCRIPTOR_OFFSET + UPID_BYTES * number

    def _some_descriptor(self) -> int:
        """One of the few that all harts meet at; rarely one that is not there."""
        draw = self._draw
        if draw.random() < 0.03:
            end = self._config.table_base + self._config.table_pages * 4096
            return draw.choice((end % (1 << XLEN), end - UPID_BYTES, _HIGH, 0x40))
        return self._descriptor(draw.randrange(self._config.harts + 1))

    def _initial_descriptor(self, number: int) -> list[Request]:
        word = UPID.pack(nv=0xEC, ndst=self._hart)
        address = self._descriptor(number)
        return [self._store(address, word), self._store(address + 8, 0)]

    def _store(self, address: int, word: int, function: int = StoreFunction.PLAIN) -> Request:
        return Request(RequestKind.STORE, function, address % (1 << XLEN), word)

    # --- kinds of requests ------------------------------------------------------------------------

    def _senduipi(self) -> Request:
        draw = self._draw
        index = draw.choice(
            (
                *(draw.randrange(_ENTRIES) for _ in range(30)),
                _ENTRIES,
                draw.getrandbits(XLEN),
                1 << draw.randrange(XLEN),
            )
        )
        return Request(RequestKind.UIPI, Instruction.SENDUIPI, 0, index)

    def _flag(self) -> Request:
        function = self._draw.choice(
            (Instruction.CLUI, Instruction.STUI, Instruction.STUI, Instruction.TESTUI, 1, 11)
        )
        return Request(RequestKind.UIPI, function)

    def _uret(self) -> Request:
        width = self._draw.choice((CANONICAL_BITS - 1, CANONICAL_BITS, XLEN))
        return Request(RequestKind.URET, 0, 0, self._draw.getrandbits(width))

    def _internal(self) -> Request:
        draw = self._draw
        number = draw.choice((*Internal, Internal.ACKNOWLEDGE, Internal.ACKNOWLEDGE))
        if draw.random() < 0.6:
            return Request(RequestKind.CSR, CsrFunction.READ, number)
        word = draw.getrandbits(XLEN)
        if number == Internal.CR4:
            word = word | _UINTR if draw.random() < 0.9 else word & ~_UINTR
        elif number == Internal.TSC:
            word = draw.randrange(1024)
        return self._write(number, word)

    def _msr(self) -> Request:
        draw = self._draw
        msr = draw.choice(list(Msr))
        if draw.random() < 0.3:
            return Request(RequestKind.CSR, draw.choice(list(CsrFunction)), msr)
        if draw.random() < 0.1:
            return self._write(msr, draw.getrandbits(XLEN))
        word = draw.choice((0, 0x1000, _HIGH, draw.getrandbits(47)))
        if msr is Msr.UINTR_RR:
            word = self._bits()
        elif msr is Msr.UINTR_MISC:
            size = draw.choice((_ENTRIES - 1, _ENTRIES - 1, 0, 0xFFFF_FFFF))
            word = MSRS[msr].pack(uittsz=size, uinv=draw.choice((*_NOTIFICATION, 0)))
        elif msr is Msr.UINTR_PD:
            word = self._some_descriptor()
        elif msr is Msr.UINTR_TT:
            base = self._config.table_base
            word = draw.choice((base, base, base, base, 0, 0x7FFF_FFFF_FFF0)) | (
                draw.random() < 0.9
            )
        elif msr is Msr.UINTR_TIMER:
            word = draw.choice((0, draw.randrange(1024), draw.randrange(1024)))
        return self._write(msr, word)

    def _interrupt(self) -> Request:
        draw = self._draw
        vector = draw.choice((*_NOTIFICATION, draw.randrange(FIRST_VECTOR, 0x100), 0xDF, 0))
        word = MSRS[Msr.X2APIC_ICR].pack(vector=vector, destination=self._destination())
        return self._write(Msr.X2APIC_ICR, word)

    def _entry(self) -> Request:
        """Half an entry, one in five broken; or a look at it."""
        draw = self._draw
        index = draw.randrange(_ENTRIES)
        if draw.random() < 0.3:
            place = self._config.table_base + UITTE_BYTES * index + draw.choice((0, 8))
            return Request(RequestKind.LOAD, 0, place)
        return draw.choice(self._fill(index))

    def _fill(self, index: int) -> list[Request]:
        draw = self._draw
        word = UITTE.pack(v=1, uv=draw.randrange(VECTORS))
        address = self._some_descriptor()
        fault = draw.randrange(25)
        if fault == 0:
            word &= ~1
        elif fault == 1:
            word |= 1 << draw.choice((1, 7, 14, 15, 16, 63))
        elif fault == 2:
            address |= 1 << draw.randrange(6)
        elif fault == 3:
            address ^= 1 << draw.randrange(47, XLEN)
        place = self._config.table_base + UITTE_BYTES * index
        return [self._store(place, word), self._store(place + 8, address)]

    def _upid(self) -> Request:
        """What a kernel does to descriptors, and a look at them."""
        draw = self._draw
        address = self._some_descriptor()
        sn = UPID.field("sn").mask
        what = draw.randrange(9)
        if what < 2:
            return Request(RequestKind.LOAD, 0, address + draw.choice((0, 8)))
        if what == 2:
            return self._store(address, sn, StoreFunction.OR)
        if what < 5:
            return self._store(address, (1 << XLEN) - 1 - sn, StoreFunction.AND)
        if what == 5:
            return self._store(address + 8, self._bits(), draw.choice(list(StoreFunction)))
        word = UPID.pack(
            on=draw.random() < 0.1,
            sn=draw.random() < 0.1,
            nv=draw.choice((*_NOTIFICATION, 0xE0, 0)),
            ndst=self._destination(),
        )
        if draw.random() < 0.05:
            word |= 1 << draw.choice((2, 7, 15, 24, 31))
        return self._store(address, word, draw.choice((StoreFunction.PLAIN, StoreFunction.SWAP)))

    def _destination(self) -> int:
        """A hart, one that is not there, or all."""
        destinations: list[int] = [*range(self._config.harts + 1), BROADCAST]
        return self._draw.choice(destinations)


class IntelBusTraffic(IntelTraffic):
    """Transfers of the supervisor's bus from outside: mostly of memory that nobody else uses, since
    it knows no lock, and of any number of bytes."""

    def __init__(self, *, config: DeviceConfig, seed: str) -> None:
        super().__init__(config=config, hart=config.harts, seed=seed)

    def transfer(self) -> tuple[bool, int, int, int]:
        """Write or read, byte address, data, and a bit for each byte that is transferred."""
        draw = self._draw
        config = self._config
        write = draw.random() < 0.5
        place = draw.randrange(_FREE_OFFSET, config.table_pages * PAGE_BYTES, 8)
        chance = draw.random()
        if chance < 0.4:  # what harts have written
            write, place = False, draw.randrange(0, PAGE_BYTES, 8)
        address = config.table_base + place
        if chance > 0.95:
            address ^= 1 << draw.randrange(3, XLEN)
            write &= not config.table_base <= address < config.table_base + _FREE_OFFSET
        select = draw.getrandbits(8) if draw.random() < 0.2 else (1 << XLEN // 8) - 1
        return write, address, draw.getrandbits(XLEN), select
