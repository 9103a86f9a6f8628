"""What the extensions do, as software sees it; the same jobs run on every device."""

from itertools import product

from rel4.machine.device import Device, Request, Response
from traffic import entry_address
from uintr.registers import (
    ACTIVE,
    CLAIM,
    CSRS,
    ENTRY_CACHE,
    FEATURES,
    HARTS,
    HIGH,
    ID,
    INVALIDATE,
    LOW,
    MASK_BYTES,
    MASK_OFFSET,
    NOTIFY_HART,
    PAGE_BYTES,
    RECEIVERS,
    REJECTED,
    SEND,
    SENDER_ENTRY,
    SLOT_RESET,
    THROTTLE,
    Csr,
    CsrFunction,
    RequestKind,
    Status,
    UipiFunction,
)
from verbs import Verbs

_VALID = CLAIM.field("valid").mask


def _lines(device: Device) -> list[bool]:
    return [device.supervisor_interrupt(hart) for hart in range(device.config.harts)]


async def identification(device: Device) -> None:
    """Software finds out what it runs on."""
    verbs = Verbs(device=device)
    config = device.config
    assert await verbs.load(verbs.control(ID)) == ID.reset
    assert await verbs.load(verbs.control(FEATURES)) == config.features
    assert await verbs.load(verbs.control(HARTS)) == config.harts
    assert await verbs.load(verbs.control(RECEIVERS)) == config.receivers


async def slot_reset(device: Device) -> None:
    """Nothing of the former owner is left, whatever it was."""
    verbs = Verbs(device=device)
    config = device.config
    low, high = (verbs.slot(1, register) for register in (LOW, HIGH))
    await verbs.extend()
    for supervisor in (0, 1):
        await verbs.store(low, LOW.pack(active=1, mode=1, supervisor=supervisor, hartid=1))
        await verbs.store(high, 1 << 63 | 1)
        await verbs.store(config.base + MASK_OFFSET + MASK_BYTES, 1)
        await verbs.settle()
        assert _lines(device)[1] == supervisor
        await verbs.store(verbs.control(SLOT_RESET), 1)
        assert not any(_lines(device)), "when the write is answered the line is low"
        for address in (low, high, config.base + MASK_OFFSET + MASK_BYTES):
            assert await verbs.load(address) == 0
    request = Request(RequestKind.STORE, 0, verbs.control(SLOT_RESET), config.receivers)
    assert (await verbs.request(0, request))[0] == Response(0, Status.BUS)


async def masks(device: Device) -> None:
    """Masked vectors stay pending without raising the line."""
    verbs = Verbs(device=device)
    config = device.config
    last = config.receivers - 1
    low, high, send = (verbs.slot(last, register) for register in (LOW, HIGH, SEND))
    mask = config.base + MASK_OFFSET + MASK_BYTES * last
    await verbs.extend()
    await verbs.store(low, LOW.pack(active=1, supervisor=1))
    await verbs.store(mask, 1 << 5 | 1 << 40)
    assert await verbs.load(mask) == 1 << 5 | 1 << 40
    await verbs.store(send, 5)
    assert not device.supervisor_interrupt(0)
    await verbs.store(send, 6)
    assert device.supervisor_interrupt(0)
    await verbs.store(mask, 1 << 6 | 1 << 5)
    assert not device.supervisor_interrupt(0)
    await verbs.store(mask, 1 << 6)
    assert device.supervisor_interrupt(0)
    assert await verbs.load(high) == 1 << 5 | 1 << 6
    assert not device.supervisor_interrupt(0)
    beyond = Request(RequestKind.LOAD, 0, mask + MASK_BYTES)
    assert (await verbs.request(0, beyond))[0] == Response(0, Status.BUS)


