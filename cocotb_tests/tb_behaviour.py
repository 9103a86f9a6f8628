"""What software asks of a device beside its extensions, and what it is told; the same scenes run on
every device. See `contract.py`."""

from rel4.machine.device import Device, Request, Response
from traffic import entry_address
from uintr.registers import (
    ACTIVE,
    CAUSE_USER_SOFTWARE,
    CSRS,
    ENABLE,
    ENTRIES_PER_PAGE,
    HIGH,
    LOW,
    SEND,
    VECTORS,
    XLEN,
    Csr,
    CsrFunction,
    Feature,
    Privilege,
    RequestKind,
    Status,
    UipiFunction,
)
from verbs import Verbs

_WORD = (1 << XLEN) - 1
_SOFTWARE = CSRS[Csr.UIP].field("software").mask
_OK, _ILLEGAL = Response(0, Status.OK), Response(0, Status.ILLEGAL)


# --- Reset and quiescence -------------------------------------------------------------------------


async def sweep_in_pieces(device: Device) -> None:
    """A cycle per receiver, in any pieces; the table is there meanwhile, operations wait."""
    receivers = device.config.receivers
    assert not device.quiescent
    assert await device.run(2) == 2
    assert not device.quiescent
    assert await device.run(1_000_000) == receivers - 2
    assert device.quiescent
    await device.reset()
    verbs = Verbs(device=device)
    high = Request(RequestKind.LOAD, 0, verbs.slot(0, HIGH))
    address = entry_address(device.config, 0)
    assert await verbs.request(0, Request(RequestKind.STORE, 0, address, 5)) == (_OK, 3)
    waited = max(receivers, 4) - 4
    assert await verbs.request(0, high) == (_OK, waited + device.config.latency + 2)
    assert await verbs.load(address) == 5


async def quiet_time_passes(device: Device) -> None:
    """Without effect, and in one go."""
    await Verbs.of(device)
    assert await device.run(5_000) == 5_000
    assert device.quiescent


async def privilege_is_an_input(device: Device) -> None:
    """A change is work for one cycle; a change that is taken back is none."""
    await Verbs.of(device)
    device.set_privilege(0, Privilege.U)
    assert not device.quiescent
    device.set_privilege(0, Privilege.S)
    assert device.quiescent
    device.set_privilege(0, Privilege.U)
    assert await device.run(100) == 1
    assert device.quiescent


async def all_but_the_table_is_forgotten(device: Device) -> None:
    """By a reset, a request under way included."""
    verbs = await Verbs.of(device)
    table = entry_address(device.config, 7)
    await verbs.store(table, 99)
    await verbs.store(verbs.slot(0, LOW), LOW.pack(active=1, hartid=1))
    await verbs.store(verbs.slot(0, HIGH), 1)
    await verbs.write(Csr.USCRATCH, 5)
    device.set_privilege(0, Privilege.U)
    device.submit(1, Request(RequestKind.LOAD, 0, table))
    await device.run(1)
    await device.reset()
    assert device.response(0) is device.response(1) is None
    await verbs.settle()
    assert await verbs.read(Csr.USCRATCH) == 0
    assert await verbs.load(verbs.slot(0, LOW)) == await verbs.load(verbs.slot(0, HIGH)) == 0
    assert await verbs.load(table, hart=1) == 99


# --- CSRs, trap and return ------------------------------------------------------------------------


async def the_line_is_not_latched(device: Device) -> None:
    """Set and clear of uip read the line and do not keep it; a write of the bit stays."""
    verbs = await Verbs.of(device)
    await verbs.pend()
    await verbs.write(Csr.SIDELEG, _SOFTWARE)
    for function in (CsrFunction.SET, CsrFunction.CLEAR):
        assert await verbs.csr(function, Csr.UIP) == Response(_SOFTWARE, Status.OK)
    await verbs.store(verbs.slot(2, ACTIVE), 0)
    assert await verbs.read(Csr.UIP) == 0
    await verbs.write(Csr.UIP, _WORD)
    assert await verbs.read(Csr.UIP) == _SOFTWARE


