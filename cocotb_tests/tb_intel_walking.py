"""One bit at a time, through every register, entry and descriptor of the Intel flavour."""

from collections.abc import Iterator
from functools import partial
from itertools import combinations_with_replacement

from intel_scene import NV, IntelScene
from rel4.machine.device import Device, Response
from uintr.intel.registers import (
    BROADCAST,
    CANONICAL_BITS,
    FIRST_VECTOR,
    MSRS,
    UITTE,
    UPID,
    Fault,
    Internal,
    Msr,
)
from uintr.registers import PAGE_BYTES, VECTORS, XLEN, CsrFunction, Privilege, RequestKind, Status

_OK, _GP, _UD, _BUS = (Response(0, each) for each in (Status.OK, Status.GP, Status.UD, Status.BUS))
_WORD = (1 << XLEN) - 1
_HIGH = _WORD << CANONICAL_BITS - 1 & _WORD
_CANONICAL = (Msr.UINTR_HANDLER, Msr.UINTR_STACKADJUST, Msr.UINTR_PD, Msr.UINTR_TT)
_LAST_VECTOR = 0xFF
_MOST_REFUSALS = (1 << 16) - 1


def _bits() -> Iterator[int]:
    """Every bit alone, all but one of those that a canonical address repeats, and all of those."""
    yield from (1 << bit for bit in range(XLEN))
    yield from (_HIGH ^ 1 << bit for bit in range(CANONICAL_BITS - 1, XLEN))
    yield _HIGH


def _canonical(word: int) -> bool:
    return word & _HIGH in (0, _HIGH)


async def walking_msrs(device: Device) -> None:
    """What is refused changes nothing."""
    scene = IntelScene(device)
    for hart in scene.harts:
        for msr in (Msr.UINTR_RR, Msr.UINTR_MISC, Msr.UINTR_TIMER, *_CANONICAL):
            for word in _bits():
                good = not word & MSRS[msr].mask("reserved")
                good &= _canonical(word) or msr not in _CANONICAL
                assert await scene.wrmsr(msr, word, hart) == (_OK if good else _GP)
                assert await scene.read(msr, hart) == word * good
                await scene.write(msr, 0, hart)
        for word in _bits():
            await scene.write(Internal.TSC, word, hart)
            assert await scene.read(Internal.TSC, hart) == word
            await scene.write(Internal.TSC, 0, hart)


async def walking_numbers(device: Device) -> None:
    """Numbers next to those of every register are no registers."""
    scene = IntelScene(device)
    there = {*Msr, *Internal}
    for hart in scene.harts:
        for number in sorted(there):
            for bit in range(XLEN):
                if (near := number ^ 1 << bit) not in there:
                    for function in (CsrFunction.READ, CsrFunction.WRITE):
                        assert await scene.csr(function, near, 0, hart) == _GP


async def walking_interrupts(device: Device) -> None:
    """Vectors and destinations of the interrupt command register."""
    scene = IntelScene(device)
    for hart in scene.harts:
        for bit in range(XLEN):
            word = MSRS[Msr.X2APIC_ICR].pack(vector=0xF3, destination=hart) ^ 1 << bit
            reserved = word & MSRS[Msr.X2APIC_ICR].mask("reserved")
            response, _ = await scene.ask(
                RequestKind.CSR, CsrFunction.WRITE, Msr.X2APIC_ICR, word, hart
            )
            assert response == (_GP if reserved else _OK)
            vector, destination = word & 0xFF, word >> 32
            for other in scene.harts:
                reaches = destination in (other, BROADCAST) and vector >= FIRST_VECTOR
                seen = await scene.read(Internal.ACKNOWLEDGE, other)
                assert seen == vector * (reaches and not reserved)


async def walking_notification_vectors(device: Device) -> None:
    """UINV alone is no ordinary interrupt."""
    scene = await IntelScene.prepared(device)
    for hart in scene.harts:
        for vector in range(FIRST_VECTOR, _LAST_VECTOR + 1):
            misc = MSRS[Msr.UINTR_MISC].pack(uittsz=scene.entries - 1, uinv=vector)
            await scene.write(Msr.UINTR_MISC, misc, hart)
            await scene.interrupt(vector, hart)
            await scene.settle()
            assert not device.supervisor_interrupt(hart)
            assert await scene.read(Msr.X2APIC_IRR7, hart) == 1 << vector - FIRST_VECTOR
            await scene.write(Msr.UINTR_MISC, misc ^ 1 << 32, hart)
            await scene.settle()
            assert device.supervisor_interrupt(hart)
            assert await scene.read(Internal.ACKNOWLEDGE, hart) == vector


