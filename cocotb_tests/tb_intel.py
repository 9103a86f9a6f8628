"""What software asks of a device of the Intel flavour, and what it is told; the same scenes run on
every device. See `contract.py`, and `docs/intel.md` for the contract itself."""

from intel_scene import ENTRIES, HANDLER, NOWHERE, NV, IntelScene
from rel4.machine.device import Device, Request, Response
from uintr.intel.registers import (
    MSRS,
    UITTE,
    UPID,
    Fault,
    Instruction,
    Internal,
    Msr,
)
from uintr.registers import CsrFunction, Privilege, RequestKind, Status

_OK, _GP, _UD, _ILLEGAL, _BUS = (
    Response(0, status) for status in (Status.OK, Status.GP, Status.UD, Status.ILLEGAL, Status.BUS)
)


# --- Reset, registers -----------------------------------------------------------------------------


async def quiescent_after_one_cycle(device: Device) -> None:
    """At power-on and after a reset alike."""
    for _ in range(2):
        assert not device.quiescent
        assert await device.run(1000) == 1
        assert device.quiescent
        assert await device.run(1000) == 1000
        await device.reset()


async def all_but_the_memory_is_cleared(device: Device) -> None:
    """By a reset."""
    scene = await IntelScene.prepared(device)
    await device.reset()
    for hart in scene.harts:
        for number in (*MSRS, *Internal):
            if number is not Msr.X2APIC_ICR:
                assert await scene.read(number, hart) == 0
    assert await scene.load(scene.base) == UITTE.pack(v=1)


_WRITES: tuple[tuple[int, list[int], list[int]], ...] = (
    (Msr.UINTR_RR, [0, 2**64 - 1], []),
    (Msr.UINTR_HANDLER, [0x7FFF_FFFF_FFFF, 0xFFFF_8000_0000_0000],
     [1 << 47, 0xFFFF_7FFF_FFFF_FFFF, 1 << 63]),
    (Msr.UINTR_STACKADJUST, [1, 128, 0xFFFF_8000_0000_0001], [1 << 47, 1 << 48]),
    (Msr.UINTR_MISC, [(1 << 40) - 1], [1 << 40, 1 << 63]),
    (Msr.UINTR_PD, [0x40, 0xFFFF_FFFF_FFFF_FFC0], [1, 32, 1 << 47]),
    (Msr.UINTR_TT, [0x11, 0xFFFF_8000_0000_0000], [2, 4, 8, 1 << 60]),
    (Msr.UINTR_TIMER, [0x3F], []),
    (Msr.X2APIC_ICR, [0, 0x2_0000_00FF], [1 << 8, 1 << 14, 1 << 18, 1 << 31]),
    *((msr, [], [0, 1]) for msr in range(0x820, 0x828)),
    *((number, [], [0]) for number in (0x81F, 0x828, 0x98B, 0x984, 0, 2**32 - 1, 2**63)),
)  # fmt: skip
"""Register, words that it takes, words that it refuses."""


async def writes_are_checked(device: Device) -> None:
    """Reserved bits, canonical addresses, registers that there are not; none is the user's, and
    none can be set or cleared."""
    scene = IntelScene(device)
    for number, good, bad in _WRITES:
        device.set_privilege(0, Privilege.S)
        reserved = MSRS[Msr(number)].mask("reserved") if number in MSRS else 0
        refused = [*bad, *(1 << bit for bit in range(64) if reserved >> bit & 1)]
        for word in good:
            assert await scene.wrmsr(number, word) == _OK
            if number != Msr.X2APIC_ICR:
                assert await scene.read(number) == word
        for word in refused:
            assert await scene.wrmsr(number, word) == _GP, (hex(number), hex(word))
        if good and number != Msr.X2APIC_ICR:
            assert await scene.read(number) == good[-1]
        for function in (CsrFunction.SET, CsrFunction.CLEAR, 4, 127):
            assert (await scene.ask(RequestKind.CSR, function, number, 1)) == (_ILLEGAL, 1)
        device.set_privilege(0, Privilege.U)
        for function in (CsrFunction.READ, CsrFunction.WRITE):
            assert (await scene.ask(RequestKind.CSR, function, number, 0))[0] == _GP


