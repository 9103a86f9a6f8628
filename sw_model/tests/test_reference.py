"""The reference device against the contract of docs/hardware.md: every status, every latency."""

import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rel4.machine.device import Device, DeviceConfig, Request, Response
from rel4.reference.device import ReferenceDevice, run
from uintr.registers import (
    ACTIVE,
    ALL_FEATURES,
    CAUSE_USER_SOFTWARE,
    CONTROL_OFFSET,
    CSRS,
    ENABLE,
    ENTRIES_PER_PAGE,
    HIGH,
    LOW,
    PAGE_BYTES,
    SEND,
    SENDER_ENTRY,
    SENDER_ENTRY_BYTES,
    SLOT_BYTES,
    Csr,
    CsrFunction,
    Feature,
    Privilege,
    Register,
    RequestKind,
    Status,
    UipiFunction,
)

WORD = (1 << 64) - 1
SOFTWARE = CSRS[Csr.UIP].field("software").mask
Job = Callable[[Device], Coroutine[Any, Any, Any]]


class Bench:
    """Helper verbs on one device; a request answers (response, cycles until it came)."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.config = device.config

    async def request(self, hart: int, request: Request) -> tuple[Response, int]:
        self.device.submit(hart, request)
        cycles = 0
        while True:
            cycles += await self.device.run(1000)
            response = self.device.response(hart)
            if response is not None:
                return response, cycles
            assert cycles < 100_000

    async def settle(self) -> int:
        cycles = 0
        while not self.device.quiescent:
            cycles += await self.device.run(1000)
        return cycles

    async def csr(
        self, number: int, data: int = 0, function: int = CsrFunction.WRITE, hart: int = 0
    ) -> Response:
        request = Request(RequestKind.CSR, function, number, data)
        return (await self.request(hart, request))[0]

    async def read(self, number: int, hart: int = 0) -> int:
        return (await self.csr(number, 0, CsrFunction.READ, hart)).data

    async def uipi(self, function: int, data: int = 0, hart: int = 0) -> tuple[Response, int]:
        return await self.request(hart, Request(RequestKind.UIPI, function, 0, data))

    async def load(self, address: int, hart: int = 0) -> int:
        response, _ = await self.request(hart, Request(RequestKind.LOAD, 0, address, 0))
        assert response.status is Status.OK
        return response.data

    async def store(self, address: int, data: int, hart: int = 0) -> None:
        response, _ = await self.request(hart, Request(RequestKind.STORE, 0, address, data))
        assert response == Response(0, Status.OK)

    async def extend(self, supervisor: int = 1, notify: int = 1) -> None:
        """Software knows these bits of LOW."""
        word = ENABLE.pack(supervisor=supervisor, notify=notify)
        await self.store(self.config.base + CONTROL_OFFSET + ENABLE.address, word)

    def slot(self, receiver: int, register: Register) -> int:
        return self.config.base + receiver * SLOT_BYTES + register.address

    def entry(self, index: int) -> int:
        return self.config.table_base + index * SENDER_ENTRY_BYTES

    async def enable_sender(self, hart: int = 0, size: int = 1) -> None:
        ppn = self.config.table_base // PAGE_BYTES
        await self.csr(Csr.SUIST, CSRS[Csr.SUIST].pack(ppn=ppn, size=size, en=1), hart=hart)

    async def enable_receiver(self, index: int, hart: int = 0) -> None:
        await self.csr(Csr.SUIRS, CSRS[Csr.SUIRS].pack(index=index, en=1), hart=hart)

    async def delegate(self, hart: int = 0) -> None:
        """Uie and uip show and take what is delegated alone."""
        await self.csr(Csr.SIDELEG, CSRS[Csr.SIDELEG].mask(), hart=hart)

    async def enable_interrupt(self, hart: int = 0) -> None:
        await self.delegate(hart)
        await self.csr(Csr.UIE, SOFTWARE, hart=hart)
        await self.csr(Csr.USTATUS, CSRS[Csr.USTATUS].pack(uie=1), hart=hart)


def bench(job: Callable[[Bench], Coroutine[Any, Any, Any]], **shape: Any) -> None:
    async def settled(device: Device) -> None:
        bench = Bench(device)
        await bench.settle()
        await job(bench)

    run(DeviceConfig(**shape), settled)


# --- Reset and quiescence -------------------------------------------------------------------------


@pytest.mark.parametrize("receivers", [1, 5, 512, 65_536])
def test_the_sweep_takes_a_cycle_per_receiver(receivers: int) -> None:
    async def job(device: Device) -> None:
        for _ in range(2):
            assert not device.quiescent
            assert await device.run(1_000_000) == receivers
            assert device.quiescent
            await device.reset()

    run(DeviceConfig(receivers=receivers), job)


def test_the_sweep_may_be_stepped_in_pieces() -> None:
    async def job(device: Device) -> None:
        assert await device.run(4) == 4
        assert await device.run(5) == 5
        assert not device.quiescent
        assert await device.run(5) == 1
        assert device.quiescent

    run(DeviceConfig(receivers=10), job)


def test_an_operation_waits_for_the_sweep() -> None:
    # Submitted in cycle 0; CSR write answered in 1, UIPI accepted at the end of 1, the operation
    # accepted in cycle 20 and answered in 20 + 4.
    async def job(device: Device) -> None:
        bench = Bench(device)
        await bench.enable_receiver(3)
        response, cycles = await bench.uipi(UipiFunction.READ)
        assert (response, cycles) == (Response(0, Status.OK), 23)

    run(DeviceConfig(receivers=20), job)


def test_quiescent_time_passes_without_effect() -> None:
    async def job(bench: Bench) -> None:
        assert await bench.device.run(10**12) == 10**12
        assert bench.device.quiescent

    bench(job)


def test_a_change_of_privilege_is_an_input() -> None:
    async def job(bench: Bench) -> None:
        device = bench.device
        device.set_privilege(0, Privilege.U)
        assert not device.quiescent
        device.set_privilege(0, Privilege.S)
        assert device.quiescent
        device.set_privilege(0, Privilege.U)
        assert await device.run(100) == 1
        assert device.quiescent

    bench(job)


def test_reset_forgets_all_but_the_table() -> None:
    async def job(bench: Bench) -> None:
        device = bench.device
        await bench.store(bench.entry(7), 99)
        await bench.store(bench.slot(0, LOW), LOW.pack(active=1, hartid=1))
        await bench.store(bench.slot(0, HIGH), 1)
        await bench.csr(Csr.USCRATCH, 5)
        device.set_privilege(0, Privilege.U)
        device.submit(1, Request(RequestKind.LOAD, 0, bench.entry(7)))
        await device.run(1)
        await device.reset()
        assert device.response(0) is None
        await bench.settle()
        assert await bench.read(Csr.USCRATCH) == 0
        assert await bench.load(bench.slot(0, LOW)) == 0
        assert await bench.load(bench.slot(0, HIGH)) == 0
        assert await bench.load(bench.entry(7), hart=1) == 99

    bench(job)


def test_limits_and_double_requests_are_refused() -> None:
    async def job(bench: Bench) -> None:
        request = Request(RequestKind.CSR, 0, Csr.UIE)
        with pytest.raises(ValueError, match="limit must be at least 1, not 0"):
            await bench.device.run(0)
        with pytest.raises(ValueError, match="address and data must fit 64 bits"):
            bench.device.submit(0, Request(RequestKind.STORE, 0, bench.entry(0), 1 << 64))
        bench.device.submit(0, request)
        with pytest.raises(ValueError, match="hart must have no request outstanding"):
            bench.device.submit(0, request)

    bench(job)


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ({"base": 0x1000}, "base must be a 64-bit multiple of 0x4000, not 0x1000"),
        ({"table_base": 8}, "table_base must be a 64-bit multiple of 0x1000, not 0x8"),
        ({"table_base": -4096}, "table_base must be a 64-bit multiple of 0x1000, not -0x1000"),
        (
            {"table_base": (1 << 64) - 4096},
            "table_base must be at most 0xffffffffffff0000 for 16 pages, not 0xfffffffffffff000",
        ),
        (
            {"base": 0x8000, "table_base": 0xB000},
            "table_base must be outside the controller's windows, "
            "0x8000 to 0xbfff among them, not 0xb000",
        ),
    ],
)
def test_windows(shape: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        ReferenceDevice(DeviceConfig(**shape))


# --- CSRs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("csr", list(Csr))
def test_csr_functions(csr: Csr) -> None:
    mask = CSRS[csr].mask()

    async def job(bench: Bench) -> None:
        value = CSRS[csr].reset
        if csr is not Csr.SIDELEG:
            await bench.delegate()
        draw = random.Random(csr)
        for function in [*CsrFunction] * 8:
            data = draw.getrandbits(64)
            response, cycles = await bench.request(0, Request(RequestKind.CSR, function, csr, data))
            assert (response, cycles) == (Response(value, Status.OK), 1)
            value = {
                CsrFunction.READ: value,
                CsrFunction.WRITE: data,
                CsrFunction.SET: value | data,
                CsrFunction.CLEAR: value & ~data,
            }[function] & mask
        assert await bench.read(csr) == value

    bench(job)


@pytest.mark.parametrize("privilege", list(Privilege))
@pytest.mark.parametrize("csr", list(Csr))
def test_csr_privilege(csr: Csr, privilege: Privilege) -> None:
    async def job(bench: Bench) -> None:
        if csr is not Csr.SIDELEG:
            await bench.delegate()
        bench.device.set_privilege(0, privilege)
        response = await bench.csr(csr, 1)
        allowed = csr.privilege <= privilege
        assert response == Response(0, Status.OK if allowed else Status.ILLEGAL)
        bench.device.set_privilege(0, Privilege.M)
        assert await bench.read(csr) == (CSRS[csr].mask() & 1 if allowed else 0)

    bench(job)


def test_csr_number_and_function() -> None:
    async def job(bench: Bench) -> None:
        bench.device.set_privilege(0, Privilege.M)
        for number in sorted({*range(0x1C0), 0xFFF} - set(Csr)):
            assert await bench.csr(number, 1) == Response(0, Status.ILLEGAL)
        assert await bench.csr(Csr.USCRATCH, 1, 4) == Response(0, Status.ILLEGAL)
        assert await bench.read(Csr.USCRATCH) == 0

    bench(job)


def test_the_line_is_not_latched_into_uip() -> None:
    async def job(bench: Bench) -> None:
        await bench.store(bench.slot(2, LOW), LOW.pack(active=1))
        await bench.store(bench.slot(2, HIGH), 4)
        await bench.delegate()
        assert await bench.csr(Csr.UIP, 0, CsrFunction.SET) == Response(SOFTWARE, Status.OK)
        assert await bench.csr(Csr.UIP, 0, CsrFunction.CLEAR) == Response(SOFTWARE, Status.OK)
        await bench.store(bench.slot(2, ACTIVE), 0)
        assert await bench.read(Csr.UIP) == 0
        await bench.csr(Csr.UIP, WORD)
        assert await bench.read(Csr.UIP) == SOFTWARE

    bench(job)


def test_uie_and_uip_show_and_take_only_what_is_delegated() -> None:
    async def job(bench: Bench) -> None:
        await bench.store(bench.slot(2, LOW), LOW.pack(active=1))
        await bench.store(bench.slot(2, HIGH), 4)
        for delegated in (0, 1, 0x10, 0x100, 0x111):
            await bench.delegate()
            await bench.csr(Csr.UIE, 0)
            await bench.csr(Csr.UIP, 0)
            await bench.csr(Csr.SIDELEG, delegated)
            assert await bench.read(Csr.UIP) == delegated & SOFTWARE
            for csr in (Csr.UIE, Csr.UIP):
                await bench.csr(csr, WORD)
            assert await bench.read(Csr.UIE) == delegated
            await bench.csr(Csr.SIDELEG, 0)
            assert await bench.read(Csr.UIE) == await bench.read(Csr.UIP) == 0
            for csr in (Csr.UIE, Csr.UIP):
                await bench.csr(csr, WORD, CsrFunction.CLEAR)
            await bench.delegate()  # what was out of sight has stayed
            assert await bench.read(Csr.UIE) == delegated
        await bench.store(bench.slot(2, ACTIVE), 0)
        assert await bench.read(Csr.UIP) == SOFTWARE

    bench(job)


# --- Trap, uret, interrupt ------------------------------------------------------------------------


def test_trap_and_uret() -> None:
    async def job(bench: Bench) -> None:
        device = bench.device
        await bench.enable_interrupt()
        await bench.csr(Csr.UTVEC, 0x1235)
        await bench.csr(Csr.UTVAL, 7)
        assert await bench.csr(Csr.UIP, SOFTWARE) == Response(0, Status.OK)
        assert not device.interrupt(0)
        device.set_privilege(0, Privilege.U)
        assert await device.run(9) == 1
        assert device.interrupt(0)
        assert not device.interrupt(1)
        answer = await bench.request(0, Request(RequestKind.TRAP, 0, 0, 0x4321))
        assert answer == (Response(0x1234, Status.OK), 1)
        assert not device.interrupt(0)
        assert await bench.read(Csr.UEPC) == 0x4320
        assert await bench.read(Csr.UCAUSE) == CAUSE_USER_SOFTWARE
        assert await bench.read(Csr.UTVAL) == 0
        assert await bench.read(Csr.USTATUS) == CSRS[Csr.USTATUS].pack(upie=1)
        answer = await bench.request(0, Request(RequestKind.TRAP, 0, 0, 0x9999))
        assert answer == (Response(0, Status.NOT_PENDING), 1)
        assert await bench.read(Csr.UEPC) == 0x4320
        answer = await bench.request(0, Request(RequestKind.URET))
        assert answer == (Response(0x4320, Status.OK), 1)
        assert device.interrupt(0)
        assert await bench.read(Csr.USTATUS) == CSRS[Csr.USTATUS].pack(uie=1, upie=1)

    bench(job)


@pytest.mark.parametrize("missing", ["sideleg", "uie", "ustatus", "uip", "privilege"])
def test_interrupt_needs_every_condition(missing: str) -> None:
    async def job(bench: Bench) -> None:
        await bench.enable_interrupt()
        await bench.csr(Csr.UIP, SOFTWARE)
        if missing != "privilege":
            await bench.csr(Csr[missing.upper()], 0)
            bench.device.set_privilege(0, Privilege.U)
        await bench.settle()
        assert not bench.device.interrupt(0)
        answer = await bench.request(0, Request(RequestKind.TRAP))
        assert answer == (Response(0, Status.NOT_PENDING), 1)

    bench(job)


# --- UIPI -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [5, 6, 127])
def test_uipi_function(function: int) -> None:
    async def job(bench: Bench) -> None:
        assert await bench.uipi(function) == (Response(0, Status.ILLEGAL), 1)

    bench(job)


@pytest.mark.parametrize("function", list(UipiFunction))
def test_uipi_disabled(function: int) -> None:
    async def job(bench: Bench) -> None:
        assert await bench.uipi(function) == (Response(0, Status.DISABLED), 1)

    bench(job)


@pytest.mark.parametrize("index", [ENTRIES_PER_PAGE, ENTRIES_PER_PAGE + 1 << 40, WORD])
def test_uipi_send_index(index: int) -> None:
    async def job(bench: Bench) -> None:
        await bench.enable_sender()
        assert await bench.uipi(UipiFunction.SEND, index) == (Response(0, Status.INDEX), 1)
        await bench.enable_sender(size=0)
        assert await bench.uipi(UipiFunction.SEND, 0) == (Response(0, Status.INDEX), 1)

    bench(job)


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        (SENDER_ENTRY.pack(vector=64, receiver=512), Status.INVALID),
        (SENDER_ENTRY.pack(valid=1, vector=64, receiver=512), Status.VECTOR),
        (SENDER_ENTRY.pack(valid=1, vector=63, receiver=512), Status.RECEIVER),
        (SENDER_ENTRY.pack(valid=1, vector=63, receiver=511), Status.OK),
    ],
)
def test_uipi_send_entry(entry: int, status: Status) -> None:
    async def job(bench: Bench) -> None:
        await bench.enable_sender(size=2)
        index = 2 * ENTRIES_PER_PAGE - 1
        await bench.store(bench.entry(index), entry)
        # Read in cycle 1, acknowledged in 2, so answered in 3, or posted in 3 and answered in 4.
        cycles = 4 if status is Status.OK else 3
        assert await bench.uipi(UipiFunction.SEND, index) == (Response(0, status), cycles)
        posted = 1 << 63 if status is Status.OK else 0
        assert await bench.load(bench.slot(511, HIGH)) == posted

    bench(job)


def test_uipi_send_bus_error() -> None:
    async def job(bench: Bench) -> None:
        await bench.csr(Csr.SUIST, CSRS[Csr.SUIST].pack(ppn=(1 << 44) - 1, size=4095, en=1))
        assert await bench.uipi(UipiFunction.SEND, 0) == (Response(0, Status.BUS), 3)
        index = 4095 * ENTRIES_PER_PAGE - 1
        assert await bench.uipi(UipiFunction.SEND, index) == (Response(0, Status.BUS), 3)

    bench(job)


def test_uipi_receiver() -> None:
    async def job(bench: Bench) -> None:
        await bench.enable_receiver(5)
        for function in (*UipiFunction,)[1:]:
            assert await bench.uipi(function) == (Response(0, Status.RECEIVER), 1)

    bench(job, receivers=5)


@pytest.mark.parametrize("privilege", list(Privilege))
def test_uipi_of_the_receiver(privilege: Privilege) -> None:
    async def job(bench: Bench) -> None:
        await bench.enable_receiver(4)
        await bench.delegate()
        bench.device.set_privilege(0, privilege)
        # Presented in cycle 1 and accepted there.
        assert await bench.uipi(UipiFunction.WRITE, 0x8001) == (Response(0, Status.OK), 5)
        assert await bench.uipi(UipiFunction.WRITE, 0x10) == (Response(0, Status.OK), 5)
        assert await bench.uipi(UipiFunction.ACTIVATE, 0) == (Response(0, Status.OK), 5)
        assert await bench.load(bench.slot(4, ACTIVE), hart=1) == 1
        assert await bench.read(Csr.UIP) == SOFTWARE
        assert await bench.uipi(UipiFunction.DEACTIVATE, WORD) == (Response(0, Status.OK), 5)
        assert await bench.load(bench.slot(4, ACTIVE), hart=1) == 0
        assert await bench.read(Csr.UIP) == 0
        assert await bench.uipi(UipiFunction.READ, WORD) == (Response(0x8011, Status.OK), 5)
        assert await bench.uipi(UipiFunction.READ) == (Response(0, Status.OK), 5)

    bench(job, receivers=5)


def test_a_post_in_flight_is_not_mistaken_for_an_answer() -> None:
    async def job(bench: Bench) -> None:
        await bench.enable_sender()
        await bench.enable_receiver(1)
        await bench.store(bench.entry(0), SENDER_ENTRY.pack(valid=1, vector=3, receiver=1))
        for _ in range(3):
            assert await bench.uipi(UipiFunction.SEND) == (Response(0, Status.OK), 4)
            assert await bench.uipi(UipiFunction.READ) == (Response(8, Status.OK), 5)

    bench(job)


# --- Loads, stores, controller slots --------------------------------------------------------------


def test_load_and_store_refused() -> None:
    async def job(bench: Bench) -> None:
        for kind in (RequestKind.LOAD, RequestKind.STORE):
            for offset in range(1, 8):
                request = Request(kind, 0, bench.entry(0) + offset)
                assert await bench.request(0, request) == (Response(0, Status.ILLEGAL), 1)
            bench.device.set_privilege(0, Privilege.U)
            request = Request(kind, 0, bench.entry(0))
            assert await bench.request(0, request) == (Response(0, Status.ILLEGAL), 1)
            bench.device.set_privilege(0, Privilege.M)
            for address in (
                0,
                bench.config.base - 8,
                bench.slot(5, SEND),
                bench.entry(-1),
                bench.entry(2 * ENTRIES_PER_PAGE),
                bench.entry(0) + (1 << 63),
                WORD - 7,
            ):
                answer = await bench.request(0, Request(kind, 0, address))
                assert answer == (Response(0, Status.BUS), 3)

    bench(job, receivers=5, table_pages=2)


def test_unknown_kind() -> None:
    async def job(bench: Bench) -> None:
        for kind in (6, 7):
            answer = await bench.request(0, Request(kind, 0, bench.entry(0)))  # type: ignore[arg-type]
            assert answer == (Response(0, Status.ILLEGAL), 1)

    bench(job)


def test_table_memory() -> None:
    async def job(bench: Bench) -> None:
        for index in (0, 2 * ENTRIES_PER_PAGE - 1):
            address = bench.entry(index)
            store = Request(RequestKind.STORE, 0, address, WORD - index)
            assert await bench.request(0, store) == (Response(0, Status.OK), 3)
            load = Request(RequestKind.LOAD, 0, address, 0)
            assert await bench.request(1, load) == (Response(WORD - index, Status.OK), 3)

    bench(job, table_pages=2)


def test_slot_registers() -> None:
    async def job(bench: Bench) -> None:
        for receiver in (0, 4):
            # Presented in 1, accepted in 1, acknowledged in 4, answered in 5.
            low = Request(RequestKind.STORE, 0, bench.slot(receiver, LOW), WORD)
            assert await bench.request(0, low) == (Response(0, Status.OK), 5)
            expected = LOW.pack(active=1, mode=1, hartid=2)
            load = Request(RequestKind.LOAD, 0, bench.slot(receiver, LOW))
            assert await bench.request(0, load) == (Response(expected, Status.OK), 5)
            await bench.store(bench.slot(receiver, ACTIVE), 2)
            assert await bench.load(bench.slot(receiver, ACTIVE)) == 0
            await bench.store(bench.slot(receiver, SEND), 63)
            await bench.store(bench.slot(receiver, SEND), 64)
            await bench.store(bench.slot(receiver, SEND), 1 << 63)
            await bench.store(bench.slot(receiver, HIGH), 1)
            assert await bench.load(bench.slot(receiver, SEND)) == 0
            await bench.store(bench.slot(receiver, LOW), LOW.pack(hartid=1))
            assert await bench.load(bench.slot(receiver, LOW)) == LOW.pack(hartid=1)
            assert await bench.load(bench.slot(receiver, HIGH)) == 1 << 63 | 1
            assert await bench.load(bench.slot(receiver, HIGH)) == 0

    bench(job, receivers=5)


@pytest.mark.parametrize("features", [Feature.SUPERVISOR, Feature.NOTIFY, ALL_FEATURES])
def test_bits_of_low_mean_something_only_to_software_that_knows_them(features: Feature) -> None:
    """For every value of LOW's bits 15:2, which the specification ignores."""

    async def job(bench: Bench) -> None:
        known = {"supervisor": Feature.SUPERVISOR, "notify": Feature.NOTIFY}
        for word in (0, 0b001, 0b100, 0b101):
            enable = bench.config.base + CONTROL_OFFSET + ENABLE.address
            await bench.store(enable, WORD & ~0b101 | word)
            enabled = word & ENABLE.pack(**{n: int(f in features) for n, f in known.items()})
            assert await bench.load(enable) == enabled
            bits = {name: ENABLE.field(name).get(enabled) for name in known}
            for ignored in (0, 0b01, 0b10, 0b11, (1 << 14) - 1):
                await bench.store(bench.slot(1, LOW), ignored << 2)
                low = LOW.pack(**{n: b & LOW.field(n).get(ignored << 2) for n, b in bits.items()})
                assert await bench.load(bench.slot(1, LOW)) == low
        await bench.device.reset()
        assert await bench.load(enable) == 0

    bench(job, receivers=5, features=features)


