"""Interrupts, user timer and locked stores of a device of the Intel flavour; the same scenes run on
every device. See `contract.py`."""

import random

from intel_scene import ENTRIES, NOWHERE, NV, IntelScene
from rel4.machine.device import Device, Request, Response
from uintr.intel.registers import (
    BROADCAST,
    FIRST_VECTOR,
    UPID,
    Fault,
    Instruction,
    Internal,
    Msr,
    StoreFunction,
)
from uintr.registers import CsrFunction, Privilege, RequestKind, Status

_KERNEL_NV = 0xEB
_ILLEGAL = Response(0, Status.ILLEGAL)
_BUS = Response(0, Status.BUS)


# --- Interrupts -----------------------------------------------------------------------------------


async def ordinary_interrupts(device: Device) -> None:
    """A vector that is not the notification's is the supervisor's; the highest comes first, and
    what is for nobody is for nobody."""
    scene = await IntelScene.prepared(device)
    for vector in (0xE0, 0xFF, _KERNEL_NV):
        await scene.interrupt(vector, 1)
        assert device.supervisor_interrupt(1)
    await scene.interrupt(FIRST_VECTOR - 1, 1)
    assert await scene.read(Msr.X2APIC_IRR7, 1) == 1 << 31 | 1 << 11 | 1
    for vector in (0xFF, _KERNEL_NV, 0xE0):
        assert device.supervisor_interrupt(1)
        assert await scene.read(Internal.ACKNOWLEDGE, 1) == vector
    assert not device.supervisor_interrupt(1)
    assert await scene.read(Internal.ACKNOWLEDGE, 1) == 0
    for destination in (len(scene.harts), 1 << 16 | 1, 1 << 31):
        await scene.interrupt(0xF0, destination)
    assert not any(device.supervisor_interrupt(hart) for hart in scene.harts)


async def an_interrupt_for_everybody(device: Device) -> None:
    """It reaches its sender too."""
    scene = IntelScene(device)
    await scene.interrupt(0xF1, BROADCAST)
    for hart in scene.harts:
        assert await scene.read(Internal.ACKNOWLEDGE, hart) == 0xF1


async def while_user_interrupts_are_off(device: Device) -> None:
    """The notification is an ordinary interrupt."""
    scene = await IntelScene.prepared(device)
    await scene.senduipi(1)
    assert not device.supervisor_interrupt(1)
    assert await scene.read(Internal.ACKNOWLEDGE, 1) == 0
    await scene.write(Internal.CR4, 0, 1)
    assert device.supervisor_interrupt(1)
    device.set_privilege(1, Privilege.U)
    await scene.settle()
    assert await scene.read(Internal.ACKNOWLEDGE, 1) == NV
    assert not device.supervisor_interrupt(1)


async def a_notification_waits_and_goes_before_a_request(device: Device) -> None:
    """It waits for user mode. Processing takes the cycle in which it begins and eight more; then
    the request."""
    scene = await IntelScene.prepared(device)
    await scene.senduipi(1)
    await scene.settle()
    assert await scene.read(Msr.X2APIC_IRR7, 1) == 1 << (NV - FIRST_VECTOR)
    assert await scene.words(1) == (UPID.pack(on=1, nv=NV, ndst=1), 1 << 1)
    device.set_privilege(1, Privilege.U)
    answer = await scene.ask(RequestKind.UIPI, Instruction.TESTUI, hart=1)
    assert answer == (Response(1, Status.OK), 10)
    assert device.interrupt(1)


async def once_begun_processing_ends(device: Device) -> None:
    """In any privilege."""
    scene = await IntelScene.prepared(device)
    await scene.senduipi(1)
    device.set_privilege(1, Privilege.U)
    await device.run(1)
    device.set_privilege(1, Privilege.S)
    assert not device.quiescent
    assert await scene.settle() == 8
    assert await scene.read(Msr.UINTR_RR, 1) == 2