async def absent_receivers(device: Device) -> None:
    """The kernel is told once of each absent receiver, in order, and of none that was reset."""
    verbs = Verbs(device=device)
    config = device.config
    claim, told = verbs.control(CLAIM), verbs.control(NOTIFY_HART)
    hart = config.harts - 1
    assert await verbs.load(told) == config.harts, "after reset nobody is told"
    await verbs.store(told, config.harts + 5)
    assert await verbs.load(told) == config.harts
    await verbs.store(told, hart)
    assert await verbs.load(claim) == 0
    await verbs.extend()
    for receiver in range(4):
        notify = receiver != 3  # receiver 3 does not ask for it
        await verbs.store(verbs.slot(receiver, LOW), LOW.pack(notify=notify))
    for receiver in (2, 0, 3, 1, 2):
        await verbs.store(verbs.slot(receiver, SEND), receiver)
    assert _lines(device) == [each == hart for each in range(config.harts)]
    # Receiver 0 is reset while it waits: nobody hears of its former owner, and it may wait again.
    await verbs.store(verbs.control(SLOT_RESET), 0)
    assert await verbs.load(claim) == _VALID | 2
    assert await verbs.load(claim) == _VALID | 1, "the claim passed over receiver 0"
    assert not any(_lines(device))
    assert await verbs.load(claim) == 0
    # Pending is not empty: no further notification until it has been read.
    await verbs.store(verbs.slot(2, SEND), 9)
    assert await verbs.load(claim) == 0
    await verbs.load(verbs.slot(2, HIGH))
    await verbs.store(verbs.slot(2, SEND), 9)
    assert await verbs.load(claim) == _VALID | 2
    # An active receiver raises its line; nobody else is told.
    await verbs.load(verbs.slot(2, HIGH))
    await verbs.store(verbs.slot(2, ACTIVE), 1)
    await verbs.store(verbs.slot(2, SEND), 9)
    assert await verbs.load(claim) == 0
    # Reset while it waits, and waiting again: one place in the queue, one notification.
    for _ in range(3):
        await verbs.store(verbs.control(SLOT_RESET), 1)
        await verbs.store(verbs.slot(1, LOW), LOW.pack(notify=1))
        await verbs.store(verbs.slot(1, HIGH), 1)
    assert _lines(device)[hart]
    assert await verbs.load(claim) == _VALID | 1
    assert await verbs.load(claim) == 0
    assert not any(_lines(device))


async def rejected_posts(device: Device) -> None:
    """Each refusal is counted for its hart, with the last cause."""
    verbs = Verbs(device=device)
    config = device.config
    hart = config.harts - 1
    expected = []

    async def refuse(operand: int, status: Status) -> None:
        response = await verbs.uipi(UipiFunction.SEND, operand, hart)
        assert response == Response(0, status)
        expected.append(status)
        word = await verbs.load(verbs.control(REJECTED, hart))
        assert word == REJECTED.pack(count=len(expected), cause=status)

    await refuse(0, Status.DISABLED)
    await verbs.enable_sender(hart)
    await refuse(512, Status.INDEX)
    await verbs.store(entry_address(config, 0), SENDER_ENTRY.pack(valid=0))
    await refuse(0, Status.INVALID)
    await verbs.store(entry_address(config, 0), SENDER_ENTRY.pack(valid=1, vector=64))
    await refuse(0, Status.VECTOR)
    entry = SENDER_ENTRY.pack(valid=1, receiver=config.receivers)
    await verbs.store(entry_address(config, 0), entry)
    await refuse(0, Status.RECEIVER)
    await verbs.store(entry_address(config, 0), SENDER_ENTRY.pack(valid=1))
    assert (await verbs.uipi(UipiFunction.SEND, 0, hart)).status is Status.OK
    assert (await verbs.uipi(UipiFunction.READ, 0, hart)).status is Status.DISABLED
    word = await verbs.load(verbs.control(REJECTED, hart))
    assert word == REJECTED.pack(count=len(expected), cause=expected[-1])
    if hart:
        assert await verbs.load(verbs.control(REJECTED, 0)) == 0
    await verbs.store(verbs.control(REJECTED, hart), 0)
    assert await verbs.load(verbs.control(REJECTED, hart)) == 0