async def walking_timer_vectors(device: Device) -> None:
    """The event of each."""
    scene = await IntelScene.prepared(device)
    for hart in scene.harts:
        await scene.write(Internal.TSC, 64, hart)
        for vector in range(VECTORS):
            await scene.write(Msr.UINTR_TIMER, 64 | vector, hart)
            device.set_privilege(hart, Privilege.U)
            await scene.settle()
            assert device.interrupt(hart)
            device.set_privilege(hart, Privilege.S)
            assert await scene.read(Msr.UINTR_RR, hart) == 1 << vector
            await scene.write(Msr.UINTR_RR, 0, hart)


async def walking_timer_deadlines(device: Device) -> None:
    """A counter one below, at and above a deadline of one bit."""
    scene = await IntelScene.prepared(device)
    for hart in scene.harts:
        for bit in range(6, XLEN):
            for count in (1 << bit, _WORD):
                await scene.write(Internal.TSC, count, hart)
                await scene.write(Msr.UINTR_TIMER, 1 << bit, hart)
                device.set_privilege(hart, Privilege.U)
                await scene.settle()
                assert device.interrupt(hart)
                device.set_privilege(hart, Privilege.S)
                await scene.write(Msr.UINTR_RR, 0, hart)
            await scene.write(Msr.UINTR_TIMER, 0, hart)
            await scene.write(Internal.TSC, (1 << bit) - 3, hart)
            await scene.write(Msr.UINTR_TIMER, 1 << bit, hart)
            device.set_privilege(hart, Privilege.U)
            assert await scene.until(partial(device.interrupt, hart)) == 4
            assert device.quiescent
            device.set_privilege(hart, Privilege.S)
            assert await scene.read(Internal.TSC, hart) == 1 << bit
            await scene.write(Msr.UINTR_RR, 0, hart)


def _there(device: Device, address: int) -> bool:
    base = device.config.table_base
    return base <= address < base + device.config.table_pages * PAGE_BYTES


async def walking_memory(device: Device) -> None:
    """Addresses next to one that is there, and words."""
    scene = IntelScene(device)
    for hart in scene.harts:
        for bit in range(XLEN):
            address = scene.base ^ 1 << bit
            good = _OK if _there(device, address) else _BUS
            if bit < 3:
                good = Response(0, Status.ILLEGAL)
            answers = [
                (await scene.ask(kind, 0, address, 0, hart))[0]
                for kind in (RequestKind.STORE, RequestKind.LOAD)
            ]
            assert answers == [good, good]
            await scene.store(scene.base, 1 << bit, hart)
            assert await scene.load(scene.base, hart) == 1 << bit
            await scene.store(scene.base, 0, hart)


async def walking_operands(device: Device) -> None:
    """Indices that fit, and the addresses of tables."""
    scene = await IntelScene.prepared(device)
    for hart in scene.harts:
        for bit in range(XLEN):
            expected = Fault.INDEX if bit > 5 else Fault.NONE
            await scene.senduipi(1 << bit, hart)
            assert (await scene.fault(hart))[1] is expected
            await scene.store(scene.descriptor(1 % len(scene.harts)), UPID.pack(sn=1, nv=NV))
        misc = MSRS[Msr.UINTR_MISC].pack(uittsz=0xFFFF_FFFF, uinv=NV)
        await scene.write(Msr.UINTR_MISC, misc, hart)
        for bit in range(XLEN):
            address = scene.base + (16 << bit) & _WORD
            if _there(device, address):
                continue
            response, _ = await scene.senduipi(1 << bit, hart)
            expected = Fault.BUS if _canonical(address) else Fault.TABLE
            expected = Fault.INDEX if bit > 31 else expected
            assert await scene.fault(hart) == (1, expected, 0)
            assert response == (_BUS if expected is Fault.BUS else _GP)
        near = (scene.base ^ 1 << bit for bit in range(XLEN))
        for word in (*_bits(), *near):
            if not _canonical(word) or word & 0xF or _there(device, word):
                continue
            await scene.write(Msr.UINTR_TT, word | 1, hart)
            assert (await scene.senduipi(0, hart))[0] == _BUS
            assert await scene.fault(hart) == (1, Fault.BUS, 0)


async def walking_sizes(device: Device) -> None:
    """Tables of sizes of one and two bits: the index of their end, and the one behind it."""
    scene = await IntelScene.prepared(device)
    for hart in scene.harts:
        for one, other in combinations_with_replacement(range(32), 2):
            last = 1 << one | 1 << other
            misc = MSRS[Msr.UINTR_MISC].pack(uittsz=last, uinv=NV)
            await scene.write(Msr.UINTR_MISC, misc, hart)
            for index in (last, last + 1):
                await scene.senduipi(index, hart)
                assert ((await scene.fault(hart))[1] is Fault.INDEX) == (index > last)