# --- Latency to the line, contention --------------------------------------------------------------


def test_six_cycles_from_uipi_to_line() -> None:
    async def job(bench: Bench) -> None:
        device = bench.device
        await bench.store(bench.slot(9, LOW), LOW.pack(active=1, hartid=1))
        await bench.store(bench.entry(0), SENDER_ENTRY.pack(valid=1, vector=1, receiver=9))
        await bench.enable_sender()
        await bench.enable_interrupt(hart=1)
        device.set_privilege(1, Privilege.U)
        await bench.settle()
        device.submit(0, Request(RequestKind.UIPI, UipiFunction.SEND))
        assert await device.run(100) == 4
        assert device.response(0) == Response(0, Status.OK)
        assert await device.run(100) == 2
        assert device.response(0) is None
        assert device.interrupt(1)
        assert await device.run(100) == 1
        assert device.quiescent

    bench(job)


def test_a_receiver_of_supervisor_kind_raises_the_supervisor_line() -> None:
    async def job(bench: Bench) -> None:
        device = bench.device
        low = LOW.pack(active=1, supervisor=1, hartid=1)
        await bench.extend()
        await bench.store(bench.slot(9, LOW), low)
        await bench.store(bench.entry(0), SENDER_ENTRY.pack(valid=1, vector=1, receiver=9))
        await bench.enable_sender()
        await bench.enable_interrupt(hart=1)
        device.set_privilege(1, Privilege.U)
        await bench.settle()
        device.submit(0, Request(RequestKind.UIPI, UipiFunction.SEND))
        assert await device.run(100) == 4
        assert await device.run(100) == 2, "run stops where the line changes"
        lines = [device.supervisor_interrupt(hart) for hart in range(2)]
        assert lines == [False, True]
        assert not device.interrupt(1)
        assert await bench.load(bench.slot(9, LOW)) == low
        # A change of kind moves the bit from one line to the other.
        await bench.store(bench.slot(9, LOW), LOW.pack(active=1, hartid=1))
        assert not device.supervisor_interrupt(1)
        assert device.interrupt(1)
        await bench.store(bench.slot(9, LOW), low)
        assert device.supervisor_interrupt(1)
        assert await bench.load(bench.slot(9, HIGH)) == 1 << 1
        assert not device.supervisor_interrupt(1)
        # Nor does a hart that does not exist get one.
        await bench.store(bench.slot(9, LOW), LOW.pack(active=1, supervisor=1, hartid=7))
        await bench.store(bench.slot(9, HIGH), 1)
        assert not any(device.supervisor_interrupt(hart) for hart in range(2))
        await bench.store(bench.slot(9, LOW), low)
        assert device.supervisor_interrupt(1)
        await device.reset()
        assert not device.supervisor_interrupt(1)

    bench(job)


