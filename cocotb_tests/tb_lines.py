"""When a line goes up and down, who goes first, and random traffic that loses nothing; the same
scenes run on every device. See `contract.py`."""

import random
from collections.abc import Iterable

from rel4.machine.device import Device, Request, Response
from traffic import slot_address
from uintr.registers import (
    CSRS,
    ENTRY_CACHE,
    HIGH,
    LOW,
    PAGE_BYTES,
    SEND,
    VECTORS,
    Csr,
    CsrFunction,
    Privilege,
    RequestKind,
    Status,
    UipiFunction,
)
from verbs import Verbs

_SOFTWARE = CSRS[Csr.UIP].field("software").mask
_OK = Response(0, Status.OK)


# --- Lines ----------------------------------------------------------------------------------------


async def supervisor_kind(device: Device) -> None:
    """A receiver of supervisor kind raises the supervisor's line of its hart, and no other."""
    verbs = await Verbs.of(device)
    harts = device.config.harts
    await verbs.extend()
    await verbs.entry(0, vector=1, receiver=3)
    await verbs.enable_sender()
    for hart in range(harts):
        low = LOW.pack(active=1, supervisor=1, hartid=hart)
        user = LOW.pack(active=1, hartid=hart)
        only = [each == hart for each in range(harts)]
        await verbs.user(hart, 3)
        device.set_privilege(0, Privilege.S)
        await verbs.store(verbs.slot(3, LOW), low)
        device.set_privilege(0, Privilege.U if hart == 0 else Privilege.S)
        await verbs.settle()
        device.submit(0, Request(RequestKind.UIPI, UipiFunction.SEND))
        assert await device.run(100) == 4
        assert await device.run(100) == 2, "run stops where the line changes"
        assert verbs.lines() == only
        assert not device.interrupt(hart)
        device.set_privilege(0, Privilege.S)
        # A change of kind moves the bit from one line to the other.
        await verbs.store(verbs.slot(3, LOW), user)
        assert not any(verbs.lines())
        assert await verbs.read(Csr.UIP, hart) == _SOFTWARE
        await verbs.store(verbs.slot(3, LOW), low)
        assert verbs.lines() == only
        assert await verbs.load(verbs.slot(3, HIGH)) == 1 << 1
        assert not any(verbs.lines())
        device.set_privilege(hart, Privilege.S)
    # Nor does a hart that does not exist get one, and a reset forgets.
    await verbs.store(verbs.slot(3, LOW), LOW.pack(active=1, supervisor=1, hartid=harts + 3))
    await verbs.store(verbs.slot(3, HIGH), 1)
    assert not any(verbs.lines())
    await verbs.store(verbs.slot(3, LOW), low)
    assert any(verbs.lines())
    await device.reset()
    assert not any(verbs.lines())