async def processing_without_memory_is_noted(device: Device) -> None:
    """As lost; the descriptor stays."""
    scene = await IntelScene.prepared(device)
    await scene.senduipi(1)
    await scene.write(Msr.UINTR_PD, NOWHERE, 1)
    device.set_privilege(1, Privilege.U)
    assert await scene.settle() == 3
    assert await scene.fault(1) == (0, Fault.NONE, 1)
    device.set_privilege(1, Privilege.S)
    assert await scene.read(Msr.UINTR_RR, 1) == 0
    assert await scene.read(Msr.X2APIC_IRR7, 1) == 0
    assert await scene.words(1) == (UPID.pack(on=1, nv=NV, ndst=1), 1 << 1)


# --- The user timer -------------------------------------------------------------------------------


async def the_timer_counts_to_its_deadline(device: Device) -> None:
    """In the cycle of the answer it stands at 1000; at 1024, 24 cycles on, the event is processed;
    the interrupt shows in the next."""
    scene = await IntelScene.prepared(device)
    await scene.write(Internal.TSC, 1000)
    deadline = 1024
    await scene.write(Msr.UINTR_TIMER, deadline | 9)
    assert not device.quiescent
    device.set_privilege(0, Privilege.U)
    assert await scene.until(lambda: device.interrupt(0)) == 25
    assert device.quiescent
    assert await scene.read(Internal.TSC) == deadline
    assert (await scene.ask(RequestKind.TRAP))[0].status is Status.OK
    assert await scene.read(Internal.UIRRV) == 9
    device.set_privilege(0, Privilege.S)
    assert await scene.read(Msr.UINTR_TIMER) == await scene.read(Msr.UINTR_RR) == 0


async def the_timer_waits_for_the_flag(device: Device) -> None:
    """And what overwrites it cancels it."""
    scene = await IntelScene.prepared(device)
    await scene.execute(Instruction.CLUI)
    await scene.write(Msr.UINTR_TIMER, 64 | 5)
    await scene.write(Internal.TSC, 100)
    device.set_privilege(0, Privilege.U)
    await device.run(5)
    assert device.quiescent
    device.set_privilege(0, Privilege.S)
    assert await scene.read(Msr.UINTR_RR) == 0
    assert await scene.read(Msr.UINTR_TIMER) == 64 | 5
    await scene.write(Msr.UINTR_TIMER, 64 | 6)
    device.set_privilege(0, Privilege.U)
    await scene.execute(Instruction.STUI)
    assert await scene.until(lambda: device.interrupt(0)) == 1
    device.set_privilege(0, Privilege.S)
    assert await scene.read(Msr.UINTR_RR) == 1 << 6
    assert await scene.read(Msr.UINTR_TIMER) == 0


async def the_timer_waits_for_user_mode(device: Device) -> None:
    """And zero cancels it."""
    scene = await IntelScene.prepared(device)
    await scene.write(Msr.UINTR_TIMER, 640)
    assert await scene.settle() == 640
    assert await scene.read(Internal.TSC) == 640
    assert await scene.read(Msr.UINTR_RR) == 0
    await scene.write(Msr.UINTR_TIMER, 0)
    device.set_privilege(0, Privilege.U)
    await scene.settle()
    assert not device.interrupt(0)
    device.set_privilege(0, Privilege.S)
    await scene.write(Msr.UINTR_TIMER, 640)  # in the past
    device.set_privilege(0, Privilege.U)
    assert await scene.until(lambda: device.interrupt(0)) == 1


async def counting_in_pieces(device: Device) -> None:
    """Stretches of counting may be passed in any."""
    scene = await IntelScene.prepared(device)
    await scene.write(Msr.UINTR_TIMER, 6400)
    for step in (1, 100, 2000, 7):
        assert await device.run(step) == step
    assert await scene.read(Internal.TSC) == 2108
    assert await device.run(10_000) == 6400 - 2109


# --- Memory, and all together ---------------------------------------------------------------------