def test_without_its_feature_the_kind_is_reserved() -> None:
    async def job(bench: Bench) -> None:
        await bench.store(bench.slot(0, LOW), LOW.pack(active=1, supervisor=1))
        await bench.store(bench.slot(0, HIGH), 1)
        assert await bench.load(bench.slot(0, LOW)) == LOW.pack(active=1)
        assert not bench.device.supervisor_interrupt(0)

    bench(job, features=Feature(0))


def test_the_line_is_read_as_it_is_in_the_cycle_of_acceptance() -> None:
    async def job(bench: Bench) -> None:
        device = bench.device
        await bench.store(bench.slot(0, LOW), LOW.pack(active=1))
        await bench.enable_sender(1)
        await bench.store(bench.entry(0), SENDER_ENTRY.pack(valid=1))
        await bench.enable_interrupt()
        device.set_privilege(0, Privilege.U)
        await bench.settle()
        device.submit(1, Request(RequestKind.UIPI, UipiFunction.SEND))
        # The line is high from cycle 6 on: what is accepted in 5 does not see it.
        assert await device.run(4) == 4
        assert await device.run(1) == 1
        device.submit(0, Request(RequestKind.CSR, CsrFunction.READ, Csr.UIP))
        device.submit(1, Request(RequestKind.TRAP))
        await device.run(1)
        assert device.response(0) == Response(0, Status.OK)
        assert device.interrupt(0)
        assert await bench.read(Csr.UIP) == SOFTWARE
        assert (await bench.request(0, Request(RequestKind.TRAP)))[0].status is Status.OK

    bench(job)