async def internal_registers(device: Device) -> None:
    """They are for all; the interrupt command register cannot be read by any."""
    scene = IntelScene(device)
    read = (RequestKind.CSR, CsrFunction.READ)
    assert await scene.ask(*read, Msr.X2APIC_ICR) == (_GP, 1)
    device.set_privilege(0, Privilege.U)
    await scene.write(Internal.CR4, 2**64 - 1)
    assert await scene.read(Internal.CR4) == 1 << 25
    await scene.write(Internal.TSC, 77)
    assert await scene.read(Internal.TSC) == 77
    for number in (Internal.UIRRV, Internal.ACKNOWLEDGE):
        assert await scene.wrmsr(number, 0) == _GP
        assert await scene.read(number) == 0
    kind = max(RequestKind) + 1
    device.submit(0, Request(kind, 0, 0, 0))  # type: ignore[arg-type]  # no kind: refused
    await device.run(1)
    assert device.response(0) == _ILLEGAL


# --- Instructions ---------------------------------------------------------------------------------


async def the_flag(device: Device) -> None:
    """CLUI, STUI, TESTUI and UIRET; an address that is not canonical changes nothing."""
    scene = IntelScene(device)
    for function in (Instruction.CLUI, Instruction.STUI, Instruction.TESTUI):
        assert await scene.execute(function) == _UD
    assert await scene.ask(RequestKind.URET, data=5) == (_UD, 1)
    await scene.write(Internal.CR4, 1 << 25)
    for level in (Privilege.U, Privilege.S):
        device.set_privilege(0, level)
        assert await scene.execute(Instruction.STUI) == _OK
        assert await scene.execute(Instruction.TESTUI) == Response(1, Status.OK)
        assert await scene.execute(Instruction.CLUI) == _OK
        assert await scene.execute(Instruction.TESTUI) == _OK
        for beyond in (1 << 47, 1 << 63, 2**63 + 5, 0xFFFF_7FFF_FFFF_FFFF):  # not canonical
            assert await scene.ask(RequestKind.URET, data=beyond) == (_GP, 1)
        assert await scene.execute(Instruction.TESTUI) == _OK
        for good in (0xFFFF_8000_0000_0000, (1 << 47) - 1):
            assert await scene.ask(RequestKind.URET, data=good) == (Response(good, Status.OK), 1)
        assert await scene.execute(Instruction.TESTUI) == Response(1, Status.OK)
    for other in (1, 7, 11, 127):
        assert await scene.execute(other) == _UD


async def highest_vector_first(device: Device) -> None:
    """Each vector once, in user mode alone."""
    scene = await IntelScene.prepared(device)
    pending = {63, 40, 7, 0}
    await scene.write(Msr.UINTR_RR, sum(1 << vector for vector in pending))
    assert await scene.ask(RequestKind.TRAP) == (Response(0, Status.NOT_PENDING), 1)
    device.set_privilege(0, Privilege.U)
    for vector in sorted(pending, reverse=True):
        await device.run(1)
        assert device.interrupt(0)
        assert await scene.ask(RequestKind.TRAP) == (Response(HANDLER, Status.OK), 1)
        assert not device.interrupt(0)
        assert await scene.read(Internal.UIRRV) == vector
        assert await scene.ask(RequestKind.TRAP) == (Response(0, Status.NOT_PENDING), 1)
        assert (await scene.ask(RequestKind.URET))[0] == _OK
    assert not device.interrupt(0)
    device.set_privilege(0, Privilege.S)
    assert await scene.read(Msr.UINTR_RR) == 0


# --- SENDUIPI -------------------------------------------------------------------------------------


async def a_send_with_notification(device: Device) -> None:
    """Entry 2, descriptor read 2, PIR and status written, interrupt presented in t+13. Processing
    begins in t+14, has the bus from t+15 to t+22; the interrupt shows in t+23."""
    for level in (Privilege.U, Privilege.S):
        scene = await IntelScene.prepared(device)
        device.set_privilege(0, level)
        device.set_privilege(1, Privilege.U)
        await scene.settle()
        assert await scene.senduipi(1) == (_OK, 14)
        assert not device.interrupt(1)
        assert await scene.until(lambda: device.interrupt(1)) == 9
        assert device.quiescent
        device.set_privilege(0, Privilege.S)
        device.set_privilege(1, Privilege.S)
        assert await scene.words(1) == (UPID.pack(nv=NV, ndst=1), 0)
        assert await scene.read(Msr.UINTR_RR, 1) == 2
        assert await scene.fault() == (0, Fault.NONE, 0)
        await device.reset()


