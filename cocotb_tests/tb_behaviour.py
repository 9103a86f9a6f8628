"""What software sees of a device beside its registers, extensions and latencies; the same scenes
run on every device. See `contract.py`."""

import random
from collections.abc import Iterable

from rel4.machine.device import Device, Request, Response
from traffic import entry_address, slot_address
from uintr.registers import (
    ACTIVE,
    CAUSE_USER_SOFTWARE,
    CONTROL_OFFSET,
    CSRS,
    ENABLE,
    ENTRIES_PER_PAGE,
    ENTRY_CACHE,
    HIGH,
    LOW,
    PAGE_BYTES,
    SEND,
    SENDER_ENTRY,
    VECTORS,
    XLEN,
    Csr,
    CsrFunction,
    Feature,
    Privilege,
    Register,
    RequestKind,
    Status,
    UipiFunction,
)
from verbs import Verbs

__all__ = [
    "all_but_the_table_is_forgotten",
    "an_interrupt_from_send_to_return",
    "an_interrupt_needs_every_condition",
    "bits_of_low_need_software_that_knows_them",
    "bits_that_are_inactive_stay",
    "bus_and_unit_share_the_controller",
    "delegation",
    "kept_entries_post_one_a_cycle",
    "loads_and_stores_refused",
    "moves",
    "one_at_a_time",
    "posts_are_conserved",
    "privilege_is_an_input",
    "quiet_time_passes",
    "statuses_of_send",
    "statuses_of_the_others",
    "strides",
    "supervisor_kind",
    "sweep_in_pieces",
    "the_line_in_the_cycle_of_acceptance",
    "the_line_is_not_latched",
    "the_receiver_itself",
]

_WORD = (1 << XLEN) - 1
_SOFTWARE = CSRS[Csr.UIP].field("software").mask
_OK, _ILLEGAL = Response(0, Status.OK), Response(0, Status.ILLEGAL)


class _Scene(Verbs):
    """Verbs, and where things lie."""

    @classmethod
    async def of(cls, device: Device) -> "_Scene":
        """Of a device that has come to rest."""
        scene = cls(device=device)
        await scene.settle()
        return scene

    def slot(self, receiver: int, register: Register) -> int:
        return slot_address(self.config, receiver, register)

    def control(self, register: Register, hart: int = 0) -> int:
        return self.config.base + CONTROL_OFFSET + register.address + 8 * hart

    async def entry(self, index: int, *, hart: int = 0, **fields: int) -> None:
        word = SENDER_ENTRY.pack(**({"valid": 1} | fields))
        await self.store(entry_address(self.config, index), word, hart)

    async def table(self, **fields: int) -> None:
        """Hart 0 has this table."""
        first = self.config.table_base // PAGE_BYTES
        await self.write(Csr.SUIST, CSRS[Csr.SUIST].pack(**({"ppn": first, "en": 1} | fields)))

    async def timed(self, function: int, operand: int = 0, hart: int = 0) -> tuple[Response, int]:
        """A UIPI, and the cycles it took."""
        return await self.request(hart, Request(RequestKind.UIPI, function, 0, operand))

    async def user(self, hart: int, receiver: int) -> None:
        """The hart is in user mode, and this receiver interrupts it."""
        await self.store(self.slot(receiver, LOW), LOW.pack(active=1, hartid=hart))
        await self.enable_receiver(receiver, hart)
        await self.enable_interrupt(hart)
        self.device.set_privilege(hart, Privilege.U)
        await self.settle()

    async def pend(self, receiver: int = 2) -> None:
        """The receiver, which is hart 0's, has a bit pending."""
        await self.store(self.slot(receiver, LOW), LOW.pack(active=1))
        await self.store(self.slot(receiver, HIGH), 4)

    def lines(self) -> list[bool]:
        return [self.device.supervisor_interrupt(hart) for hart in range(self.config.harts)]


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
    scene = _Scene(device=device)
    high = Request(RequestKind.LOAD, 0, scene.slot(0, HIGH))
    address = entry_address(device.config, 0)
    assert await scene.request(0, Request(RequestKind.STORE, 0, address, 5)) == (_OK, 3)
    waited = max(receivers, 4) - 4
    assert await scene.request(0, high) == (_OK, waited + device.config.latency + 2)
    assert await scene.load(address) == 5


