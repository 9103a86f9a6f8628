"""Interrupts, vectors and words together, two and more at a time, of the Intel flavour."""

from intel_scene import HANDLER, NV, IntelScene
from rel4.machine.device import Device, Response
from uintr.intel.registers import (
    CANONICAL_BITS,
    FIRST_VECTOR,
    MSRS,
    UITTE,
    UPID,
    Internal,
    Msr,
)
from uintr.registers import PAGE_BYTES, VECTORS, XLEN, Privilege, RequestKind, Status

_OK = Response(0, Status.OK)
_WORD = (1 << XLEN) - 1
_HIGH = _WORD << CANONICAL_BITS - 1 & _WORD
_CANONICAL = (Msr.UINTR_HANDLER, Msr.UINTR_STACKADJUST, Msr.UINTR_PD, Msr.UINTR_TT)
_LAST_VECTOR = 0xFF


async def every_pair_of_interrupts(device: Device) -> None:
    """The higher one is taken first, and each alone; UINV's by nobody."""
    scene = await IntelScene.prepared(device)
    vectors = [v for v in range(FIRST_VECTOR, _LAST_VECTOR + 1) if v != NV]
    for hart in scene.harts:
        await scene.interrupt(NV, hart)
        await scene.settle()
        for first in vectors:
            for second in vectors[:: 1 if hart == 0 else 5]:
                await scene.interrupt(first, hart)
                await scene.interrupt(second, hart)
                assert device.supervisor_interrupt(hart)
                for vector in sorted({first, second}, reverse=True):
                    assert await scene.read(Internal.ACKNOWLEDGE, hart) == vector
                assert await scene.read(Internal.ACKNOWLEDGE, hart) == 0
                assert await scene.read(Msr.X2APIC_IRR7, hart) == 1 << NV - FIRST_VECTOR
                assert not device.supervisor_interrupt(hart)


async def all_words_at_once(device: Device) -> None:
    """Registers, table and descriptor hold words of many bits, and keep them."""
    scene = await IntelScene.prepared(device)
    patterns = [0x5555_5555_5555_5555, 0xAAAA_AAAA_AAAA_AAAA, 0x3333_3333_3333_3333, _WORD]
    patterns += [_WORD ^ 1 << bit for bit in range(XLEN)]
    for hart in scene.harts:
        for pattern in patterns:
            for msr in (Msr.UINTR_RR, Msr.UINTR_MISC, Msr.UINTR_TIMER, *_CANONICAL):
                word = pattern & ~MSRS[msr].mask("reserved")
                if msr in _CANONICAL:
                    word = word & ~_HIGH | (_HIGH if pattern >> XLEN - 1 else 0)
                await scene.write(msr, word, hart)
                assert await scene.read(msr, hart) == word
                await scene.write(msr, 0, hart)
            place = scene.base + 0xF00 + 8 * hart
            await scene.store(place, pattern, hart)
            assert await scene.load(place, hart) == pattern
    for hart in scene.harts:
        place = scene.descriptor(hart)
        await scene.write(Msr.UINTR_TT, scene.base | 1, hart)
        misc = MSRS[Msr.UINTR_MISC].pack(uittsz=scene.entries - 1, uinv=NV)
        await scene.write(Msr.UINTR_MISC, misc, hart)
        await scene.write(Msr.UINTR_PD, place, hart)
        for pattern in patterns:
            for vector in (0, 41, 63):
                await scene.uitte(0, UITTE.pack(v=1, uv=vector), place)
                await scene.store(place, UPID.pack(on=1, nv=NV, ndst=hart))
                await scene.store(place + 8, pattern)
                assert (await scene.senduipi(0, hart))[0] == _OK
                assert await scene.load(place + 8) == pattern | 1 << vector
            await scene.write(Msr.UINTR_RR, ~pattern & _WORD, hart)
            await scene.store(place + 8, pattern)
            await scene.interrupt(NV, hart)
            device.set_privilege(hart, Privilege.U)
            await scene.settle()
            device.set_privilege(hart, Privilege.S)
            assert await scene.read(Msr.UINTR_RR, hart) == _WORD
            await scene.write(Msr.UINTR_RR, 0, hart)


