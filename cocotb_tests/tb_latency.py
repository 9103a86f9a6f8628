"""Latencies of the contract, in cycles from the cycle in which a request is presented."""

from rel4.machine.device import Device, Request, Response
from traffic import entry_address
from uintr.registers import (
    ACTIVE,
    CLAIM,
    CONTROL_OFFSET,
    ENTRY_CACHE,
    HIGH,
    INVALIDATE,
    LOW,
    SENDER_ENTRY,
    SLOT_RESET,
    THROTTLE,
    Csr,
    CsrFunction,
    Privilege,
    RequestKind,
    Status,
    UipiFunction,
)
from verbs import Verbs


async def sweep(device: Device) -> int:
    """Cycles from reset to quiescence: at power-on and after a reset alike."""
    verbs = Verbs(device=device)
    first = await verbs.settle()
    await device.reset()
    assert await verbs.settle() == first
    # An operation waits for the sweep: presented in cycle 2, accepted in cycle `first`.
    await device.reset()
    await verbs.enable_receiver(0)
    response, cycles = await verbs.request(0, Request(RequestKind.UIPI, UipiFunction.READ))
    assert response == Response(0, Status.OK)
    assert 1 + cycles == max(first, 2) + device.config.latency + 1
    return first


async def answers(device: Device) -> None:
    """Every kind of request, alone."""
    verbs = Verbs(device=device)
    config = device.config
    await verbs.settle()

    early = config.latency == 2  # posts are presented in the cycle in which their entry arrives
    operated = config.latency + 2  # through the controller

    async def check(request: Request, status: Status, cycles: int, data: int = 0) -> None:
        await verbs.settle()
        answer = await verbs.request(0, request)
        assert answer == (Response(data, status), cycles), f"{request}: {answer}"

    def entry(index: int) -> int:
        return entry_address(config, index)

    await check(Request(RequestKind.CSR, CsrFunction.READ, Csr.UIE), Status.OK, 1)
    await check(Request(RequestKind.CSR, CsrFunction.READ, 0x123), Status.ILLEGAL, 1)
    await check(Request(RequestKind.TRAP, 0, 0, 4), Status.NOT_PENDING, 1)
    await check(Request(RequestKind.URET), Status.OK, 1)
    for function in UipiFunction:
        await check(Request(RequestKind.UIPI, function), Status.DISABLED, 1)
    await check(Request(RequestKind.UIPI, max(UipiFunction) + 1), Status.ILLEGAL, 1)

    await check(Request(RequestKind.STORE, 0, entry(0), 5), Status.OK, 3)
    await check(Request(RequestKind.LOAD, 0, entry(0)), Status.OK, 3, 5)
    await check(Request(RequestKind.LOAD, 0, entry(-1)), Status.BUS, 3)
    await check(Request(RequestKind.LOAD, 0, entry(0) + 1), Status.ILLEGAL, 1)
    beyond = verbs.slot(config.receivers, LOW)
    await check(Request(RequestKind.STORE, 0, beyond, 1), Status.BUS, 3)
    low = verbs.slot(0, LOW)
    await check(Request(RequestKind.STORE, 0, low, LOW.pack(mode=1)), Status.OK, operated)
    await check(Request(RequestKind.LOAD, 0, low), Status.OK, operated, LOW.pack(mode=1))

    await verbs.enable_sender()
    send = Request(RequestKind.UIPI, UipiFunction.SEND, 0, 0)
    for fields, status, cycles in (
        ({"valid": 0}, Status.INVALID, 3),
        ({"valid": 1, "vector": 64}, Status.VECTOR, 3),
        ({"valid": 1, "receiver": config.receivers}, Status.RECEIVER, 3),
        ({"valid": 1, "vector": 63}, Status.OK, 4 - early),
    ):
        await verbs.store(entry(0), SENDER_ENTRY.pack(**fields))
        await check(send, status, cycles)
    await check(Request(RequestKind.UIPI, UipiFunction.SEND, 0, 512), Status.INDEX, 1)

    await verbs.enable_receiver(config.receivers)
    await check(Request(RequestKind.UIPI, UipiFunction.READ), Status.RECEIVER, 1)
    await verbs.enable_receiver(0)
    await check(Request(RequestKind.UIPI, UipiFunction.WRITE, 0, 1), Status.OK, operated)
    await check(Request(RequestKind.UIPI, UipiFunction.ACTIVATE), Status.OK, operated)
    await check(Request(RequestKind.UIPI, UipiFunction.DEACTIVATE), Status.OK, operated)
    await check(Request(RequestKind.UIPI, UipiFunction.READ), Status.OK, operated, 1 << 63 | 1)