def test_a_write_is_answered_with_the_line_already_there() -> None:
    # Answered in 5 over the bus; the line shows in 4.
    async def job(bench: Bench) -> None:
        device = bench.device
        await bench.enable_interrupt()
        device.set_privilege(0, Privilege.U)
        await bench.store(bench.slot(0, HIGH), 2, hart=1)
        await bench.settle()
        device.submit(1, Request(RequestKind.STORE, 0, bench.slot(0, LOW), LOW.pack(active=1)))
        assert await device.run(100) == 4
        assert device.interrupt(0)
        assert await device.run(100) == 1
        assert device.response(1) == Response(0, Status.OK)

    bench(job)


def answered(requests: dict[int, Request], **shape: int) -> dict[int, int]:
    """Cycles after which each hart's request is answered, all submitted at once."""
    cycles: dict[int, int] = {}

    async def job(bench: Bench) -> None:
        for hart in requests:
            await bench.enable_receiver(0, hart)
            await bench.enable_sender(hart)
        entry = SENDER_ENTRY.pack(valid=1)
        await bench.store(bench.entry(0), entry)
        await bench.settle()
        for hart, request in requests.items():
            bench.device.submit(hart, request)
        now = 0
        while len(cycles) < len(requests):
            now += await bench.device.run(100)
            for hart in requests:
                if bench.device.response(hart) is not None:
                    cycles[hart] = now

    bench(job, **shape)
    return cycles