async def quiet_time_passes(device: Device) -> None:
    """Without effect, and in one go."""
    await _Scene.of(device)
    assert await device.run(5_000) == 5_000
    assert device.quiescent


async def privilege_is_an_input(device: Device) -> None:
    """A change is work for one cycle; a change that is taken back is none."""
    await _Scene.of(device)
    device.set_privilege(0, Privilege.U)
    assert not device.quiescent
    device.set_privilege(0, Privilege.S)
    assert device.quiescent
    device.set_privilege(0, Privilege.U)
    assert await device.run(100) == 1
    assert device.quiescent


async def all_but_the_table_is_forgotten(device: Device) -> None:
    """By a reset, a request under way included."""
    scene = await _Scene.of(device)
    table = entry_address(device.config, 7)
    await scene.store(table, 99)
    await scene.store(scene.slot(0, LOW), LOW.pack(active=1, hartid=1))
    await scene.store(scene.slot(0, HIGH), 1)
    await scene.write(Csr.USCRATCH, 5)
    device.set_privilege(0, Privilege.U)
    device.submit(1, Request(RequestKind.LOAD, 0, table))
    await device.run(1)
    await device.reset()
    assert device.response(0) is device.response(1) is None
    await scene.settle()
    assert await scene.read(Csr.USCRATCH) == 0
    assert await scene.load(scene.slot(0, LOW)) == await scene.load(scene.slot(0, HIGH)) == 0
    assert await scene.load(table, hart=1) == 99


# --- CSRs, trap and return ------------------------------------------------------------------------


async def the_line_is_not_latched(device: Device) -> None:
    """Set and clear of uip read the line and do not keep it; a write of the bit stays."""
    scene = await _Scene.of(device)
    await scene.pend()
    await scene.write(Csr.SIDELEG, _SOFTWARE)
    for function in (CsrFunction.SET, CsrFunction.CLEAR):
        assert await scene.csr(function, Csr.UIP) == Response(_SOFTWARE, Status.OK)
    await scene.store(scene.slot(2, ACTIVE), 0)
    assert await scene.read(Csr.UIP) == 0
    await scene.write(Csr.UIP, _WORD)
    assert await scene.read(Csr.UIP) == _SOFTWARE


async def delegation(device: Device) -> None:
    """Uie and uip show and take only what is delegated; what is out of sight stays."""
    scene = await _Scene.of(device)
    every = CSRS[Csr.SIDELEG].mask()
    await scene.pend()
    for delegated in (0, 1, 0x10, 0x100, 0x111):
        await scene.write(Csr.SIDELEG, every)
        await scene.write(Csr.UIE, 0)
        await scene.write(Csr.UIP, 0)
        await scene.write(Csr.SIDELEG, delegated)
        assert await scene.read(Csr.UIP) == delegated & _SOFTWARE
        for csr in (Csr.UIE, Csr.UIP):
            await scene.write(csr, _WORD)
        assert await scene.read(Csr.UIE) == delegated
        await scene.write(Csr.SIDELEG, 0)
        assert await scene.read(Csr.UIE) == await scene.read(Csr.UIP) == 0
        for csr in (Csr.UIE, Csr.UIP):
            assert (await scene.csr(CsrFunction.CLEAR, csr, _WORD)).status is Status.OK
        await scene.write(Csr.SIDELEG, every)
        assert await scene.read(Csr.UIE) == delegated
    await scene.store(scene.slot(2, ACTIVE), 0)
    assert await scene.read(Csr.UIP) == _SOFTWARE