async def lines(device: Device) -> None:
    """When the interrupt shows what a request has done."""
    verbs = Verbs(device=device)
    config = device.config
    target = config.harts - 1
    await verbs.store(verbs.slot(0, LOW), LOW.pack(active=1, hartid=target))
    await verbs.store(entry_address(config, 0), SENDER_ENTRY.pack(valid=1, vector=1))
    await verbs.enable_sender()
    await verbs.enable_receiver(0)
    await verbs.enable_interrupt(target)
    device.set_privilege(target, Privilege.U)
    await verbs.settle()

    async def until_interrupt(request: Request, high: bool) -> int:
        device.submit(0, request)
        cycles = 0
        while device.interrupt(target) != high:
            cycles += await device.run(1)
            assert cycles < 20
        await verbs.settle()
        return cycles

    send = Request(RequestKind.UIPI, UipiFunction.SEND)
    read = Request(RequestKind.UIPI, UipiFunction.READ)
    write = Request(RequestKind.UIPI, UipiFunction.WRITE, 0, 8)
    shown = config.latency + 1
    assert await until_interrupt(send, True) == (4 if config.latency == 2 else config.latency + 3)
    assert await until_interrupt(read, False) == shown
    assert await until_interrupt(write, True) == shown
    assert await until_interrupt(Request(RequestKind.UIPI, UipiFunction.DEACTIVATE), False) == shown
    assert await until_interrupt(Request(RequestKind.UIPI, UipiFunction.ACTIVATE), True) == shown
    if config.harts > 1:
        high = Request(RequestKind.LOAD, 0, verbs.slot(0, HIGH))
        assert await until_interrupt(high, False) == shown
        post = Request(RequestKind.STORE, 0, verbs.slot(0, HIGH), 2)
        assert await until_interrupt(post, True) == shown
        active = verbs.slot(0, ACTIVE)
        assert await until_interrupt(Request(RequestKind.STORE, 0, active, 0), False) == shown
        assert await until_interrupt(Request(RequestKind.STORE, 0, active, 1), True) == shown

    # Privilege, trap and return act at once.
    device.set_privilege(target, Privilege.S)
    assert await device.run(5) == 1
    assert not device.interrupt(target)
    device.set_privilege(target, Privilege.U)
    assert await device.run(5) == 1
    assert device.interrupt(target)
    answer = await verbs.request(target, Request(RequestKind.TRAP, 0, 0, 0x1002))
    assert answer == (Response(0, Status.OK), 1)
    assert not device.interrupt(target)
    answer = await verbs.request(target, Request(RequestKind.URET))
    assert answer == (Response(0x1002, Status.OK), 1)
    assert device.interrupt(target)