def test_controller_contention() -> None:
    # No operation of a hart port so far: the search begins after the bus's port.
    request = Request(RequestKind.UIPI, UipiFunction.READ)
    assert answered(dict.fromkeys(range(4), request), harts=4) == {0: 5, 1: 6, 2: 7, 3: 8}


def test_bus_contention() -> None:
    # Hart 0 was served last by the bus. Table reads end every second cycle: connected in 1, ended
    # in 2; then 3 and 4, 5 and 6, 7 and 8; an answer comes one cycle later.
    load = Request(RequestKind.LOAD, 0, DeviceConfig().table_base)
    assert answered(dict.fromkeys(range(4), load), harts=4) == {1: 3, 2: 5, 3: 7, 0: 9}
    send = Request(RequestKind.UIPI, UipiFunction.SEND)
    assert answered(dict.fromkeys(range(4), send), harts=4) == {1: 4, 2: 6, 3: 8, 0: 10}


def test_bus_and_unit_share_the_controller() -> None:
    # Both are accepted at the earliest in 1; hart 1's port comes before the bus's (2).
    requests = {
        0: Request(RequestKind.LOAD, 0, DeviceConfig().base),
        1: Request(RequestKind.UIPI, UipiFunction.READ),
    }
    assert answered(requests) == {0: 6, 1: 5}