async def budgets(device: Device) -> None:
    """A storm is cut to the hart's budget; what is refused has no effect and is counted."""
    verbs = Verbs(device=device)
    config = device.config
    hart = config.harts - 1
    await verbs.store(entry_address(config, 0), SENDER_ENTRY.pack(valid=1, vector=3, receiver=1))
    await verbs.enable_sender(hart)
    throttle = verbs.control(THROTTLE, hart)
    await verbs.store(throttle, THROTTLE.pack(period=1000, burst=3))
    statuses = [(await verbs.uipi(UipiFunction.SEND, 0, hart)).status for _ in range(5)]
    assert statuses == [Status.OK] * 3 + [Status.THROTTLED] * 2
    assert await verbs.load(throttle) == THROTTLE.pack(period=1000, burst=3, count=2)
    word = await verbs.load(verbs.control(REJECTED, hart))
    assert word == REJECTED.pack(count=2, cause=Status.THROTTLED)
    # A refusal for any other reason takes no token, and comes first where it is found first.
    assert (await verbs.uipi(UipiFunction.SEND, 512, hart)).status is Status.INDEX
    high = verbs.slot(1, HIGH)
    assert await verbs.load(high) == 1 << 3
    assert (await verbs.uipi(UipiFunction.SEND, 0, hart)).status is Status.THROTTLED
    assert await verbs.load(high) == 0
    # The device is not quiescent, so that time does not jump, until the bucket is full.
    assert 2000 < await verbs.settle() <= 3000
    assert (await verbs.uipi(UipiFunction.SEND, 0, hart)).status is Status.OK
    # Other harts have budgets of their own; burst 0 is no post at all; period 0 any number.
    if hart:
        await verbs.enable_sender(0)
        for _ in range(5):
            assert (await verbs.uipi(UipiFunction.SEND, 0, 0)).status is Status.OK
        assert await verbs.load(verbs.control(THROTTLE, 0)) == 0
    await verbs.store(throttle, THROTTLE.pack(period=1))
    assert (await verbs.uipi(UipiFunction.SEND, 0, hart)).status is Status.THROTTLED
    await verbs.store(throttle, 0)
    for _ in range(5):
        assert (await verbs.uipi(UipiFunction.SEND, 0, hart)).status is Status.OK
    assert await verbs.settle() <= config.latency + 1
    beyond = Request(RequestKind.LOAD, 0, verbs.control(THROTTLE, config.harts))
    assert (await verbs.request(0, beyond))[0] == Response(0, Status.BUS)


async def entry_caches(device: Device) -> None:
    """Kept entries are used until they are invalidated, whatever the table holds by then."""
    for hart in {0, device.config.harts - 1}:
        await _entry_cache(device, hart)