async def walking_entries(device: Device) -> None:
    """Every bit of an entry: it is the vector's, reserved, or the descriptor's address."""
    scene = await IntelScene.prepared(device)
    place = scene.descriptor(0)
    for hart in scene.harts:
        for bit in range(1, XLEN):
            await scene.store(place, UPID.pack(sn=1))
            word = UITTE.pack(v=1) ^ 1 << bit
            await scene.uitte(0, word, place)
            response, _ = await scene.senduipi(0, hart)
            fits = word & ~0xFF == 0 and not word & 0xFE
            vector = UITTE.field("uv").get(word)
            fits |= word == UITTE.pack(v=1, uv=vector)
            assert response == (_OK if fits else _GP)
            assert (await scene.fault(hart))[1] is (Fault.NONE if fits else Fault.ENTRY)
            assert await scene.load(place + 8) == (1 << vector) * fits
            await scene.store(place + 8, 0)
            await scene.uitte(0, word & ~1, place)
            await scene.senduipi(0, hart)
            assert (await scene.fault(hart))[1] is Fault.INVALID
        near = (place ^ 1 << bit for bit in range(XLEN))
        for word in (*_bits(), *near):
            if _there(device, word & ~0x3F):
                continue
            await scene.uitte(0, UITTE.pack(v=1), word)
            await scene.senduipi(0, hart)
            expected = Fault.BUS if _canonical(word) else Fault.ADDRESS
            expected = Fault.ENTRY if word & 0x3F else expected
            assert await scene.fault(hart) == (1, expected, 0)


async def walking_descriptors(device: Device) -> None:
    """Every bit of a descriptor's first word, and vectors of its second."""
    scene = await IntelScene.prepared(device)
    place = scene.descriptor(0)
    reserved = UPID.mask("reserved")
    for hart in scene.harts:
        await scene.uitte(0, UITTE.pack(v=1), place)
        for bit in range(XLEN):
            word = UPID.pack(nv=0xF1, ndst=hart) ^ 1 << bit
            await scene.store(place, word)
            await scene.store(place + 8, 0)
            response, _ = await scene.senduipi(0, hart)
            refused = bool(word & reserved)
            assert response == (_GP if refused else _OK)
            assert (await scene.fault(hart))[1] is (Fault.DESCRIPTOR if refused else Fault.NONE)
            assert await scene.load(place + 8) == (0 if refused else 1)
            sends = not refused and not word & UPID.pack(on=1, sn=1)
            vector, destination = UPID.field("nv").get(word), UPID.field("ndst").get(word)
            for other in scene.harts:
                reaches = sends and destination == other and vector >= FIRST_VECTOR
                assert await scene.read(Internal.ACKNOWLEDGE, other) == vector * reaches
        for vector in range(VECTORS):
            await scene.uitte(0, UITTE.pack(v=1, uv=vector), place)
            await scene.store(place, UPID.pack(sn=1))
            await scene.store(place + 8, 0)
            assert (await scene.senduipi(0, hart))[0] == _OK
            assert await scene.load(place + 8) == 1 << vector


async def walking_processing(device: Device) -> None:
    """The address of the descriptor that is processed: where none is, the notification is lost."""
    scene = await IntelScene.prepared(device)
    for hart in scene.harts:
        near = (scene.descriptor(hart) ^ 1 << bit for bit in range(XLEN))
        for word in (*_bits(), *near):
            if not _canonical(word) or word & 0x3F or _there(device, word):
                continue
            await scene.write(Msr.UINTR_PD, word, hart)
            await scene.interrupt(NV, hart)
            device.set_privilege(hart, Privilege.U)
            await scene.settle()
            device.set_privilege(hart, Privilege.S)
            assert await scene.fault(hart) == (0, Fault.NONE, 1)
        place = scene.descriptor(hart)
        await scene.write(Msr.UINTR_PD, place, hart)
        for vector in range(VECTORS):
            await scene.store(place, UPID.pack(on=1, nv=NV, ndst=hart))
            await scene.store(place + 8, 1 << vector)
            await scene.interrupt(NV, hart)
            device.set_privilege(hart, Privilege.U)
            await scene.settle()
            device.set_privilege(hart, Privilege.S)
            assert await scene.read(Msr.UINTR_RR, hart) == 1 << vector
            assert await scene.load(place + 8) == 0
            assert await scene.load(place) == UPID.pack(nv=NV, ndst=hart)
            await scene.write(Msr.UINTR_RR, 0, hart)


async def _refusals_without_end(device: Device) -> None:
    """The count stays at its highest value. Too long for the contract."""
    scene = await IntelScene.prepared(device)
    for _ in range(_MOST_REFUSALS + 2):
        await scene.senduipi(scene.entries)
    assert await scene.fault() == (_MOST_REFUSALS, Fault.INDEX, 0)
    assert await scene.fault() == (0, Fault.NONE, 0)


LONG = (_refusals_without_end,)