async def locked_stores(device: Device) -> None:
    """Swap, and, or: the old word comes back; refused off their alignment, of nobody, of a user."""
    scene = IntelScene(device)
    for function, after in (
        (StoreFunction.SWAP, 0b0110),
        (StoreFunction.AND, 0b0010),
        (StoreFunction.OR, 0b1110),
    ):
        device.set_privilege(0, Privilege.S)
        await scene.store(scene.base, 0b1010)
        store = (RequestKind.STORE, function)
        answer = await scene.ask(*store, scene.base, 0b0110)
        assert answer == (Response(0b1010, Status.OK), 5)
        assert await scene.load(scene.base) == after
        for bad in ((function, scene.base + 4), (max(StoreFunction) + 1, scene.base)):
            assert await scene.ask(RequestKind.STORE, *bad) == (_ILLEGAL, 1)
        assert await scene.ask(*store, NOWHERE, 1) == (_BUS, 3)
        device.set_privilege(0, Privilege.U)
        assert await scene.ask(*store, scene.base, 1) == (_ILLEGAL, 1)
    assert await scene.ask(RequestKind.LOAD, 0, scene.base) == (_ILLEGAL, 1)


async def a_reset_in_the_middle(device: Device) -> None:
    """Of processing, sending and a locked store, after any number of cycles: nothing goes on, and
    turns begin with the first hart again."""
    for cycles in range(20):
        for first in range(3):
            scene = await IntelScene.prepared(device)
            place = scene.base + 0xF00
            work = (
                Request(RequestKind.UIPI, Instruction.SENDUIPI, 0, 0),
                Request(RequestKind.STORE, StoreFunction.SWAP, place, 1),
            )
            for hart in scene.harts:
                await scene.interrupt(NV, hart)
            for hart in scene.harts:
                if doing := (hart + first) % 3:
                    device.submit(hart, work[doing - 1])
                else:
                    device.set_privilege(hart, Privilege.U)
            for _ in range(cycles):
                await device.run(1)
            await device.reset()
            await scene.settle()
            assert all(device.response(hart) is None for hart in scene.harts)
            for request in (
                Request(RequestKind.LOAD, 0, place),
                Request(RequestKind.CSR, CsrFunction.WRITE, Msr.X2APIC_ICR, 0),
            ):
                for hart in scene.harts:
                    device.submit(hart, request)
                answered: list[int] = []
                while len(answered) < len(scene.harts):
                    await device.run(1)
                    answered += [hart for hart in scene.harts if device.response(hart) is not None]
                assert answered == list(scene.harts)
            for hart in scene.harts:
                for number in (Msr.UINTR_RR, Msr.X2APIC_IRR7, Internal.FAULT):
                    assert await scene.read(number, hart) == 0


async def no_vector_is_lost(device: Device, seed: int = 1) -> None:
    """Vectors sent by all other harts to the last: each is delivered, at most as often as sent."""
    scene = await IntelScene.prepared(device)
    draw = random.Random(f"vectors {seed}")
    last = scene.harts[-1]
    mine = [index for index in range(ENTRIES) if index % len(scene.harts) == last]
    plan = [(draw.choice(mine), draw.choice((0, 0, 1, 5, 12))) for _ in range(60)]
    device.set_privilege(last, Privilege.U)
    sent: dict[int, int] = {}
    got: dict[int, int] = {}
    busy: set[int] = set()

    async def step(cycles: int = 1) -> None:
        for _ in range(cycles):
            await device.run(1)
            busy.difference_update([hart for hart in busy if device.response(hart) is not None])

    async def ask(kind: RequestKind, address: int = 0) -> Response:
        device.submit(last, Request(kind, CsrFunction.READ, address))
        busy.add(last)
        while last in busy:
            await step()
        response = device.response(last)
        assert response is not None
        return response

    idle = 0
    while idle < 100:
        for hart in scene.harts[:-1]:
            if plan and hart not in busy:
                index, gap = plan.pop()
                sent[index] = sent.get(index, 0) + 1
                device.submit(hart, Request(RequestKind.UIPI, Instruction.SENDUIPI, 0, index))
                busy.add(hart)
                await step(gap)
        if device.interrupt(last) and (await ask(RequestKind.TRAP)).status is Status.OK:
            vector = (await ask(RequestKind.CSR, Internal.UIRRV)).data
            got[vector] = got.get(vector, 0) + 1
            assert (await ask(RequestKind.URET)).status is Status.OK
            idle = 0
        await step()
        idle = idle + 1 if device.quiescent and not plan else 0
    assert len(sent) > 10
    assert set(got) == set(sent)
    assert all(got[vector] <= sent[vector] for vector in got)