async def the_line_in_the_cycle_of_acceptance(device: Device) -> None:
    """Uip is read as it is when a request is accepted; a write is answered with the line there."""
    verbs = await Verbs.of(device)
    await verbs.entry(0)
    await verbs.write(Csr.SUIST, CSRS[Csr.SUIST].pack(
        ppn=device.config.table_base // PAGE_BYTES, size=1, en=1), 1)  # fmt: skip
    await verbs.user(0, 0)
    device.submit(1, Request(RequestKind.UIPI, UipiFunction.SEND))
    # The line is high from cycle 6 on: what is accepted in 5 does not see it.
    assert await device.run(4) == 4
    assert await device.run(1) == 1
    device.submit(0, Request(RequestKind.CSR, CsrFunction.READ, Csr.UIP))
    device.submit(1, Request(RequestKind.TRAP))
    await device.run(1)
    assert device.response(0) == _OK
    assert device.interrupt(0)
    assert await verbs.read(Csr.UIP) == _SOFTWARE
    assert (await verbs.request(0, Request(RequestKind.TRAP)))[0].status is Status.OK
    assert (await verbs.request(0, Request(RequestKind.URET)))[0].status is Status.OK
    await verbs.store(verbs.slot(0, LOW), 0, hart=1)
    await verbs.settle()
    # Answered in 5 over the bus; the line shows in 4.
    device.submit(1, Request(RequestKind.STORE, 0, verbs.slot(0, LOW), LOW.pack(active=1)))
    assert await device.run(100) == 4
    assert device.interrupt(0)
    assert await device.run(100) == 1
    assert device.response(1) == _OK


async def _together(verbs: Verbs, requests: dict[int, Request]) -> dict[int, int]:
    """Cycles after which each hart's request is answered, all submitted at once."""
    await verbs.settle()
    for hart, request in requests.items():
        verbs.device.submit(hart, request)
    cycles: dict[int, int] = {}
    now = 0
    while len(cycles) < len(requests):
        now += await verbs.device.run(100)
        cycles |= {hart: now for hart in requests if verbs.device.response(hart) is not None}
    return cycles


async def bus_and_unit_share_the_controller(device: Device) -> None:
    """Both are accepted at the earliest in 1; hart 1's port comes before the bus's (2)."""
    verbs = await Verbs.of(device)
    await verbs.enable_receiver(0, 1)
    requests = {
        0: Request(RequestKind.LOAD, 0, verbs.slot(0, SEND)),
        1: Request(RequestKind.UIPI, UipiFunction.READ),
    }
    assert await _together(verbs, requests) == {0: 6, 1: 5}


async def kept_entries_post_one_a_cycle(device: Device) -> None:
    """A burst of posts takes two cycles each through the table, one from caches: the bus makes one
    transfer at a time, and the controller accepts a post in every cycle."""
    verbs = await Verbs.of(device)
    harts = range(device.config.harts)
    for hart in harts:
        await verbs.entry(hart, vector=hart, receiver=hart)
        await verbs.enable_sender(hart)
    posts = {hart: Request(RequestKind.UIPI, UipiFunction.SEND, 0, hart) for hart in harts}
    taken = await _together(verbs, posts)
    assert sorted(taken.values()) == [4 + 2 * each for each in harts]
    for hart in harts:
        await verbs.store(verbs.control(ENTRY_CACHE, hart), 1)
    await _together(verbs, posts)
    taken = await _together(verbs, posts)
    assert sorted(taken.values()) == [2 + each for each in harts]
    for hart in harts:
        assert await verbs.load(verbs.slot(hart, HIGH)) == 1 << hart


# --- Random ---------------------------------------------------------------------------------------


async def one_at_a_time(device: Device, seed: int = 1) -> None:
    """Random actions, one after the other, against what they mean without any notion of time: sets
    of pending vectors, and a line that is the OR over a hart's receivers."""
    verbs = await Verbs.of(device)
    draw = random.Random(f"one at a time {seed}")
    harts, receivers = device.config.harts, min(device.config.receivers, 4)
    pending: list[set[int]] = [set() for _ in range(receivers)]
    active, home = [False] * receivers, [0] * receivers
    raised = 0
    for hart in range(harts):
        await verbs.enable_sender(hart)
        await verbs.write(Csr.SIDELEG, _SOFTWARE, hart)
    for _ in range(200):
        hart, receiver, value = draw.randrange(harts), draw.randrange(receivers), draw.randrange(64)
        match draw.choice(("send", "post", "read", "write", "active", "hart")):
            case "send":
                await verbs.entry(5, hart=hart, vector=value, receiver=receiver)
                assert await verbs.uipi(UipiFunction.SEND, 5, hart) == _OK
                pending[receiver].add(value)
            case "post":
                await verbs.store(verbs.slot(receiver, SEND), value, hart)
                pending[receiver].add(value)
            case "read":
                word = await verbs.load(verbs.slot(receiver, HIGH), hart)
                assert word == sum(1 << bit for bit in pending[receiver])
                pending[receiver].clear()
            case "write":
                await verbs.enable_receiver(receiver, hart)
                assert await verbs.uipi(UipiFunction.WRITE, 1 << value | 1, hart) == _OK
                pending[receiver] |= {value, 0}
            case "active":
                await verbs.enable_receiver(receiver, hart)
                active[receiver] = value % 2 == 1
                on = UipiFunction.ACTIVATE if active[receiver] else UipiFunction.DEACTIVATE
                assert await verbs.uipi(on, 0, hart) == _OK
            case _:
                home[receiver], active[receiver] = value % (harts + 2), True
                low = LOW.pack(active=1, hartid=home[receiver])
                await verbs.store(verbs.slot(receiver, LOW), low, hart)
        await verbs.settle()
        for line in range(harts):
            expected = any(
                bits and on and of == line
                for bits, on, of in zip(pending, active, home, strict=True)
            )
            assert (await verbs.read(Csr.UIP, line) == _SOFTWARE) == expected
            raised += expected
    assert raised > 50


async def posts_are_conserved(device: Device, seed: int = 1) -> None:
    """All harts at once: what is posted is read exactly once, by whoever reads, or remains; and
    at quiescence a line is the OR over the receivers."""
    verbs = await Verbs.of(device)
    draw = random.Random(f"posts {seed}")
    harts, receivers = device.config.harts, min(device.config.receivers, 4)
    for index in range(receivers * VECTORS):
        await verbs.entry(index, vector=index % VECTORS, receiver=index // VECTORS)
    homes = [receiver % (harts + 1) for receiver in range(receivers)]
    for receiver, home in enumerate(homes):
        low = LOW.pack(active=receiver > 0, hartid=home)
        await verbs.store(verbs.slot(receiver, LOW), low)
    for hart in range(harts):
        await verbs.enable_sender(hart)
        await verbs.enable_receiver(hart, hart)
        await verbs.write(Csr.SIDELEG, _SOFTWARE, hart)
    # A vector is posted again only after it was seen, so each post is one bit to be counted.
    free = {(receiver, bit) for receiver in range(receivers) for bit in range(VECTORS)}
    posted = seen = 0
    asked: dict[int, int | None] = {}  # hart: receiver that it reads, None for a post

    def take(receiver: int, word: int) -> int:
        for bit in range(VECTORS):
            if word >> bit & 1:
                assert (receiver, bit) not in free
                free.add((receiver, bit))
        return word.bit_count()

    turns = 1500
    while turns or asked:
        turns = max(turns - 1, 0)
        # At the end it only waits for what is under way.
        for hart in sorted(set(range(harts)) - set(asked)) if turns else ():
            chance = draw.random()
            if chance < 0.15:
                asked[hart] = draw.randrange(receivers)
                request = Request(RequestKind.LOAD, 0, verbs.slot(asked[hart] or 0, HIGH))
            elif chance < 0.3:
                asked[hart] = hart
                request = Request(RequestKind.UIPI, UipiFunction.READ)
            elif free:
                receiver, bit = draw.choice(sorted(free))
                free.discard((receiver, bit))
                asked[hart] = None
                index = receiver * VECTORS + bit
                request = Request(RequestKind.UIPI, UipiFunction.SEND, 0, index)
                posted += 1
            else:
                continue
            device.submit(hart, request)
        await device.run(draw.choice((1, 1, 3, 10)))
        for hart in list(asked):
            response = device.response(hart)
            if response is not None:
                assert response.status is Status.OK
                read = asked.pop(hart)
                if read is not None:
                    seen += take(read, response.data)
    await verbs.settle()
    for hart in range(harts):
        expected = any(
            (receiver, bit) not in free
            for receiver in range(1, receivers)
            for bit in range(VECTORS)
            if homes[receiver] == hart
        )
        assert (await verbs.read(Csr.UIP, hart) == _SOFTWARE) == expected
    for receiver in range(receivers):
        seen += take(receiver, await verbs.load(verbs.slot(receiver, HIGH)))
    assert posted == seen > 500
    for hart in range(harts):
        assert await verbs.read(Csr.UIP, hart) == 0


async def strides(device: Device, seed: int = 1) -> None:
    """Skipping in `run` is invisible: the same requests at the same cycles give the same log."""

    async def log(stride: int) -> list[tuple[int, int, Response]]:
        draw = random.Random(f"strides {seed}")
        events: list[tuple[int, int, Response]] = []
        busy: set[int] = set()
        now = 0

        def choices() -> Iterable[Request]:
            yield Request(RequestKind.CSR, 1, Csr.SUIRS, 1 << 63 | draw.randrange(2))
            yield Request(RequestKind.UIPI, 1 + draw.randrange(4), 0, 5)
            yield Request(RequestKind.LOAD, 0, slot_address(device.config, 0, HIGH))

        await device.reset()
        for _ in range(120):
            if device.quiescent or now < 40:
                for hart in range(2):
                    request = draw.choice(list(choices()))
                    if hart not in busy:
                        device.submit(hart, request)
                        busy.add(hart)
            stop = now + draw.choice((1, 5, 30))
            while now < stop:
                now += await device.run(min(stride, stop - now))
                for hart in range(2):
                    response = device.response(hart)
                    if response is not None:
                        events.append((now, hart, response))
                        busy.discard(hart)
        return events

    one = await log(1)
    assert one == await log(1000)
    assert len(one) > 60