async def an_interrupt_from_send_to_return(device: Device) -> None:
    """Send, trap, read of the bits, return: every register of it, and who is interrupted."""
    scene = await _Scene.of(device)
    other = device.config.harts - 1
    await scene.entry(0, vector=33, receiver=2)
    await scene.enable_sender()
    await scene.write(Csr.UTVEC, 0x1235, other)
    await scene.write(Csr.UTVAL, 7, other)
    await scene.user(other, 2)
    trap = Request(RequestKind.TRAP, 0, 0, 0x4321)
    assert await scene.request(other, trap) == (Response(0, Status.NOT_PENDING), 1)
    device.set_privilege(0, Privilege.U)
    assert await scene.uipi(UipiFunction.SEND) == _OK
    await scene.settle()
    assert [device.interrupt(hart) for hart in (0, other)] == [False, True]
    assert await scene.request(other, trap) == (Response(0x1234, Status.OK), 1)
    assert not device.interrupt(other)
    for csr, value in (
        (Csr.UEPC, 0x4320),
        (Csr.UCAUSE, CAUSE_USER_SOFTWARE),
        (Csr.UTVAL, 0),
        (Csr.USTATUS, CSRS[Csr.USTATUS].pack(upie=1)),
        (Csr.UIP, 1),  # the line is still up
    ):
        assert await scene.read(csr, other) == value, csr.name
    assert await scene.request(other, trap) == (Response(0, Status.NOT_PENDING), 1)
    assert await scene.request(other, Request(RequestKind.URET)) == (Response(0x4320, Status.OK), 1)
    assert device.interrupt(other)
    assert await scene.read(Csr.USTATUS, other) == CSRS[Csr.USTATUS].pack(uie=1, upie=1)
    assert await scene.uipi(UipiFunction.READ, 0, other) == Response(1 << 33, Status.OK)
    assert await scene.read(Csr.UIP, other) == 0  # down with the answer
    assert not device.interrupt(other)


async def an_interrupt_needs_every_condition(device: Device) -> None:
    """Delegated, enabled, enabled globally, pending, in user mode."""
    scene = await _Scene.of(device)
    for missing in ("", "SIDELEG", "UIE", "USTATUS", "UIP", "privilege"):
        await scene.enable_interrupt()
        await scene.write(Csr.UIP, _SOFTWARE)
        if missing in Csr.__members__:
            await scene.write(Csr[missing], 0)
        device.set_privilege(0, Privilege.S if missing == "privilege" else Privilege.U)
        await scene.settle()
        assert device.interrupt(0) == (not missing), missing
        response, cycles = await scene.request(0, Request(RequestKind.TRAP))
        assert response.status is (Status.NOT_PENDING if missing else Status.OK), missing
        assert cycles == 1
        device.set_privilege(0, Privilege.S)


# --- UIPI -----------------------------------------------------------------------------------------