async def a_send_without_notification(device: Device) -> None:
    """One is outstanding, or suppressed: the vector is posted all the same."""
    for on, sn in ((1, 0), (0, 1), (1, 1)):
        scene = await IntelScene.prepared(device)
        device.set_privilege(1, Privilege.U)
        word = UPID.pack(on=on, sn=sn, nv=NV, ndst=1)
        await scene.store(scene.descriptor(1), word)
        await scene.store(scene.descriptor(1) + 8, 1 << 63)
        other = 1 + len(scene.harts)
        assert await scene.senduipi(1) == (_OK, 11)
        assert await scene.senduipi(other) == (_OK, 11)
        await scene.settle()
        assert not device.interrupt(1)
        assert await scene.words(1) == (word, 1 << 63 | 1 << other | 1 << 1)
        device.set_privilege(1, Privilege.S)
        assert await scene.read(Msr.X2APIC_IRR7, 1) == 0
        await device.reset()


async def faults_of_the_entry(device: Device) -> None:
    """Each has its cause and its cycles; nothing is posted, and the bus is free again."""
    scene = await IntelScene.prepared(device)
    good = scene.descriptor(0)
    for word, address, answer, cause, cycles in (
        (UITTE.pack(uv=1), 0, _GP, Fault.INVALID, 5),
        (UITTE.pack(uv=1) | 2, 0, _GP, Fault.INVALID, 5),
        *((1 | bit, good, _GP, Fault.ENTRY, 5)
          for bit in (2, 0x80, 0x4000, 0x8000, 1 << 16, 1 << 63)),
        *((1, good | bit, _GP, Fault.ENTRY, 5) for bit in (1, 8, 32)),
        *((1, bit, _GP, Fault.ADDRESS, 5) for bit in (1 << 47, 1 << 63)),
        (1, NOWHERE, _BUS, Fault.BUS, 7),
    ):  # fmt: skip
        await scene.uitte(5, word, address)
        assert await scene.senduipi(5) == (answer, cycles), (hex(word), hex(address))
        assert await scene.fault() == (1, cause, 0)
        for hart in scene.harts:
            assert await scene.words(hart) == (UPID.pack(nv=NV, ndst=hart), 0)
    assert await scene.senduipi(0) == (_OK, 14)


async def faults_of_the_descriptor(device: Device) -> None:
    """A reserved bit of it."""
    scene = await IntelScene.prepared(device)
    for bit in (2, 3, 7, 15, 24, 31):
        word = UPID.pack(nv=NV, ndst=1) | 1 << bit
        await scene.store(scene.descriptor(1), word)
        assert await scene.senduipi(1) == (_GP, 7)
        assert await scene.fault() == (1, Fault.DESCRIPTOR, 0)
        assert await scene.words(1) == (word, 0)
    assert await scene.senduipi(0) == (_OK, 14)


async def faults_before_the_entry(device: Device) -> None:
    """Index, table, bus, disabled: in the order of the checks, and counted."""
    scene = await IntelScene.prepared(device)
    for index in (ENTRIES, 1 << 32, 1 << 63, 2**64 - 1):
        assert await scene.senduipi(index) == (_GP, 1)
        assert await scene.fault() == (1, Fault.INDEX, 0)
    # The last canonical address below, and an index that leaves it.
    await scene.write(Msr.UINTR_TT, 0x7FFF_FFFF_FFF1)
    assert await scene.senduipi(1) == (_GP, 1)
    assert await scene.fault() == (1, Fault.TABLE, 0)
    assert await scene.senduipi(0) == (_BUS, 3)
    assert await scene.fault() == (1, Fault.BUS, 0)
    await scene.write(Msr.UINTR_TT, scene.base)
    assert await scene.senduipi(0) == (_UD, 1)
    assert await scene.fault() == (1, Fault.DISABLED, 0)
    await scene.write(Msr.UINTR_TT, scene.base | 1)
    await scene.write(Internal.CR4, 0)
    assert await scene.senduipi(99) == (_UD, 1)
    assert await scene.senduipi(0) == (_UD, 1)
    assert await scene.fault() == (2, Fault.DISABLED, 0)


async def a_notification_to_nobody_is_dropped(device: Device) -> None:
    """No vector that a hart holds, no hart that there is."""
    scene = await IntelScene.prepared(device)
    away = len(scene.harts)
    for nv, ndst in ((0xDF, 1), (0, 1), (NV, away), (NV, 1 << 31 | 1)):
        await scene.store(scene.descriptor(1), UPID.pack(nv=nv, ndst=ndst))
        assert await scene.senduipi(1) == (_OK, 14)
        assert (await scene.words(1))[0] == UPID.pack(on=1, nv=nv, ndst=ndst)
        await scene.settle()
        for hart in scene.harts:
            assert await scene.read(Msr.X2APIC_IRR7, hart) == 0