async def _entry_cache(device: Device, hart: int) -> None:
    verbs = Verbs(device=device)
    config = device.config
    entry, cache = entry_address(config, 0), verbs.control(ENTRY_CACHE, hart)
    ppn = config.table_base // PAGE_BYTES
    suist = CSRS[Csr.SUIST].pack(ppn=ppn, size=1, en=1)

    async def sends_to() -> int | None:
        """The receiver that the first entry stands for, in the hardware's eyes."""
        for receiver in range(2):
            await verbs.load(verbs.slot(receiver, HIGH))
        response = await verbs.uipi(UipiFunction.SEND, 0, hart)
        if response.status is Status.INVALID:
            return None
        assert response == Response(0, Status.OK)
        pending = [await verbs.load(verbs.slot(each, HIGH)) for each in range(2)]
        return pending.index(1)

    async def table(receiver: int | None) -> None:
        word = 0 if receiver is None else SENDER_ENTRY.pack(valid=1, receiver=receiver)
        await verbs.store(entry, word, hart)

    await verbs.write(Csr.SUIST, suist, hart)
    assert await verbs.load(cache) == 0, "off after reset"
    await table(0)
    assert await sends_to() == 0
    await table(1)
    assert await sends_to() == 1, "software that does not know the cache sees none"
    await verbs.store(cache, ENTRY_CACHE.pack(enable=1))
    assert await verbs.load(cache) == ENTRY_CACHE.pack(enable=1)
    assert await sends_to() == 1
    # A store is not seen, not even one of this hart; explicit invalidation is needed.
    await table(0)
    assert await sends_to() == 1
    await verbs.store(verbs.control(INVALIDATE), 0)
    assert await sends_to() == 0
    await table(None)
    assert await sends_to() == 0
    await verbs.store(cache, ENTRY_CACHE.pack(enable=1))
    assert await sends_to() is None
    # Writing, setting or clearing suist invalidates, reading it does not.
    for function, word, forgets in (
        (CsrFunction.READ, suist, False),
        (CsrFunction.WRITE, suist, True),
        (CsrFunction.SET, 0, True),
        (CsrFunction.CLEAR, 0, True),
    ):
        await table(1)
        assert await sends_to() == 1
        await table(0)
        await verbs.csr(function, Csr.SUIST, word, hart)
        assert await sends_to() == (0 if forgets else 1), function
        await verbs.store(verbs.control(INVALIDATE), 0)
    # Off: invalidated, and nothing is kept any more.
    await table(1)
    assert await sends_to() == 1
    await verbs.store(cache, 0)
    await table(0)
    assert await sends_to() == 0
    await table(1)
    assert await sends_to() == 1
    # Reset: off and empty.
    await verbs.store(cache, ENTRY_CACHE.pack(enable=1))
    await device.reset()
    assert await verbs.load(cache) == 0
    beyond = Request(RequestKind.STORE, 0, verbs.control(ENTRY_CACHE, config.harts), 1)
    assert (await verbs.request(0, beyond))[0] == Response(0, Status.BUS)


async def posts_in_flight(device: Device) -> None:
    """Posts of kept entries follow each other so fast that two are not yet answered when the hart
    asks for something else: their answers are not taken for its own, whatever the pauses.
    """
    verbs = Verbs(device=device)
    await verbs.store(entry_address(device.config, 0), SENDER_ENTRY.pack(valid=1, vector=5))
    await verbs.enable_sender()
    await verbs.enable_receiver(0)
    await verbs.keep_entries()
    for pauses in (*((0,) * posts for posts in range(1, 7)), *product(range(5), repeat=3)):
        for pause in pauses:
            assert await verbs.uipi(UipiFunction.SEND, 0) == Response(0, Status.OK)
            for _ in range(pause):
                await device.run(1)
        assert await verbs.uipi(UipiFunction.READ) == Response(1 << 5, Status.OK)
    await verbs.settle()


async def revocation(device: Device) -> None:
    """A post under way is waited for, and no cache keeps its entry: entry cleared, slot reset, and
    nothing comes after, however the writes meet the posts of the other harts.
    """
    verbs = Verbs(device=device)
    config = device.config
    senders = range(1, config.harts)
    entry, high = entry_address(config, 0), verbs.slot(1, HIGH)
    for hart in senders:
        await verbs.enable_sender(hart)
        await verbs.store(verbs.control(ENTRY_CACHE, hart), 1)
    send = Request(RequestKind.UIPI, UipiFunction.SEND)
    for pause in range(12):
        await verbs.store(entry, SENDER_ENTRY.pack(valid=1, receiver=1))
        for hart in senders:
            await verbs.uipi(UipiFunction.SEND, 0, hart)
        device.submit(0, Request(RequestKind.STORE, 0, entry, 0))
        steps = [Request(RequestKind.STORE, 0, verbs.control(SLOT_RESET), 1)]
        waits = dict.fromkeys(senders, pause)
        busy: set[int] = set()
        done = False
        while not done or busy:
            for hart in senders:
                if hart not in busy and not done:
                    if waits[hart]:
                        waits[hart] -= 1
                    else:
                        device.submit(hart, send)
                        busy.add(hart)
            await device.run(1)
            busy -= {hart for hart in busy if device.response(hart) is not None}
            if device.response(0) is not None:
                if steps:
                    device.submit(0, steps.pop(0))
                else:
                    done = True
        assert await verbs.load(high) == 0, f"a post after slot reset, pause {pause}"