async def statuses_of_send(device: Device) -> None:
    """Each refusal, in the order of the checks; none has an effect."""
    scene = await _Scene.of(device)
    receivers, pages = device.config.receivers, device.config.table_pages
    last = pages * ENTRIES_PER_PAGE - 1
    read = 3 + device.config.table_wait_states
    assert await scene.timed(UipiFunction.SEND) == (Response(0, Status.DISABLED), 1)
    await scene.table(size=0)
    assert await scene.timed(UipiFunction.SEND) == (Response(0, Status.INDEX), 1)
    await scene.table(size=pages)
    for index in (last + 1, last + 1 << 40, 1 << 61, 1 << 63, _WORD):
        assert await scene.timed(UipiFunction.SEND, index) == (Response(0, Status.INDEX), 1)
    for fields, status in (
        ({"valid": 0, "vector": VECTORS, "receiver": receivers}, Status.INVALID),
        ({"vector": VECTORS, "receiver": receivers}, Status.VECTOR),
        ({"vector": VECTORS - 1, "receiver": receivers}, Status.RECEIVER),
    ):
        await scene.entry(last, **fields)
        assert await scene.timed(UipiFunction.SEND, last) == (Response(0, status), read)
        for receiver in range(0, receivers, max(1, receivers // 5)):
            assert await scene.load(scene.slot(receiver, HIGH)) == 0
    await scene.entry(last, vector=VECTORS - 1, receiver=receivers - 1)
    assert await scene.uipi(UipiFunction.SEND, last) == _OK
    assert await scene.load(scene.slot(receivers - 1, HIGH)) == 1 << VECTORS - 1
    # A table that is longer than memory; then one where nothing is.
    await scene.table(size=pages + 1)
    assert await scene.timed(UipiFunction.SEND, last + 1) == (Response(0, Status.BUS), 3)
    await scene.table(ppn=(1 << 44) - 1, size=4095)
    for index in (0, 4095 * ENTRIES_PER_PAGE - 1):
        assert await scene.timed(UipiFunction.SEND, index) == (Response(0, Status.BUS), 3)


async def statuses_of_the_others(device: Device) -> None:
    """Disabled, without a receiver, no function; and what no hart can ask for."""
    scene = await _Scene.of(device)
    for function in list(UipiFunction)[1:]:
        for fields, status in (
            ({"en": 0, "index": 0}, Status.DISABLED),
            ({"en": 1, "index": device.config.receivers}, Status.RECEIVER),
        ):
            await scene.write(Csr.SUIRS, CSRS[Csr.SUIRS].pack(**fields))
            assert await scene.timed(function, 1) == (Response(0, status), 1)
    for number in (5, 6, 127):
        assert await scene.timed(number) == (_ILLEGAL, 1)
    assert await scene.csr(CsrFunction.READ, 0x300) == _ILLEGAL


async def the_receiver_itself(device: Device) -> None:
    """In every privilege: what it writes, activates and reads of its own receiver, and after posts
    of its own whose answers are not taken for those of what comes next."""
    scene = await _Scene.of(device)
    cycles = device.config.latency + 2
    await scene.enable_receiver(4)
    await scene.write(Csr.SIDELEG, _SOFTWARE)
    await scene.entry(0, vector=3, receiver=4)
    await scene.enable_sender()
    active = scene.slot(4, ACTIVE)
    for privilege in Privilege:
        device.set_privilege(0, privilege)
        await scene.settle()
        for function, operand, result in (
            (UipiFunction.WRITE, 0x8001, 0),
            (UipiFunction.WRITE, 0x10, 0),
            (UipiFunction.ACTIVATE, 0, 0),
            (UipiFunction.DEACTIVATE, _WORD, 0),
            (UipiFunction.READ, _WORD, 0x8011),
            (UipiFunction.READ, 0, 0),
        ):
            answer = await scene.timed(function, operand)
            assert answer == (Response(result, Status.OK), cycles)
            if function in (UipiFunction.ACTIVATE, UipiFunction.DEACTIVATE):
                on = function is UipiFunction.ACTIVATE
                assert await scene.load(active, hart=1) == on
                assert await scene.read(Csr.UIP) == _SOFTWARE * on
        for _ in range(3):
            assert await scene.uipi(UipiFunction.SEND) == _OK
            assert await scene.timed(UipiFunction.READ) == (Response(8, Status.OK), cycles)


async def bits_that_are_inactive_stay(device: Device) -> None:
    """An inactive receiver collects; the line comes with activation."""
    scene = await _Scene.of(device)
    await scene.entry(0, vector=9, receiver=2)
    await scene.enable_sender()
    await scene.user(1, 2)
    await scene.uipi(UipiFunction.DEACTIVATE, 0, 1)
    await scene.uipi(UipiFunction.SEND)
    await scene.settle()
    for function, operand, result, high in (
        (UipiFunction.ACTIVATE, 0, 0, True),
        (UipiFunction.READ, 0, 1 << 9, False),
        (UipiFunction.WRITE, 6, 0, True),
        (UipiFunction.READ, 0, 6, False),
    ):
        assert device.interrupt(1) != high
        assert await scene.uipi(function, operand, 1) == Response(result, Status.OK)
        assert device.interrupt(1) == high


async def moves(device: Device) -> None:
    """After a move is answered the old hart is never interrupted."""
    scene = await _Scene.of(device)
    await scene.entry(0, vector=9, receiver=0)
    await scene.enable_sender()
    for hart in (1, 0):
        await scene.user(hart, 0)
    for hart in (0, 1, 0, 1):
        await scene.uipi(UipiFunction.SEND)
        device.set_privilege(0, Privilege.S)
        await scene.store(scene.slot(0, LOW), LOW.pack(active=1, mode=1, hartid=hart))
        device.set_privilege(0, Privilege.U)
        for _ in range(6):
            await device.run(1)
            assert [device.interrupt(0), device.interrupt(1)] == [hart == 0, hart == 1]


# --- Loads and stores -----------------------------------------------------------------------------


async def loads_and_stores_refused(device: Device) -> None:
    """Off their alignment, of a user, of nobody; and kinds of requests that there are not."""
    scene = await _Scene.of(device)
    config = device.config
    first = entry_address(config, 0)
    nobody = (
        *(0, config.base - 8, scene.slot(config.receivers, SEND), first - 8, (1 << XLEN) - 8),
        *(entry_address(config, config.table_pages * ENTRIES_PER_PAGE), first ^ 1 << 63),
    )
    for kind in (RequestKind.LOAD, RequestKind.STORE):
        for offset in range(1, 8):
            assert await scene.request(0, Request(kind, 0, first + offset)) == (_ILLEGAL, 1)
        device.set_privilege(0, Privilege.U)
        assert await scene.request(0, Request(kind, 0, first)) == (_ILLEGAL, 1)
        device.set_privilege(0, Privilege.M)
        for address in nobody:
            answer = await scene.request(0, Request(kind, 0, address))
            assert answer == (Response(0, Status.BUS), 3), hex(address)
    for number in (6, 7):
        request = Request(number, 0, first)  # type: ignore[arg-type]  # no kind
        assert await scene.request(0, request) == (_ILLEGAL, 1)
    await scene.store(first, 7)
    assert await scene.load(first) == 7


async def bits_of_low_need_software_that_knows_them(device: Device) -> None:
    """LOW's bits 15:2, which the specification ignores, for every set that software may know; and
    what the hardware has not is not there to be known."""
    scene = await _Scene.of(device)
    known = {"supervisor": Feature.SUPERVISOR, "notify": Feature.NOTIFY}
    there = ENABLE.pack(**{n: int(f in device.config.features) for n, f in known.items()})
    for word in (0, 0b001, 0b100, 0b101) if there else ():
        await scene.store(scene.control(ENABLE), _WORD & ~0b101 | word)
        enabled = word & there
        assert await scene.load(scene.control(ENABLE)) == enabled
        bits = {name: ENABLE.field(name).get(enabled) for name in known}
        for ignored in (0, 0b01, 0b10, 0b11, (1 << 14) - 1):
            await scene.store(scene.slot(1, LOW), ignored << 2)
            low = LOW.pack(**{n: b & LOW.field(n).get(ignored << 2) for n, b in bits.items()})
            assert await scene.load(scene.slot(1, LOW)) == low
    await device.reset()
    await scene.store(scene.slot(1, LOW), LOW.pack(active=1, supervisor=1, notify=1))
    await scene.store(scene.slot(1, HIGH), 1)
    assert await scene.load(scene.slot(1, LOW)) == LOW.pack(active=1)
    assert not any(scene.lines())
    if there:
        assert await scene.load(scene.control(ENABLE)) == 0


# --- Lines ----------------------------------------------------------------------------------------


async def supervisor_kind(device: Device) -> None:
    """A receiver of supervisor kind raises the supervisor's line of its hart, and no other."""
    scene = await _Scene.of(device)
    harts = device.config.harts
    await scene.extend()
    await scene.entry(0, vector=1, receiver=3)
    await scene.enable_sender()
    for hart in range(harts):
        low = LOW.pack(active=1, supervisor=1, hartid=hart)
        user = LOW.pack(active=1, hartid=hart)
        only = [each == hart for each in range(harts)]
        await scene.user(hart, 3)
        device.set_privilege(0, Privilege.S)
        await scene.store(scene.slot(3, LOW), low)
        device.set_privilege(0, Privilege.U if hart == 0 else Privilege.S)
        await scene.settle()
        device.submit(0, Request(RequestKind.UIPI, UipiFunction.SEND))
        assert await device.run(100) == 4
        assert await device.run(100) == 2, "run stops where the line changes"
        assert scene.lines() == only
        assert not device.interrupt(hart)
        device.set_privilege(0, Privilege.S)
        # A change of kind moves the bit from one line to the other.
        await scene.store(scene.slot(3, LOW), user)
        assert not any(scene.lines())
        assert await scene.read(Csr.UIP, hart) == _SOFTWARE
        await scene.store(scene.slot(3, LOW), low)
        assert scene.lines() == only
        assert await scene.load(scene.slot(3, HIGH)) == 1 << 1
        assert not any(scene.lines())
        device.set_privilege(hart, Privilege.S)
    # Nor does a hart that does not exist get one, and a reset forgets.
    await scene.store(scene.slot(3, LOW), LOW.pack(active=1, supervisor=1, hartid=harts + 3))
    await scene.store(scene.slot(3, HIGH), 1)
    assert not any(scene.lines())
    await scene.store(scene.slot(3, LOW), low)
    assert any(scene.lines())
    await device.reset()
    assert not any(scene.lines())


async def the_line_in_the_cycle_of_acceptance(device: Device) -> None:
    """Uip is read as it is when a request is accepted; a write is answered with the line there."""
    scene = await _Scene.of(device)
    await scene.entry(0)
    await scene.write(Csr.SUIST, CSRS[Csr.SUIST].pack(
        ppn=device.config.table_base // PAGE_BYTES, size=1, en=1), 1)  # fmt: skip
    await scene.user(0, 0)
    device.submit(1, Request(RequestKind.UIPI, UipiFunction.SEND))
    # The line is high from cycle 6 on: what is accepted in 5 does not see it.
    assert await device.run(4) == 4
    assert await device.run(1) == 1
    device.submit(0, Request(RequestKind.CSR, CsrFunction.READ, Csr.UIP))
    device.submit(1, Request(RequestKind.TRAP))
    await device.run(1)
    assert device.response(0) == _OK
    assert device.interrupt(0)
    assert await scene.read(Csr.UIP) == _SOFTWARE
    assert (await scene.request(0, Request(RequestKind.TRAP)))[0].status is Status.OK
    assert (await scene.request(0, Request(RequestKind.URET)))[0].status is Status.OK
    await scene.store(scene.slot(0, LOW), 0, hart=1)
    await scene.settle()
    # Answered in 5 over the bus; the line shows in 4.
    device.submit(1, Request(RequestKind.STORE, 0, scene.slot(0, LOW), LOW.pack(active=1)))
    assert await device.run(100) == 4
    assert device.interrupt(0)
    assert await device.run(100) == 1
    assert device.response(1) == _OK


async def _together(scene: _Scene, requests: dict[int, Request]) -> dict[int, int]:
    """Cycles after which each hart's request is answered, all submitted at once."""
    await scene.settle()
    for hart, request in requests.items():
        scene.device.submit(hart, request)
    cycles: dict[int, int] = {}
    now = 0
    while len(cycles) < len(requests):
        now += await scene.device.run(100)
        cycles |= {hart: now for hart in requests if scene.device.response(hart) is not None}
    return cycles


async def bus_and_unit_share_the_controller(device: Device) -> None:
    """Both are accepted at the earliest in 1; hart 1's port comes before the bus's (2)."""
    scene = await _Scene.of(device)
    await scene.enable_receiver(0, 1)
    requests = {
        0: Request(RequestKind.LOAD, 0, scene.slot(0, SEND)),
        1: Request(RequestKind.UIPI, UipiFunction.READ),
    }
    assert await _together(scene, requests) == {0: 6, 1: 5}


async def kept_entries_post_one_a_cycle(device: Device) -> None:
    """A burst of posts takes two cycles each through the table, one from caches: the bus makes one
    transfer at a time, and the controller accepts a post in every cycle."""
    scene = await _Scene.of(device)
    harts = range(device.config.harts)
    for hart in harts:
        await scene.entry(hart, vector=hart, receiver=hart)
        await scene.enable_sender(hart)
    posts = {hart: Request(RequestKind.UIPI, UipiFunction.SEND, 0, hart) for hart in harts}
    taken = await _together(scene, posts)
    assert sorted(taken.values()) == [4 + 2 * each for each in harts]
    for hart in harts:
        await scene.store(scene.control(ENTRY_CACHE, hart), 1)
    await _together(scene, posts)
    taken = await _together(scene, posts)
    assert sorted(taken.values()) == [2 + each for each in harts]
    for hart in harts:
        assert await scene.load(scene.slot(hart, HIGH)) == 1 << hart


# --- Random ---------------------------------------------------------------------------------------


async def one_at_a_time(device: Device, seed: int = 1) -> None:
    """Random actions, one after the other, against what they mean without any notion of time: sets
    of pending vectors, and a line that is the OR over a hart's receivers."""
    scene = await _Scene.of(device)
    draw = random.Random(f"one at a time {seed}")
    harts, receivers = device.config.harts, min(device.config.receivers, 4)
    pending: list[set[int]] = [set() for _ in range(receivers)]
    active, home = [False] * receivers, [0] * receivers
    raised = 0
    for hart in range(harts):
        await scene.enable_sender(hart)
        await scene.write(Csr.SIDELEG, _SOFTWARE, hart)
    for _ in range(200):
        hart, receiver, value = draw.randrange(harts), draw.randrange(receivers), draw.randrange(64)
        match draw.choice(("send", "post", "read", "write", "active", "hart")):
            case "send":
                await scene.entry(5, hart=hart, vector=value, receiver=receiver)
                assert await scene.uipi(UipiFunction.SEND, 5, hart) == _OK
                pending[receiver].add(value)
            case "post":
                await scene.store(scene.slot(receiver, SEND), value, hart)
                pending[receiver].add(value)
            case "read":
                word = await scene.load(scene.slot(receiver, HIGH), hart)
                assert word == sum(1 << bit for bit in pending[receiver])
                pending[receiver].clear()
            case "write":
                await scene.enable_receiver(receiver, hart)
                assert await scene.uipi(UipiFunction.WRITE, 1 << value | 1, hart) == _OK
                pending[receiver] |= {value, 0}
            case "active":
                await scene.enable_receiver(receiver, hart)
                active[receiver] = value % 2 == 1
                on = UipiFunction.ACTIVATE if active[receiver] else UipiFunction.DEACTIVATE
                assert await scene.uipi(on, 0, hart) == _OK
            case _:
                home[receiver], active[receiver] = value % (harts + 2), True
                low = LOW.pack(active=1, hartid=home[receiver])
                await scene.store(scene.slot(receiver, LOW), low, hart)
        await scene.settle()
        for line in range(harts):
            expected = any(
                bits and on and of == line
                for bits, on, of in zip(pending, active, home, strict=True)
            )
            assert (await scene.read(Csr.UIP, line) == _SOFTWARE) == expected
            raised += expected
    assert raised > 50


async def posts_are_conserved(device: Device, seed: int = 1) -> None:
    """All harts at once: what is posted is read exactly once, by whoever reads, or remains; and
    at quiescence a line is the OR over the receivers."""
    scene = await _Scene.of(device)
    draw = random.Random(f"posts {seed}")
    harts, receivers = device.config.harts, min(device.config.receivers, 4)
    for index in range(receivers * VECTORS):
        await scene.entry(index, vector=index % VECTORS, receiver=index // VECTORS)
    homes = [receiver % (harts + 1) for receiver in range(receivers)]
    for receiver, home in enumerate(homes):
        low = LOW.pack(active=receiver > 0, hartid=home)
        await scene.store(scene.slot(receiver, LOW), low)
    for hart in range(harts):
        await scene.enable_sender(hart)
        await scene.enable_receiver(hart, hart)
        await scene.write(Csr.SIDELEG, _SOFTWARE, hart)
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
                request = Request(RequestKind.LOAD, 0, scene.slot(asked[hart] or 0, HIGH))
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
    await scene.settle()
    for hart in range(harts):
        expected = any(
            (receiver, bit) not in free
            for receiver in range(1, receivers)
            for bit in range(VECTORS)
            if homes[receiver] == hart
        )
        assert (await scene.read(Csr.UIP, hart) == _SOFTWARE) == expected
    for receiver in range(receivers):
        seen += take(receiver, await scene.load(scene.slot(receiver, HIGH)))
    assert posted == seen > 500
    for hart in range(harts):
        assert await scene.read(Csr.UIP, hart) == 0


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
