"""Every receiver at once: counters, queue and kept entries up to their last bit."""

from itertools import product

from rel4.machine.device import Device
from traffic import entry_address
from uintr.registers import (
    ACTIVE,
    CACHE_ENTRIES,
    CLAIM,
    CSRS,
    ENTRIES_PER_PAGE,
    ENTRY_CACHE,
    HIGH,
    LOW,
    NOTIFY_HART,
    PAGE_BYTES,
    SENDER_ENTRY,
    THROTTLE,
    VECTORS,
    Csr,
    Status,
    UipiFunction,
)
from verbs import Verbs


async def every_line(device: Device) -> None:
    """All receivers raise one line, of each hart and kind, and the last one lowers it."""
    verbs = Verbs(device=device)
    config = device.config
    receivers = range(config.receivers)
    for receiver in receivers:
        await verbs.store(verbs.slot(receiver, HIGH), 1 << receiver % VECTORS)

    async def raised(hart: int, supervisor: int) -> bool:
        if supervisor:
            return device.supervisor_interrupt(hart)
        return bool(await verbs.read(Csr.UIP, hart))

    former = None
    await verbs.extend()
    for hart in range(config.harts):
        await verbs.write(Csr.SIDELEG, 1, hart)
    for line in product(range(config.harts), (0, 1)):
        hart, supervisor = line
        word = LOW.pack(active=1, hartid=hart, supervisor=supervisor)
        for receiver in receivers:
            await verbs.store(verbs.slot(receiver, LOW), word)
            # Eight at each end are looked at, since of hundreds each would take a read.
            if min(receiver, receivers[-1] - receiver) < 8:
                assert await raised(*line)
                assert former is None or await raised(*former) == (receiver != receivers[-1])
        assert await verbs.load(verbs.slot(receivers[-1], LOW)) == word
        former = line
    for receiver in receivers:
        assert device.supervisor_interrupt(config.harts - 1)
        pending = await verbs.load(verbs.slot(receiver, HIGH))
        assert pending == 1 << receiver % VECTORS
    assert not any(device.supervisor_interrupt(hart) for hart in range(config.harts))


async def every_notification(device: Device) -> None:
    """All receivers wait in the queue, again and again; each is claimed once, in its turn."""
    verbs = Verbs(device=device)
    config = device.config
    await verbs.extend()
    await verbs.store(verbs.control(NOTIFY_HART), config.harts - 1)
    for receiver in range(config.receivers):
        await verbs.store(verbs.slot(receiver, LOW), LOW.pack(notify=1))
    for turn in range(3 if config.receivers > 16 else 48):
        first = turn * 5 % config.receivers
        order = [*range(first, config.receivers), *range(first)][:: 1 - turn % 2 * 2]
        for receiver in order:
            await verbs.store(verbs.slot(receiver, HIGH), 1 << 63)
        for receiver in order:
            assert device.supervisor_interrupt(config.harts - 1)
            claimed = CLAIM.pack(valid=1, receiver=receiver)
            assert await verbs.load(verbs.control(CLAIM)) == claimed
            assert await verbs.load(verbs.slot(receiver, HIGH)) == 1 << 63
        assert await verbs.load(verbs.control(CLAIM)) == 0
        assert not device.supervisor_interrupt(config.harts - 1)


async def every_entry(device: Device) -> None:
    """Entries of the whole table memory, kept in every place, with all that they can say."""
    verbs = Verbs(device=device)
    config = device.config
    pages, end = config.table_pages, config.table_pages * ENTRIES_PER_PAGE
    last = config.receivers - 1
    for hart in range(config.harts):
        word = CSRS[Csr.SUIST].pack(ppn=config.table_base // PAGE_BYTES, size=pages, en=1)
        await verbs.write(Csr.SUIST, word, hart)
        await verbs.store(verbs.control(ENTRY_CACHE, hart), 1)
        for place in range(CACHE_ENTRIES):
            for index, vector, receiver in (
                (place, 0, 0),
                (end - CACHE_ENTRIES + place, VECTORS - 1, last),
                (place, 0, 0),
            ):
                await verbs.store(verbs.slot(receiver, ACTIVE), 1)
                entry = SENDER_ENTRY.pack(valid=1, vector=vector, receiver=receiver)
                await verbs.store(entry_address(config, index), entry)
                for _ in range(2):  # from memory, then from the cache
                    response = await verbs.uipi(UipiFunction.SEND, index, hart)
                    assert response.status is Status.OK
                    pending = await verbs.load(verbs.slot(receiver, HIGH))
                    assert pending == 1 << vector


async def longest_budget(device: Device) -> None:
    """A bucket of 255 is emptied while no token comes back; then the shortest clock fills it."""
    verbs = Verbs(device=device)
    config = device.config
    await verbs.store(entry_address(config, 0), SENDER_ENTRY.pack(valid=1))
    for hart in range(config.harts):
        await verbs.enable_sender(hart)
        throttle = verbs.control(THROTTLE, hart)
        longest = THROTTLE.pack(period=(1 << 24) - 1, burst=255)
        for count in range(2):
            await verbs.store(throttle, longest)
            for _ in range(255):
                assert (await verbs.uipi(UipiFunction.SEND, 0, hart)).status is Status.OK
            response = await verbs.uipi(UipiFunction.SEND, 0, hart)
            assert response.status is Status.THROTTLED
            assert await verbs.load(throttle) == longest | THROTTLE.pack(count=1)
            await verbs.store(throttle, THROTTLE.pack(period=1, burst=1 + count))
            assert (await verbs.uipi(UipiFunction.SEND, 0, hart)).status is Status.OK
            await verbs.settle()
        await verbs.store(throttle, 0)
        assert await verbs.load(throttle) == 0
