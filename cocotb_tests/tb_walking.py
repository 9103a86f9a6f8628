"""One bit at a time, through every field that is compared with something or left out of account."""

from itertools import combinations_with_replacement

from rel4.machine.device import Device, Request, Response
from traffic import entry_address
from uintr.registers import (
    ACTIVE,
    CACHE_ENTRIES,
    CONTROL_OFFSET,
    CSRS,
    ENTRIES_PER_PAGE,
    HIGH,
    LOW,
    PAGE_BYTES,
    SEND,
    SENDER_ENTRY,
    VECTORS,
    XLEN,
    Csr,
    CsrFunction,
    RequestKind,
    Status,
    UipiFunction,
)
from verbs import Verbs


async def walking_words(device: Device) -> None:
    """Words of slot registers: a vector beyond the last is ignored, a hart beyond the last has no
    line, what is reserved is not kept."""
    verbs = Verbs(device=device)
    config = device.config
    slot = config.receivers - 1
    send, low, high, active = (verbs.slot(slot, each) for each in (SEND, LOW, HIGH, ACTIVE))
    for bit in range(XLEN):
        word = 1 << bit
        await verbs.store(send, word)
        assert await verbs.load(high) == (1 << word if word < VECTORS else 0)
        await verbs.store(high, word)
        assert await verbs.load(high) == word
        await verbs.store(low, word | LOW.pack(active=1))
        await verbs.load(low)
        await verbs.store(send, bit)
        assert await verbs.load(high) == word
        await verbs.store(active, word)
        assert await verbs.load(active) == (bit == 0)


async def walking_addresses(device: Device) -> None:
    """Addresses next to those of every window, by one bit: loads, stores, and what they change."""
    verbs = Verbs(device=device)
    config = device.config
    slot = verbs.slot(0, HIGH)
    places = (slot, config.base + CONTROL_OFFSET, entry_address(config, 0))
    for place in places:
        for bit in range(XLEN):
            address = place ^ 1 << bit
            for request in (
                Request(RequestKind.STORE, 0, address, 0),
                Request(RequestKind.LOAD, 0, address),
            ):
                response, _ = await verbs.request(0, request)
                assert response.status in (Status.OK, Status.BUS, Status.ILLEGAL)
                assert (response.status is Status.ILLEGAL) == (bit < 3)
    # The store at SEND, next to HIGH by one bit, has posted vector 0, and nothing else is there.
    assert slot ^ verbs.slot(0, SEND) == 1 << 4
    assert await verbs.load(slot) == 1


async def walking_entries(device: Device) -> None:
    """Sender entries: reserved bits are nothing, a vector or receiver too large is refused."""
    verbs = Verbs(device=device)
    config = device.config
    await verbs.enable_sender()
    await verbs.store(verbs.slot(0, ACTIVE), 1)
    for bit in range(XLEN):
        word = SENDER_ENTRY.pack(valid=1) | 1 << bit
        await verbs.store(entry_address(config, 0), word)
        vector = word & SENDER_ENTRY.field("vector").mask
        receiver = word & SENDER_ENTRY.field("receiver").mask
        expected = Status.OK
        if vector >= SENDER_ENTRY.pack(vector=VECTORS):
            expected = Status.VECTOR
        elif receiver >= SENDER_ENTRY.pack(receiver=config.receivers):
            expected = Status.RECEIVER
        assert (await verbs.uipi(UipiFunction.SEND, 0)).status is expected, f"bit {bit}"
        await verbs.store(entry_address(config, 0), word & ~SENDER_ENTRY.field("valid").mask)
        assert (await verbs.uipi(UipiFunction.SEND, 0)).status is Status.INVALID
        await verbs.load(verbs.slot(0, HIGH))