async def delegation(device: Device) -> None:
    """Uie and uip show and take only what is delegated; what is out of sight stays."""
    verbs = await Verbs.of(device)
    every = CSRS[Csr.SIDELEG].mask()
    await verbs.pend()
    for delegated in (0, 1, 0x10, 0x100, 0x111):
        await verbs.write(Csr.SIDELEG, every)
        await verbs.write(Csr.UIE, 0)
        await verbs.write(Csr.UIP, 0)
        await verbs.write(Csr.SIDELEG, delegated)
        assert await verbs.read(Csr.UIP) == delegated & _SOFTWARE
        for csr in (Csr.UIE, Csr.UIP):
            await verbs.write(csr, _WORD)
        assert await verbs.read(Csr.UIE) == delegated
        await verbs.write(Csr.SIDELEG, 0)
        assert await verbs.read(Csr.UIE) == await verbs.read(Csr.UIP) == 0
        for csr in (Csr.UIE, Csr.UIP):
            assert (await verbs.csr(CsrFunction.CLEAR, csr, _WORD)).status is Status.OK
        await verbs.write(Csr.SIDELEG, every)
        assert await verbs.read(Csr.UIE) == delegated
    await verbs.store(verbs.slot(2, ACTIVE), 0)
    assert await verbs.read(Csr.UIP) == _SOFTWARE


async def an_interrupt_from_send_to_return(device: Device) -> None:
    """Send, trap, read of the bits, return: every register of it, and who is interrupted."""
    verbs = await Verbs.of(device)
    other = device.config.harts - 1
    await verbs.entry(0, vector=33, receiver=2)
    await verbs.enable_sender()
    await verbs.write(Csr.UTVEC, 0x1235, other)
    await verbs.write(Csr.UTVAL, 7, other)
    await verbs.user(other, 2)
    trap = Request(RequestKind.TRAP, 0, 0, 0x4321)
    assert await verbs.request(other, trap) == (Response(0, Status.NOT_PENDING), 1)
    device.set_privilege(0, Privilege.U)
    assert await verbs.uipi(UipiFunction.SEND) == _OK
    await verbs.settle()
    assert [device.interrupt(hart) for hart in (0, other)] == [False, True]
    assert await verbs.request(other, trap) == (Response(0x1234, Status.OK), 1)
    assert not device.interrupt(other)
    for csr, value in (
        (Csr.UEPC, 0x4320),
        (Csr.UCAUSE, CAUSE_USER_SOFTWARE),
        (Csr.UTVAL, 0),
        (Csr.USTATUS, CSRS[Csr.USTATUS].pack(upie=1)),
        (Csr.UIP, 1),  # the line is still up
    ):
        assert await verbs.read(csr, other) == value, csr.name
    assert await verbs.request(other, trap) == (Response(0, Status.NOT_PENDING), 1)
    assert await verbs.request(other, Request(RequestKind.URET)) == (Response(0x4320, Status.OK), 1)
    assert device.interrupt(other)
    assert await verbs.read(Csr.USTATUS, other) == CSRS[Csr.USTATUS].pack(uie=1, upie=1)
    assert await verbs.uipi(UipiFunction.READ, 0, other) == Response(1 << 33, Status.OK)
    assert await verbs.read(Csr.UIP, other) == 0  # down with the answer
    assert not device.interrupt(other)


async def an_interrupt_needs_every_condition(device: Device) -> None:
    """Delegated, enabled, enabled globally, pending, in user mode."""
    verbs = await Verbs.of(device)
    for missing in ("", "SIDELEG", "UIE", "USTATUS", "UIP", "privilege"):
        await verbs.enable_interrupt()
        await verbs.write(Csr.UIP, _SOFTWARE)
        if missing in Csr.__members__:
            await verbs.write(Csr[missing], 0)
        device.set_privilege(0, Privilege.S if missing == "privilege" else Privilege.U)
        await verbs.settle()
        assert device.interrupt(0) == (not missing), missing
        response, cycles = await verbs.request(0, Request(RequestKind.TRAP))
        assert response.status is (Status.NOT_PENDING if missing else Status.OK), missing
        assert cycles == 1
        device.set_privilege(0, Privilege.S)


# --- UIPI -----------------------------------------------------------------------------------------