async def contention(device: Device) -> None:
    """All harts at once: one bus transfer at a time, one operation a cycle, in turn."""
    verbs = Verbs(device=device)
    harts = range(device.config.harts)
    latency = device.config.latency

    async def together(request: Request) -> list[int]:
        await verbs.settle()
        for hart in harts:
            device.submit(hart, request)
        cycles = dict.fromkeys(harts, 0)
        now = 0
        while not all(cycles.values()):
            now += await device.run(100)
            for hart in harts:
                if device.response(hart) is not None:
                    cycles[hart] = now
        return [cycles[hart] for hart in harts]

    for hart in harts:
        await verbs.enable_receiver(0, hart)
        await verbs.enable_sender(hart)
    read = Request(RequestKind.UIPI, UipiFunction.READ)
    assert await together(read) == [latency + 2 + hart for hart in harts]
    await verbs.store(entry_address(device.config, 0), SENDER_ENTRY.pack(valid=1))
    # Hart 0 was the last on the bus, so it comes last now; a read of the table takes two cycles.
    load = Request(RequestKind.LOAD, 0, entry_address(device.config, 0))
    count = device.config.harts
    turns = [3 + 2 * ((hart - 1) % count) for hart in harts]
    assert await together(load) == turns
    send = Request(RequestKind.UIPI, UipiFunction.SEND)
    assert await together(send) == [turn + (latency != 2) for turn in turns]
    # A transfer to the controller occupies the bus for a cycle more than its latency.
    slow = Request(RequestKind.LOAD, 0, verbs.slot(0, LOW))
    turns = [latency + 2 + (latency + 1) * ((hart - 1) % count) for hart in harts]
    assert await together(slow) == turns


_SEND = Request(RequestKind.UIPI, UipiFunction.SEND)


async def budget(device: Device) -> None:
    """A token that a post took in cycle p is back for a SEND that is accepted in p + period + 1."""
    verbs = Verbs(device=device)
    config = device.config
    throttle = verbs.control(THROTTLE)
    await verbs.store(entry_address(config, 0), SENDER_ENTRY.pack(valid=1))
    await verbs.enable_sender()
    for period in (1, 2, 3, 20):
        for pause, status in ((period - 1, Status.THROTTLED), (period, Status.OK)):
            await verbs.store(throttle, THROTTLE.pack(period=period, burst=1))
            response, _ = await verbs.request(0, _SEND)
            assert response == Response(0, Status.OK)
            for _ in range(pause):  # from p + 1, the cycle of the response, on
                await device.run(1)
            response, _ = await verbs.request(0, _SEND)
            assert response == Response(0, status), (period, pause)
            await verbs.settle()


async def kept_entries(device: Device) -> dict[str, int]:
    """Cycles of UIPI SEND until its response: with the cache off, when it misses, when it hits."""
    verbs = Verbs(device=device)
    config = device.config
    cache = verbs.control(ENTRY_CACHE)
    await verbs.store(entry_address(config, 0), SENDER_ENTRY.pack(valid=1))
    await verbs.enable_sender()
    cycles = {}
    await verbs.settle()
    cycles["off"] = (await verbs.request(0, _SEND))[1]
    await verbs.store(cache, 1)
    for name in ("miss", "hit"):
        await verbs.settle()
        cycles[name] = (await verbs.request(0, _SEND))[1]
    read = 4 - (config.latency == 2) + config.table_wait_states
    assert cycles == {"off": read, "miss": read, "hit": 2}
    return cycles


async def invalidation(device: Device) -> None:
    """A write of INVALIDATE, ENTRY_CACHE or SLOT_RESET takes a cycle more than other accesses."""
    verbs = Verbs(device=device)
    page = device.config.base + CONTROL_OFFSET
    await verbs.settle()
    for register in (INVALIDATE, ENTRY_CACHE):
        request = Request(RequestKind.STORE, 0, page + register.address, 1)
        assert await verbs.request(0, request) == (Response(0, Status.OK), 4)
        request = Request(RequestKind.LOAD, 0, page + register.address)
        answer = int(register is ENTRY_CACHE)
        assert await verbs.request(0, request) == (Response(answer, Status.OK), 3)
    latency = device.config.latency
    for register, data, cycles in ((CLAIM, None, latency + 2), (SLOT_RESET, 0, latency + 3)):
        kind = RequestKind.LOAD if data is None else RequestKind.STORE
        request = Request(kind, 0, page + register.address, data or 0)
        assert await verbs.request(0, request) == (Response(0, Status.OK), cycles)