async def walking_operands(device: Device) -> None:
    """Operands of UIPI: an index beyond the table is refused, whatever its lower bits say."""
    verbs = Verbs(device=device)
    config = device.config
    await verbs.enable_sender()
    await verbs.enable_receiver(0)
    await verbs.store(entry_address(config, 0), SENDER_ENTRY.pack(valid=1))
    for bit in range(XLEN):
        index = 1 << bit
        if index < ENTRIES_PER_PAGE:
            entry = SENDER_ENTRY.pack(valid=1, vector=1 + bit)
            await verbs.store(entry_address(config, index), entry)
        response = await verbs.uipi(UipiFunction.SEND, index)
        fits = index < ENTRIES_PER_PAGE
        assert response.status is (Status.OK if fits else Status.INDEX)
        pending = await verbs.uipi(UipiFunction.READ, index)
        assert pending == Response(1 << 1 + bit if fits else 0, Status.OK)
        assert (await verbs.uipi(UipiFunction.WRITE, index)).status is Status.OK
        assert await verbs.uipi(UipiFunction.READ) == Response(index, Status.OK)


async def walking_kept_entries(device: Device) -> None:
    """Entries whose indices differ in one bit are not taken for each other."""
    verbs = Verbs(device=device)
    config = device.config
    pages = config.table_pages
    end = pages * ENTRIES_PER_PAGE
    word = CSRS[Csr.SUIST].pack(ppn=config.table_base // PAGE_BYTES, size=pages, en=1)
    await verbs.write(Csr.SUIST, word)
    await verbs.keep_entries()
    high = verbs.slot(0, HIGH)
    for base in (0, end - 1):
        for bit in range(end.bit_length()):
            other = base ^ 1 << bit
            if other >= end:
                continue
            for index, vector in ((base, 5), (other, 6), (base, 5)):
                entry = SENDER_ENTRY.pack(valid=1, vector=vector)
                await verbs.store(entry_address(config, index), entry)
                assert (await verbs.uipi(UipiFunction.SEND, index)).status is Status.OK
                assert await verbs.load(high) == 1 << vector


async def walking_far_entries(device: Device) -> None:
    """Entries far from the beginning of their table: kept with every bit of their index."""
    verbs = Verbs(device=device)
    config = device.config
    fields = CSRS[Csr.SUIST]
    pages = (1 << fields.field("size").width) - 1
    ppn = config.table_base // PAGE_BYTES
    await verbs.keep_entries()
    await verbs.store(entry_address(config, 0), SENDER_ENTRY.pack(valid=1, vector=3))
    far = [1 << bit for bit in range((pages * ENTRIES_PER_PAGE).bit_length())]
    outside = far[far.index(ENTRIES_PER_PAGE) :]
    for index in outside:  # the memory keeps what was there before the reset
        for bit in far:
            place = (index ^ bit) - index
            if 0 < place < config.table_pages * ENTRIES_PER_PAGE:
                await verbs.store(entry_address(config, place), 0)
    for index in outside:
        # The table begins so far before the memory that this entry is the memory's first.
        first = ppn - index // ENTRIES_PER_PAGE
        await verbs.write(Csr.SUIST, fields.pack(ppn=first, size=pages, en=1))
        for _ in range(2):
            assert (await verbs.uipi(UipiFunction.SEND, index)).status is Status.OK
        assert await verbs.load(verbs.slot(0, HIGH)) == 1 << 3
        for bit in far:
            other = index ^ bit
            response = await verbs.uipi(UipiFunction.SEND, other)
            assert response.status in (Status.BUS, Status.INVALID)
            assert (await verbs.uipi(UipiFunction.SEND, index)).status is Status.OK
    for place in range(1, CACHE_ENTRIES):
        await verbs.store(entry_address(config, place), SENDER_ENTRY.pack(valid=1, vector=3))
    for index in (*outside, outside[0]):
        first = ppn - index // ENTRIES_PER_PAGE
        await verbs.write(Csr.SUIST, fields.pack(ppn=first, size=pages, en=1))
        for place in (*range(CACHE_ENTRIES), *range(CACHE_ENTRIES)):
            assert (await verbs.uipi(UipiFunction.SEND, index + place)).status is Status.OK


async def walking_places(device: Device) -> None:
    """Places of the table memory that differ in one bit: what one hart writes, the other reads."""
    verbs = Verbs(device=device)
    config = device.config
    end = config.table_pages * ENTRIES_PER_PAGE
    places = {place for bit in range(end.bit_length()) for place in (1 << bit, end - 1 ^ 1 << bit)}
    places = {place for place in places if 0 <= place < end}
    for writer, reader in ((0, config.harts - 1), (config.harts - 1, 0)):
        for place in sorted(places):
            await verbs.store(entry_address(config, place), ~place % (1 << XLEN), writer)
        for place in sorted(places):
            assert await verbs.load(entry_address(config, place), reader) == ~place % (1 << XLEN)
        for place in sorted(places):
            await verbs.store(entry_address(config, place), 0, reader)


async def walking_tables(device: Device) -> None:
    """Tables at pages that differ in a bit, at the last page, of sizes of one and two bits."""
    verbs = Verbs(device=device)
    config = device.config
    fields = CSRS[Csr.SUIST]
    ppn = config.table_base // PAGE_BYTES
    for bit in range(fields.field("ppn").width):
        await verbs.write(Csr.SUIST, fields.pack(ppn=ppn ^ 1 << bit, size=1, en=1))
        response = await verbs.uipi(UipiFunction.SEND, 0)
        inside = ppn ^ 1 << bit in range(ppn, ppn + config.table_pages)
        assert (response.status is Status.BUS) != inside
    # Behind the last page an address has one bit more, and does not wrap round to page 0.
    last_page = (1 << fields.field("ppn").width) - 1
    await verbs.write(Csr.SUIST, fields.pack(ppn=last_page, size=2, en=1))
    behind = await verbs.uipi(UipiFunction.SEND, ENTRIES_PER_PAGE)
    assert behind.status is Status.BUS
    for one, other in combinations_with_replacement(range(fields.field("size").width), 2):
        size = 1 << one | 1 << other
        await verbs.write(Csr.SUIST, fields.pack(ppn=ppn, size=size, en=1))
        last = await verbs.uipi(UipiFunction.SEND, size * ENTRIES_PER_PAGE - 1)
        assert (last.status is Status.BUS) == (size > config.table_pages)
        outside = await verbs.uipi(UipiFunction.SEND, size * ENTRIES_PER_PAGE)
        assert outside.status is Status.INDEX


async def walking_numbers(device: Device) -> None:
    """Numbers of receivers, CSRs, functions and kinds."""
    verbs = Verbs(device=device)
    config = device.config
    fields = CSRS[Csr.SUIRS]
    for bit in range(fields.field("index").width):
        await verbs.write(Csr.SUIRS, fields.pack(index=1 << bit, en=1))
        response = await verbs.uipi(UipiFunction.READ)
        fits = 1 << bit < config.receivers
        assert response.status is (Status.OK if fits else Status.RECEIVER)
    for bit in range(XLEN):
        for csr in Csr:
            await verbs.csr(CsrFunction.READ, csr ^ 1 << bit)
            await verbs.csr(CsrFunction.WRITE, csr, 1 << bit)
            await verbs.csr(CsrFunction.READ, csr)
            await verbs.csr(CsrFunction.CLEAR, csr, 1 << bit)
            await verbs.csr(CsrFunction.SET, csr, 1 << bit)
            await verbs.csr(CsrFunction.READ, csr)
    for function in range(1 << 7):
        await verbs.csr(function, Csr.UIE, 1)
        request = Request(RequestKind.UIPI, function, 0, 0)  # most are no function at all
        response, _ = await verbs.request(0, request)
        if function > max(UipiFunction):
            assert response.status is Status.ILLEGAL
    for bit in range(XLEN):
        await verbs.request(0, Request(RequestKind.TRAP, 0, 0, 1 << bit))
        await verbs.request(0, Request(RequestKind.URET, 0, 1 << bit))