async def statuses_of_send(device: Device) -> None:
    """Each refusal, in the order of the checks; none has an effect."""
    verbs = await Verbs.of(device)
    receivers, pages = device.config.receivers, device.config.table_pages
    last = pages * ENTRIES_PER_PAGE - 1
    read = 3 + device.config.table_wait_states
    assert await verbs.timed(UipiFunction.SEND) == (Response(0, Status.DISABLED), 1)
    await verbs.table(size=0)
    assert await verbs.timed(UipiFunction.SEND) == (Response(0, Status.INDEX), 1)
    await verbs.table(size=pages)
    for index in (last + 1, last + 1 << 40, 1 << 61, 1 << 63, _WORD):
        assert await verbs.timed(UipiFunction.SEND, index) == (Response(0, Status.INDEX), 1)
    for fields, status in (
        ({"valid": 0, "vector": VECTORS, "receiver": receivers}, Status.INVALID),
        ({"vector": VECTORS, "receiver": receivers}, Status.VECTOR),
        ({"vector": VECTORS - 1, "receiver": receivers}, Status.RECEIVER),
    ):
        await verbs.entry(last, **fields)
        assert await verbs.timed(UipiFunction.SEND, last) == (Response(0, status), read)
        for receiver in range(0, receivers, max(1, receivers // 5)):
            assert await verbs.load(verbs.slot(receiver, HIGH)) == 0
    await verbs.entry(last, vector=VECTORS - 1, receiver=receivers - 1)
    assert await verbs.uipi(UipiFunction.SEND, last) == _OK
    assert await verbs.load(verbs.slot(receivers - 1, HIGH)) == 1 << VECTORS - 1
    # A table that is longer than memory; then one where nothing is.
    await verbs.table(size=pages + 1)
    assert await verbs.timed(UipiFunction.SEND, last + 1) == (Response(0, Status.BUS), 3)
    await verbs.table(ppn=(1 << 44) - 1, size=4095)
    for index in (0, 4095 * ENTRIES_PER_PAGE - 1):
        assert await verbs.timed(UipiFunction.SEND, index) == (Response(0, Status.BUS), 3)


async def statuses_of_the_others(device: Device) -> None:
    """Disabled, without a receiver, no function; and what no hart can ask for."""
    verbs = await Verbs.of(device)
    for function in list(UipiFunction)[1:]:
        for fields, status in (
            ({"en": 0, "index": 0}, Status.DISABLED),
            ({"en": 1, "index": device.config.receivers}, Status.RECEIVER),
        ):
            await verbs.write(Csr.SUIRS, CSRS[Csr.SUIRS].pack(**fields))
            assert await verbs.timed(function, 1) == (Response(0, status), 1)
    for number in (5, 6, 127):
        assert await verbs.timed(number) == (_ILLEGAL, 1)
    assert await verbs.csr(CsrFunction.READ, 0x300) == _ILLEGAL


async def the_receiver_itself(device: Device) -> None:
    """In every privilege: what it writes, activates and reads of its own receiver, and after posts
    of its own whose answers are not taken for those of what comes next."""
    verbs = await Verbs.of(device)
    cycles = device.config.latency + 2
    await verbs.enable_receiver(4)
    await verbs.write(Csr.SIDELEG, _SOFTWARE)
    await verbs.entry(0, vector=3, receiver=4)
    await verbs.enable_sender()
    active = verbs.slot(4, ACTIVE)
    for privilege in Privilege:
        device.set_privilege(0, privilege)
        await verbs.settle()
        for function, operand, result in (
            (UipiFunction.WRITE, 0x8001, 0),
            (UipiFunction.WRITE, 0x10, 0),
            (UipiFunction.ACTIVATE, 0, 0),
            (UipiFunction.DEACTIVATE, _WORD, 0),
            (UipiFunction.READ, _WORD, 0x8011),
            (UipiFunction.READ, 0, 0),
        ):
            answer = await verbs.timed(function, operand)
            assert answer == (Response(result, Status.OK), cycles)
            if function in (UipiFunction.ACTIVATE, UipiFunction.DEACTIVATE):
                on = function is UipiFunction.ACTIVATE
                assert await verbs.load(active, hart=1) == on
                assert await verbs.read(Csr.UIP) == _SOFTWARE * on
        for _ in range(3):
            assert await verbs.uipi(UipiFunction.SEND) == _OK
            assert await verbs.timed(UipiFunction.READ) == (Response(8, Status.OK), cycles)


async def bits_that_are_inactive_stay(device: Device) -> None:
    """An inactive receiver collects; the line comes with activation."""
    verbs = await Verbs.of(device)
    await verbs.entry(0, vector=9, receiver=2)
    await verbs.enable_sender()
    await verbs.user(1, 2)
    await verbs.uipi(UipiFunction.DEACTIVATE, 0, 1)
    await verbs.uipi(UipiFunction.SEND)
    await verbs.settle()
    for function, operand, result, high in (
        (UipiFunction.ACTIVATE, 0, 0, True),
        (UipiFunction.READ, 0, 1 << 9, False),
        (UipiFunction.WRITE, 6, 0, True),
        (UipiFunction.READ, 0, 6, False),
    ):
        assert device.interrupt(1) != high
        assert await verbs.uipi(function, operand, 1) == Response(result, Status.OK)
        assert device.interrupt(1) == high


async def moves(device: Device) -> None:
    """After a move is answered the old hart is never interrupted."""
    verbs = await Verbs.of(device)
    await verbs.entry(0, vector=9, receiver=0)
    await verbs.enable_sender()
    for hart in (1, 0):
        await verbs.user(hart, 0)
    for hart in (0, 1, 0, 1):
        await verbs.uipi(UipiFunction.SEND)
        device.set_privilege(0, Privilege.S)
        await verbs.store(verbs.slot(0, LOW), LOW.pack(active=1, mode=1, hartid=hart))
        device.set_privilege(0, Privilege.U)
        for _ in range(6):
            await device.run(1)
            assert [device.interrupt(0), device.interrupt(1)] == [hart == 0, hart == 1]


# --- Loads and stores -----------------------------------------------------------------------------


async def loads_and_stores_refused(device: Device) -> None:
    """Off their alignment, of a user, of nobody; and kinds of requests that there are not."""
    verbs = await Verbs.of(device)
    config = device.config
    first = entry_address(config, 0)
    nobody = (
        *(0, config.base - 8, verbs.slot(config.receivers, SEND), first - 8, (1 << XLEN) - 8),
        *(entry_address(config, config.table_pages * ENTRIES_PER_PAGE), first ^ 1 << 63),
    )
    for kind in (RequestKind.LOAD, RequestKind.STORE):
        for offset in range(1, 8):
            assert await verbs.request(0, Request(kind, 0, first + offset)) == (_ILLEGAL, 1)
        device.set_privilege(0, Privilege.U)
        assert await verbs.request(0, Request(kind, 0, first)) == (_ILLEGAL, 1)
        device.set_privilege(0, Privilege.M)
        for address in nobody:
            answer = await verbs.request(0, Request(kind, 0, address))
            assert answer == (Response(0, Status.BUS), 3), hex(address)
    for number in (6, 7):
        request = Request(number, 0, first)  # type: ignore[arg-type]  # no kind: refused
        assert await verbs.request(0, request) == (_ILLEGAL, 1)
    await verbs.store(first, 7)
    assert await verbs.load(first) == 7


async def bits_of_low_need_software_that_knows_them(device: Device) -> None:
    """LOW's bits 15:2, which the specification ignores, for every set that software may know; and
    what the hardware has not is not there to be known."""
    verbs = await Verbs.of(device)
    known = {"supervisor": Feature.SUPERVISOR, "notify": Feature.NOTIFY}
    there = ENABLE.pack(**{n: int(f in device.config.features) for n, f in known.items()})
    for word in (0, 0b001, 0b100, 0b101) if there else ():
        await verbs.store(verbs.control(ENABLE), _WORD & ~0b101 | word)
        enabled = word & there
        assert await verbs.load(verbs.control(ENABLE)) == enabled
        bits = {name: ENABLE.field(name).get(enabled) for name in known}
        for ignored in (0, 0b01, 0b10, 0b11, (1 << 14) - 1):
            await verbs.store(verbs.slot(1, LOW), ignored << 2)
            low = LOW.pack(**{n: b & LOW.field(n).get(ignored << 2) for n, b in bits.items()})
            assert await verbs.load(verbs.slot(1, LOW)) == low
    await device.reset()
    await verbs.store(verbs.slot(1, LOW), LOW.pack(active=1, supervisor=1, notify=1))
    await verbs.store(verbs.slot(1, HIGH), 1)
    assert await verbs.load(verbs.slot(1, LOW)) == LOW.pack(active=1)
    assert not any(verbs.lines())
    if there:
        assert await verbs.load(verbs.control(ENABLE)) == 0