# --- Properties -----------------------------------------------------------------------------------


class Naive:
    """What the hardware means, without any notion of time: sets, and a sum over all receivers."""

    def __init__(self, harts: int, receivers: int) -> None:
        self.harts = harts
        self.pending: dict[int, set[int]] = {receiver: set() for receiver in range(receivers)}
        self.active = dict.fromkeys(range(receivers), False)
        self.hart = dict.fromkeys(range(receivers), 0)

    def line(self, hart: int) -> bool:
        return any(
            self.pending[receiver] and self.active[receiver] and self.hart[receiver] == hart
            for receiver in self.pending
        )


actions = st.lists(
    st.tuples(
        st.sampled_from(["send", "post", "read", "write", "active", "hart"]),
        st.integers(0, 2),  # who asks
        st.integers(0, 3),  # receiver
        st.integers(0, 63),  # vector or hart
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(actions)
def test_one_at_a_time_equals_the_naive_model(plan: list[tuple[str, int, int, int]]) -> None:
    async def job(bench: Bench) -> None:
        naive = Naive(3, 4)
        for hart in range(3):
            await bench.enable_sender(hart)
            await bench.delegate(hart)
        for what, hart, receiver, value in plan:
            if what == "send":
                entry = SENDER_ENTRY.pack(valid=1, vector=value, receiver=receiver)
                await bench.store(bench.entry(5), entry, hart)
                await bench.uipi(UipiFunction.SEND, 5, hart)
                naive.pending[receiver].add(value)
            elif what == "post":
                await bench.store(bench.slot(receiver, SEND), value, hart)
                naive.pending[receiver].add(value)
            elif what == "read":
                word = await bench.load(bench.slot(receiver, HIGH), hart)
                assert word == sum(1 << bit for bit in naive.pending[receiver])
                naive.pending[receiver].clear()
            elif what == "write":
                await bench.enable_receiver(receiver, hart)
                await bench.uipi(UipiFunction.WRITE, 1 << value | 1, hart)
                naive.pending[receiver] |= {value, 0}
            elif what == "active":
                await bench.enable_receiver(receiver, hart)
                on = value % 2 == 1
                function = UipiFunction.ACTIVATE if on else UipiFunction.DEACTIVATE
                await bench.uipi(function, 0, hart)
                naive.active[receiver] = on
            else:
                low = LOW.pack(active=1, hartid=value % 5)
                await bench.store(bench.slot(receiver, LOW), low, hart)
                naive.active[receiver] = True
                naive.hart[receiver] = min(value % 5, 3)
            await bench.settle()
            for line in range(3):
                assert (await bench.read(Csr.UIP, line) == SOFTWARE) == naive.line(line)

    bench(job, harts=3, receivers=4)


@pytest.mark.parametrize("seed", range(5))
def test_posted_bits_are_conserved(seed: int) -> None:
    """All harts at once: what is posted is read exactly once, by whoever reads, or remains; and
    at quiescence a line is the OR over the receivers."""
    draw = random.Random(seed)
    harts, receivers = 3, 4

    async def job(bench: Bench) -> None:
        device = bench.device
        for index in range(receivers * 64):
            entry = SENDER_ENTRY.pack(valid=1, vector=index % 64, receiver=index // 64)
            await bench.store(bench.entry(index), entry)
        for receiver in range(receivers):
            low = LOW.pack(active=receiver > 0, hartid=receiver % (harts + 1))
            await bench.store(bench.slot(receiver, LOW), low)
        for hart in range(harts):
            await bench.enable_sender(hart)
            await bench.enable_receiver(hart, hart)
            await bench.delegate(hart)
        # A vector is posted again only after it was seen, so each post is one bit to be counted.
        free = {(receiver, bit) for receiver in range(receivers) for bit in range(64)}
        posted = seen = 0
        asked: dict[int, int | None] = {}  # hart: receiver that it reads, None for a post
        for turn in range(3100):
            # The last turns only wait for what is under way.
            idle = sorted(set(range(harts)) - set(asked)) if turn < 3000 else []
            for hart in idle:
                if draw.random() < 0.15:
                    receiver = draw.randrange(receivers)
                    address = bench.slot(receiver, HIGH)
                    device.submit(hart, Request(RequestKind.LOAD, 0, address))
                    asked[hart] = receiver
                elif draw.random() < 0.15:
                    device.submit(hart, Request(RequestKind.UIPI, UipiFunction.READ))
                    asked[hart] = hart
                elif free:
                    receiver, bit = draw.choice(sorted(free))
                    free.discard((receiver, bit))
                    index = receiver * 64 + bit
                    device.submit(hart, Request(RequestKind.UIPI, UipiFunction.SEND, 0, index))
                    asked[hart] = None
                    posted += 1
            await device.run(draw.choice([1, 1, 3, 10]))
            for hart in list(asked):
                response = device.response(hart)
                if response is None:
                    continue
                assert response.status is Status.OK
                read = asked.pop(hart)
                if read is not None:
                    seen += response.data.bit_count()
                    for bit in range(64):
                        if response.data >> bit & 1:
                            assert (read, bit) not in free
                            free.add((read, bit))
        await bench.settle()
        for hart in range(harts):
            expected = any(
                (receiver, bit) not in free
                for receiver in range(1, receivers)
                for bit in range(64)
                if receiver == hart
            )
            assert (await bench.read(Csr.UIP, hart) == SOFTWARE) == expected
        for receiver in range(receivers):
            seen += (await bench.load(bench.slot(receiver, HIGH))).bit_count()
        assert posted == seen > 1000
        for hart in range(harts):
            assert await bench.read(Csr.UIP, hart) == 0

    bench(job, harts=harts, receivers=receivers)


@pytest.mark.parametrize("seed", range(5))
def test_long_runs_equal_single_steps(seed: int) -> None:
    """Skipping in `run` is invisible: the same requests at the same cycles give the same log."""

    def log(stride: int) -> list[Any]:
        draw = random.Random(seed)
        events: list[Any] = []

        async def job(device: Device) -> None:
            now = 0
            for _ in range(200):
                if device.quiescent or now < 40:
                    for hart in range(2):
                        if device._outstanding[hart]:  # type: ignore[attr-defined]
                            continue
                        device.submit(
                            hart,
                            draw.choice(
                                [
                                    Request(RequestKind.CSR, 1, Csr.SUIRS, 1 << 63 | hart),
                                    Request(RequestKind.UIPI, 1 + draw.randrange(4), 0, 5),
                                    Request(RequestKind.LOAD, 0, device.config.base + 8),
                                ]
                            ),
                        )
                stop = now + draw.choice([1, 5, 30])
                while now < stop:
                    now += await device.run(min(stride, stop - now))
                    for hart in range(2):
                        if device.response(hart) is not None:
                            events.append((now, hart, device.response(hart)))

        run(DeviceConfig(receivers=50), job)
        return events

    assert log(1) == log(1000)
    assert len(log(1)) > 100


def test_runner_gives_the_result_and_the_exception() -> None:
    async def result(device: Device) -> int:
        return device.config.harts

    async def failure(device: Device) -> None:
        raise LookupError("lost")

    assert run(DeviceConfig(harts=3), result) == 3
    with pytest.raises(LookupError, match="lost"):
        run(DeviceConfig(), failure)
    assert isinstance(ReferenceDevice(DeviceConfig()).config, DeviceConfig)