async def memory_is_shared(device: Device) -> None:
    """What one hart writes the others read, at every distance of one or two bits; and every entry
    serves every hart."""
    scene = await IntelScene.prepared(device)
    bits = range(3, (device.config.table_pages * PAGE_BYTES - 1).bit_length())
    places = {scene.base ^ 1 << one ^ 1 << other for one in bits for other in bits} | {scene.base}
    written = {place: 0x1234_5678_9ABC_DEF1 * place & _WORD for place in sorted(places)}
    for writer in scene.harts:
        for place, word in written.items():
            await scene.store(place, word ^ writer, writer)
        for reader in scene.harts:
            for place, word in written.items():
                assert await scene.load(place, reader) == word ^ writer
    await device.reset()
    scene = await IntelScene.prepared(device)
    for hart in scene.harts:
        for index in range(scene.entries):
            target = index % len(scene.harts)
            await scene.store(scene.descriptor(target), UPID.pack(sn=1), hart)
            assert (await scene.senduipi(index, hart))[0] == _OK
            assert await scene.load(scene.descriptor(target) + 8) == 1 << index
            await scene.store(scene.descriptor(target) + 8, 0, hart)


async def every_notification_vector(device: Device) -> None:
    """Acknowledgements leave it, processing takes it alone; without CR4.UINTR it is like others."""
    scene = await IntelScene.prepared(device)
    vectors = range(FIRST_VECTOR, _LAST_VECTOR + 1)
    for hart in scene.harts:
        place = scene.descriptor(hart)
        for vector in vectors:
            bit = 1 << vector - FIRST_VECTOR
            misc = MSRS[Msr.UINTR_MISC].pack(uittsz=scene.entries - 1, uinv=vector)
            await scene.write(Msr.UINTR_MISC, misc, hart)
            await scene.store(place, UPID.pack(on=1, nv=vector, ndst=hart))
            await scene.store(place + 8, bit)
            for each in vectors:
                await scene.interrupt(each, hart)
            for each in reversed(vectors):
                if each != vector:
                    assert await scene.read(Internal.ACKNOWLEDGE, hart) == each
            assert await scene.read(Internal.ACKNOWLEDGE, hart) == 0
            assert await scene.read(Msr.X2APIC_IRR7, hart) == bit
            for each in vectors:
                if each != vector:
                    await scene.interrupt(each, hart)
            device.set_privilege(hart, Privilege.U)
            await scene.settle()
            device.set_privilege(hart, Privilege.S)
            assert await scene.read(Msr.UINTR_RR, hart) == bit
            assert await scene.read(Msr.X2APIC_IRR7, hart) == 0xFFFF_FFFF ^ bit
            await scene.write(Msr.UINTR_RR, 0, hart)
            await scene.interrupt(vector, hart)
            await scene.write(Internal.CR4, 0, hart)
            device.set_privilege(hart, Privilege.U)
            await scene.settle()
            device.set_privilege(hart, Privilege.S)
            assert await scene.read(Msr.UINTR_RR, hart) == 0
            for each in reversed(vectors):
                assert await scene.read(Internal.ACKNOWLEDGE, hart) == each
            await scene.write(Internal.CR4, 1 << 25, hart)


async def every_pair_of_vectors(device: Device) -> None:
    """The higher one is delivered first, and leaves the other."""
    scene = await IntelScene.prepared(device)
    for hart in scene.harts:
        for high in range(1, VECTORS):
            for low in range(0, high, 1 if hart == 0 else 5):
                await scene.write(Msr.UINTR_RR, 1 << high | 1 << low, hart)
                device.set_privilege(hart, Privilege.U)
                response, _ = await scene.ask(RequestKind.TRAP, hart=hart)
                assert response == Response(HANDLER + hart, Status.OK)
                assert await scene.read(Internal.UIRRV, hart) == high
                assert (await scene.ask(RequestKind.URET, hart=hart))[0] == _OK
                device.set_privilege(hart, Privilege.S)
                assert await scene.read(Msr.UINTR_RR, hart) == 1 << low
