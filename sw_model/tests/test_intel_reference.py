"""The Intel reference against the contract of docs/intel.md: every status, every latency."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rel4.machine.device import Device, DeviceConfig, Request, Response
from rel4.reference.device import run
from rel4.reference.intel.device import IntelReferenceDevice
from uintr.intel.registers import (
    BROADCAST,
    FAULT,
    MSRS,
    UITTE,
    UPID,
    Fault,
    Instruction,
    Internal,
    Msr,
    StoreFunction,
)
from uintr.registers import CsrFunction, Flavour, Privilege, RequestKind, Status

NV, KERNEL_NV = 0xEC, 0xEB
OK = Response(0, Status.OK)
GP = Response(0, Status.GP)
UD = Response(0, Status.UD)
ILLEGAL = Response(0, Status.ILLEGAL)
TABLE = 0x8400_0000
DESCRIPTORS = TABLE + 0x800
HANDLER = 0x4000
NOWHERE = 0x10_0000


class Bench:
    """Helper verbs on one device; a request answers (response, cycles until it came)."""

    def __init__(self, device: Device) -> None:
        assert isinstance(device, IntelReferenceDevice)
        self.device = device

    async def ask(
        self, kind: int, function: int = 0, address: int = 0, data: int = 0, hart: int = 0
    ) -> tuple[Response, int]:
        self.device.submit(hart, Request(RequestKind(kind), function, address, data))
        cycles = 0
        while True:
            cycles += await self.device.run(1000)
            response = self.device.response(hart)
            if response is not None:
                return response, cycles
            assert cycles < 10_000

    async def settle(self) -> int:
        cycles = 0
        while not self.device.quiescent:
            cycles += await self.device.run(1000)
        return cycles

    async def until(self, condition: Callable[[], bool]) -> int:
        cycles = 0
        while not condition():
            cycles += await self.device.run(1)
            assert cycles < 1000
        return cycles

    async def write(self, number: int, data: int, hart: int = 0) -> Response:
        return (await self.ask(RequestKind.CSR, CsrFunction.WRITE, number, data, hart))[0]

    async def read(self, number: int, hart: int = 0) -> int:
        response, cycles = await self.ask(RequestKind.CSR, CsrFunction.READ, number, 0, hart)
        assert response.status is Status.OK
        assert cycles == 1
        return response.data

    async def execute(self, function: int, data: int = 0, hart: int = 0) -> Response:
        return (await self.ask(RequestKind.UIPI, function, 0, data, hart))[0]

    async def senduipi(self, index: int, hart: int = 0) -> tuple[Response, int]:
        return await self.ask(RequestKind.UIPI, Instruction.SENDUIPI, 0, index, hart)

    async def load(self, address: int, hart: int = 0) -> int:
        response, cycles = await self.ask(RequestKind.LOAD, 0, address, 0, hart)
        assert (response.status, cycles) == (Status.OK, 3)
        return response.data

    async def store(self, address: int, data: int, hart: int = 0) -> None:
        assert await self.ask(RequestKind.STORE, 0, address, data, hart) == (OK, 3)

    def descriptor(self, hart: int) -> int:
        return DESCRIPTORS + 64 * hart

    async def entry(self, index: int, word: int, address: int) -> None:
        await self.store(TABLE + 16 * index, word)
        await self.store(TABLE + 16 * index + 8, address)

    async def prepare(self) -> None:
        """Every hart may send to every hart: entry i is for hart i % harts, with vector i."""
        harts = self.device.config.harts
        for index in range(64):
            await self.entry(index, UITTE.pack(v=1, uv=index), self.descriptor(index % harts))
        for hart in range(harts):
            await self.store(self.descriptor(hart), UPID.pack(nv=NV, ndst=hart))
            await self.write(Internal.CR4, 1 << 25, hart)
            await self.write(Msr.UINTR_TT, TABLE | 1, hart)
            misc = MSRS[Msr.UINTR_MISC].pack(uittsz=63, uinv=NV)
            await self.write(Msr.UINTR_MISC, misc, hart)
            await self.write(Msr.UINTR_PD, self.descriptor(hart), hart)
            await self.write(Msr.UINTR_HANDLER, HANDLER + hart, hart)
            await self.execute(Instruction.STUI, 0, hart)

    async def fault(self, hart: int = 0) -> tuple[int, Fault, int]:
        """The fault register, cleared."""
        word = await self.read(Internal.FAULT, hart)
        await self.write(Internal.FAULT, 0, hart)
        fields = (FAULT.field(name).get(word) for name in ("count", "cause", "lost"))
        count, cause, lost = fields
        return count, Fault(cause), lost


def bench(job: Callable[[Bench], Coroutine[Any, Any, Any]], **shape: Any) -> None:
    async def settled(device: Device) -> None:
        await job(Bench(device))

    run(DeviceConfig(flavour=Flavour.INTEL, **shape), settled)


# --- Shape, reset, quiescence ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ({"table_base": 8}, "table_base must be a 64-bit multiple of 0x1000, not 0x8"),
        (
            {"table_base": 2**64 - 4096, "table_pages": 2},
            "table_base must be at most 0xffffffffffffe000 for 2 pages, not 0xfffffffffffff000",
        ),
    ],
)
def test_a_bad_shape_is_one_sentence(shape: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        IntelReferenceDevice(DeviceConfig(flavour=Flavour.INTEL, **shape))


def test_the_flavour_is_one_of_two() -> None:
    assert DeviceConfig(flavour="intel").flavour is Flavour.INTEL  # type: ignore[arg-type]  # a word
    with pytest.raises(ValueError, match="flavour must be riscv or intel, not 'arm'"):
        DeviceConfig(flavour="arm")  # type: ignore[arg-type]  # what is refused


def test_the_only_window_is_the_table() -> None:
    config = DeviceConfig(flavour=Flavour.INTEL, table_pages=3)
    assert config.windows == ((TABLE, 3 * 4096),)


def test_quiescent_in_the_first_cycle_after_reset() -> None:
    async def job(bench: Bench) -> None:
        for _ in range(2):
            assert not bench.device.quiescent
            assert await bench.device.run(1000) == 1
            assert bench.device.quiescent
            assert await bench.device.run(1000) == 1000
            await bench.device.reset()

    bench(job)


def test_reset_clears_all_but_the_memory() -> None:
    async def job(bench: Bench) -> None:
        await bench.prepare()
        await bench.device.reset()
        for msr in MSRS:
            if msr is not Msr.X2APIC_ICR:
                assert await bench.read(msr) == 0
        for internal in Internal:
            assert await bench.read(internal) == 0
        assert await bench.load(TABLE) == UITTE.pack(v=1)

    bench(job)


# --- MSRs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("msr", "good", "bad"),
    [
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
    ],
)  # fmt: skip
def test_checks_of_wrmsr(msr: int, good: list[int], bad: list[int]) -> None:
    async def job(bench: Bench) -> None:
        for word in good:
            assert await bench.write(msr, word) == OK
            if msr != Msr.X2APIC_ICR:
                assert await bench.read(msr) == word
                for refused in bad:
                    assert await bench.write(msr, refused) == GP
                assert await bench.read(msr) == word
        for word in bad:
            assert await bench.write(msr, word) == GP
        bench.device.set_privilege(0, Privilege.U)
        for function in (CsrFunction.READ, CsrFunction.WRITE):
            assert (await bench.ask(RequestKind.CSR, function, msr, 0))[0] == GP

    bench(job)


@pytest.mark.parametrize("function", [CsrFunction.SET, CsrFunction.CLEAR, 4, 127])
def test_there_is_no_set_or_clear(function: int) -> None:
    async def job(bench: Bench) -> None:
        for number in (Msr.UINTR_RR, Internal.TSC, 0):
            assert (await bench.ask(RequestKind.CSR, function, number, 1)) == (ILLEGAL, 1)

    bench(job)


def test_icr_cannot_be_read_and_internal_registers_are_for_all() -> None:
    async def job(bench: Bench) -> None:
        read = (RequestKind.CSR, CsrFunction.READ)
        assert await bench.ask(*read, Msr.X2APIC_ICR) == (GP, 1)
        bench.device.set_privilege(0, Privilege.U)
        await bench.write(Internal.CR4, 2**64 - 1)
        assert await bench.read(Internal.CR4) == 1 << 25
        await bench.write(Internal.TSC, 77)
        assert await bench.read(Internal.TSC) == 77
        for number in (Internal.UIRRV, Internal.ACKNOWLEDGE):
            assert await bench.write(number, 0) == GP
            assert await bench.read(number) == 0

    bench(job)


# --- Instructions ---------------------------------------------------------------------------------


def test_uif() -> None:
    async def job(bench: Bench) -> None:
        for function in (Instruction.CLUI, Instruction.STUI, Instruction.TESTUI):
            assert await bench.execute(function) == UD
        assert await bench.ask(RequestKind.URET, data=5) == (UD, 1)
        await bench.write(Internal.CR4, 1 << 25)
        for level in (Privilege.U, Privilege.S):
            bench.device.set_privilege(0, level)
            assert await bench.execute(Instruction.STUI) == OK
            assert await bench.execute(Instruction.TESTUI) == Response(1, Status.OK)
            assert await bench.execute(Instruction.CLUI) == OK
            assert await bench.execute(Instruction.TESTUI) == OK
            for beyond in (1 << 47, 2**63 + 5):  # not canonical
                assert await bench.ask(RequestKind.URET, data=beyond) == (
                    Response(0, Status.GP), 1,
                )  # fmt: skip
            assert await bench.execute(Instruction.TESTUI) == OK
            high = 0xFFFF_8000_0000_0000
            assert await bench.ask(RequestKind.URET, data=high) == (Response(high, Status.OK), 1)
            assert await bench.execute(Instruction.TESTUI) == Response(1, Status.OK)
        for other in (1, 7, 11, 127):
            assert await bench.execute(other) == UD

    bench(job)


def test_delivery_takes_the_highest_vector_first() -> None:
    async def job(bench: Bench) -> None:
        await bench.prepare()
        pending = {63, 40, 7, 0}
        await bench.write(Msr.UINTR_RR, sum(1 << vector for vector in pending))
        assert await bench.ask(RequestKind.TRAP) == (Response(0, Status.NOT_PENDING), 1)
        bench.device.set_privilege(0, Privilege.U)
        for vector in sorted(pending, reverse=True):
            await bench.device.run(1)
            assert bench.device.interrupt(0)
            assert await bench.ask(RequestKind.TRAP) == (Response(HANDLER, Status.OK), 1)
            assert not bench.device.interrupt(0)
            assert await bench.read(Internal.UIRRV) == vector
            assert await bench.ask(RequestKind.TRAP) == (Response(0, Status.NOT_PENDING), 1)
            assert (await bench.ask(RequestKind.URET))[0] == OK
        assert not bench.device.interrupt(0)
        assert bench.device.units[0].msrs[Msr.UINTR_RR] == 0

    bench(job)


# --- SENDUIPI -------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [Privilege.U, Privilege.S])
def test_a_send_with_notification(level: Privilege) -> None:
    # Entry 2, descriptor read 2, PIR and status written, interrupt presented in t+13.
    async def job(bench: Bench) -> None:
        await bench.prepare()
        bench.device.set_privilege(0, level)
        bench.device.set_privilege(1, Privilege.U)
        await bench.settle()
        assert await bench.senduipi(1) == (OK, 14)
        assert not bench.device.interrupt(1)
        # Processing begins in t+14, has the bus from t+15 to t+22; the interrupt shows in t+23.
        assert await bench.until(lambda: bench.device.interrupt(1)) == 9
        bench.device.set_privilege(1, Privilege.S)
        assert await bench.load(bench.descriptor(1), 1) == UPID.pack(nv=NV, ndst=1)
        assert await bench.load(bench.descriptor(1) + 8, 1) == 0
        assert await bench.read(Msr.UINTR_RR, 1) == 2
        assert await bench.fault() == (0, Fault.NONE, 0)

    bench(job)


@pytest.mark.parametrize(("on", "sn"), [(1, 0), (0, 1), (1, 1)])
def test_a_send_without_notification(on: int, sn: int) -> None:
    async def job(bench: Bench) -> None:
        await bench.prepare()
        word = UPID.pack(on=on, sn=sn, nv=NV, ndst=1)
        await bench.store(bench.descriptor(1), word)
        await bench.store(bench.descriptor(1) + 8, 1 << 63)
        assert await bench.senduipi(1) == (OK, 11)
        assert await bench.senduipi(3) == (OK, 11)
        assert await bench.load(bench.descriptor(1)) == word
        assert await bench.load(bench.descriptor(1) + 8) == 1 << 63 | 1 << 3 | 1 << 1
        assert await bench.read(Msr.X2APIC_IRR7, 1) == 0

    bench(job)


_FAULTS = [
    # (entry's words, status, cause, cycles)
    (UITTE.pack(uv=1), 0, Status.GP, Fault.INVALID, 5),
    (UITTE.pack(uv=1) | 2, 0, Status.GP, Fault.INVALID, 5),
    *((1 | bit, DESCRIPTORS, Status.GP, Fault.ENTRY, 5)
      for bit in (2, 0x80, 0x4000, 0x8000, 1 << 16, 1 << 63)),
    *((1, DESCRIPTORS | bit, Status.GP, Fault.ENTRY, 5) for bit in (1, 32)),
    *((1, address, Status.GP, Fault.ADDRESS, 5) for address in (1 << 47, 1 << 63)),
    (1, NOWHERE, Status.BUS, Fault.BUS, 7),
]  # fmt: skip


@pytest.mark.parametrize(("word", "address", "status", "cause", "cycles"), _FAULTS)
def test_faults_of_the_entry(
    word: int, address: int, status: Status, cause: Fault, cycles: int
) -> None:
    async def job(bench: Bench) -> None:
        await bench.prepare()
        await bench.entry(5, word, address)
        assert await bench.senduipi(5) == (Response(0, status), cycles)
        assert await bench.fault() == (1, cause, 0)
        for hart in (0, 1):
            assert await bench.load(bench.descriptor(hart)) == UPID.pack(nv=NV, ndst=hart)
            assert await bench.load(bench.descriptor(hart) + 8) == 0
        # The bus is free again.
        assert await bench.senduipi(0) == (OK, 14)

    bench(job)


@pytest.mark.parametrize("bit", [2, 3, 7, 15, 24, 31])
def test_a_reserved_bit_of_the_descriptor(bit: int) -> None:
    async def job(bench: Bench) -> None:
        await bench.prepare()
        word = UPID.pack(nv=NV, ndst=1) | 1 << bit
        await bench.store(bench.descriptor(1), word)
        assert await bench.senduipi(1) == (GP, 7)
        assert await bench.fault() == (1, Fault.DESCRIPTOR, 0)
        assert await bench.load(bench.descriptor(1)) == word
        assert await bench.load(bench.descriptor(1) + 8) == 0
        assert await bench.senduipi(0) == (OK, 14)

    bench(job)


def test_faults_before_the_entry() -> None:
    async def job(bench: Bench) -> None:
        await bench.prepare()
        for index in (64, 1 << 32, 1 << 63, 2**64 - 1):
            assert await bench.senduipi(index) == (GP, 1)
            assert await bench.fault() == (1, Fault.INDEX, 0)
        await bench.write(Msr.UINTR_TT, 0x7FFF_FFFF_FFF1)
        assert await bench.senduipi(1) == (GP, 1)
        assert await bench.fault() == (1, Fault.TABLE, 0)
        assert await bench.senduipi(0) == (Response(0, Status.BUS), 3)
        assert await bench.fault() == (1, Fault.BUS, 0)
        await bench.write(Msr.UINTR_TT, TABLE)
        assert await bench.senduipi(0) == (UD, 1)
        assert await bench.fault() == (1, Fault.DISABLED, 0)
        await bench.write(Msr.UINTR_TT, TABLE | 1)
        await bench.write(Internal.CR4, 0)
        assert await bench.senduipi(99) == (UD, 1)
        assert await bench.senduipi(0) == (UD, 1)
        assert await bench.fault() == (2, Fault.DISABLED, 0)

    bench(job)


def test_the_fault_counter_stays_at_its_highest_value() -> None:
    async def job(bench: Bench) -> None:
        bench.device.units[0].fault = FAULT.pack(count=0xFFFE, lost=1)
        for count in (0xFFFF, 0xFFFF):
            assert (await bench.senduipi(0))[0] == UD
            word = FAULT.pack(count=count, cause=Fault.DISABLED, lost=1)
            assert await bench.read(Internal.FAULT) == word

    bench(job)


@pytest.mark.parametrize(("nv", "ndst"), [(0xDF, 1), (0, 1), (NV, 2), (NV, 1 << 31 | 1)])
def test_a_notification_to_nobody_is_dropped(nv: int, ndst: int) -> None:
    async def job(bench: Bench) -> None:
        await bench.prepare()
        await bench.store(bench.descriptor(1), UPID.pack(nv=nv, ndst=ndst))
        assert await bench.senduipi(1) == (OK, 14)
        assert await bench.load(bench.descriptor(1)) == UPID.pack(on=1, nv=nv, ndst=ndst)
        await bench.settle()
        for hart in (0, 1):
            assert await bench.read(Msr.X2APIC_IRR7, hart) == 0

    bench(job)


# --- Interrupts -----------------------------------------------------------------------------------


def test_ordinary_interrupts() -> None:
    async def job(bench: Bench) -> None:
        await bench.prepare()
        for vector in (0xE0, 0xFF, KERNEL_NV):
            word = MSRS[Msr.X2APIC_ICR].pack(vector=vector, destination=1)
            write = (RequestKind.CSR, CsrFunction.WRITE, Msr.X2APIC_ICR, word)
            assert await bench.ask(*write) == (OK, 2)
            assert bench.device.supervisor_interrupt(1)
        assert await bench.read(Msr.X2APIC_IRR7, 1) == 1 << 31 | 1 << 11 | 1
        for vector in (0xFF, KERNEL_NV, 0xE0):
            assert bench.device.supervisor_interrupt(1)
            assert await bench.read(Internal.ACKNOWLEDGE, 1) == vector
        assert not bench.device.supervisor_interrupt(1)
        assert await bench.read(Internal.ACKNOWLEDGE, 1) == 0

    bench(job)


def test_the_notification_is_ordinary_while_user_interrupts_are_off() -> None:
    async def job(bench: Bench) -> None:
        await bench.prepare()
        await bench.senduipi(1)
        assert not bench.device.supervisor_interrupt(1)
        assert await bench.read(Internal.ACKNOWLEDGE, 1) == 0
        await bench.write(Internal.CR4, 0, 1)
        assert bench.device.supervisor_interrupt(1)
        bench.device.set_privilege(1, Privilege.U)
        await bench.settle()
        assert await bench.read(Internal.ACKNOWLEDGE, 1) == NV
        assert not bench.device.supervisor_interrupt(1)

    bench(job)


def test_a_notification_waits_for_user_mode_and_goes_before_a_request() -> None:
    async def job(bench: Bench) -> None:
        await bench.prepare()
        await bench.senduipi(1)
        await bench.settle()
        assert await bench.read(Msr.X2APIC_IRR7, 1) == 1 << (NV - 0xE0)
        bench.device.set_privilege(1, Privilege.U)
        # Processing takes the cycle in which it begins and eight more; then the request.
        assert await bench.ask(RequestKind.UIPI, Instruction.TESTUI, 0, 0, 1) == (
            Response(1, Status.OK), 10,
        )  # fmt: skip
        assert bench.device.interrupt(1)

    bench(job)


def test_once_begun_processing_ends_in_any_privilege() -> None:
    async def job(bench: Bench) -> None:
        await bench.prepare()
        await bench.senduipi(1)
        bench.device.set_privilege(1, Privilege.U)
        await bench.device.run(1)
        bench.device.set_privilege(1, Privilege.S)
        assert not bench.device.quiescent
        assert await bench.settle() == 8
        assert await bench.read(Msr.UINTR_RR, 1) == 2

    bench(job)


def test_processing_without_memory_is_noted() -> None:
    async def job(bench: Bench) -> None:
        await bench.prepare()
        await bench.senduipi(1)
        await bench.write(Msr.UINTR_PD, NOWHERE, 1)
        bench.device.set_privilege(1, Privilege.U)
        assert await bench.settle() == 3
        assert await bench.fault(1) == (0, Fault.NONE, 1)
        bench.device.set_privilege(1, Privilege.S)
        assert await bench.read(Msr.UINTR_RR, 1) == 0
        assert await bench.read(Msr.X2APIC_IRR7, 1) == 0

    bench(job)


# --- The user timer -------------------------------------------------------------------------------


def test_the_timer_counts_to_its_deadline() -> None:
    async def job(bench: Bench) -> None:
        await bench.prepare()
        bench.device.set_privilege(0, Privilege.S)
        await bench.settle()
        await bench.write(Internal.TSC, 1000)
        deadline = 1024
        await bench.write(Msr.UINTR_TIMER, deadline | 9)
        assert not bench.device.quiescent
        bench.device.set_privilege(0, Privilege.U)
        # In the cycle of the answer it stands at 1000; at 1024, 24 cycles on, the event is
        # processed; the interrupt shows in the next.
        assert await bench.until(lambda: bench.device.interrupt(0)) == 25
        assert bench.device.quiescent
        assert await bench.read(Internal.TSC) == deadline
        assert (await bench.ask(RequestKind.TRAP))[0].status is Status.OK
        assert await bench.read(Internal.UIRRV) == 9
        bench.device.set_privilege(0, Privilege.S)
        assert await bench.read(Msr.UINTR_TIMER) == 0

    bench(job)


def test_the_event_waits_for_uif() -> None:
    async def job(bench: Bench) -> None:
        await bench.prepare()
        await bench.execute(Instruction.CLUI)
        await bench.write(Msr.UINTR_TIMER, 64 | 5)
        await bench.write(Internal.TSC, 100)
        bench.device.set_privilege(0, Privilege.U)
        await bench.device.run(5)
        assert bench.device.quiescent
        assert bench.device.units[0].msrs[Msr.UINTR_RR] == 0
        assert bench.device.units[0].msrs[Msr.UINTR_TIMER] == 64 | 5
        await bench.execute(Instruction.STUI)
        assert await bench.until(lambda: bench.device.interrupt(0)) == 1
        assert bench.device.units[0].msrs[Msr.UINTR_TIMER] == 0

    bench(job)


def test_an_interrupt_for_everybody_reaches_its_sender_too() -> None:
    async def job(bench: Bench) -> None:
        word = MSRS[Msr.X2APIC_ICR].pack(vector=0xF1, destination=BROADCAST)
        assert await bench.write(Msr.X2APIC_ICR, word) == OK
        for hart in range(bench.device.config.harts):
            assert await bench.read(Internal.ACKNOWLEDGE, hart) == 0xF1

    bench(job)


def test_the_event_waits_for_user_mode_and_zero_cancels_it() -> None:
    async def job(bench: Bench) -> None:
        await bench.prepare()
        await bench.write(Msr.UINTR_TIMER, 640)
        assert await bench.settle() == 640
        assert await bench.read(Internal.TSC) == 640
        assert await bench.read(Msr.UINTR_RR) == 0
        await bench.write(Msr.UINTR_TIMER, 0)
        bench.device.set_privilege(0, Privilege.U)
        await bench.settle()
        assert not bench.device.interrupt(0)
        bench.device.set_privilege(0, Privilege.S)
        await bench.write(Msr.UINTR_TIMER, 640)  # in the past
        bench.device.set_privilege(0, Privilege.U)
        assert await bench.until(lambda: bench.device.interrupt(0)) == 1

    bench(job)


def test_stretches_of_counting_may_be_passed_in_pieces() -> None:
    async def job(bench: Bench) -> None:
        await bench.prepare()
        await bench.write(Msr.UINTR_TIMER, 6400)
        for step in (1, 100, 2000, 7):
            assert await bench.device.run(step) == step
        assert await bench.read(Internal.TSC) == 2108
        assert await bench.device.run(10_000) == 6400 - 2109

    bench(job)


# --- Locked stores --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "after"),
    [(StoreFunction.SWAP, 0b0110), (StoreFunction.AND, 0b0010), (StoreFunction.OR, 0b1110)],
)
def test_locked_stores(function: StoreFunction, after: int) -> None:
    async def job(bench: Bench) -> None:
        await bench.store(TABLE, 0b1010)
        assert await bench.ask(RequestKind.STORE, function, TABLE, 0b0110) == (
            Response(0b1010, Status.OK), 5,
        )  # fmt: skip
        assert await bench.load(TABLE) == after
        for bad in ((function, TABLE + 4), (4, TABLE)):
            assert await bench.ask(RequestKind.STORE, *bad, 0) == (ILLEGAL, 1)
        answer = (Response(0, Status.BUS), 3)
        assert await bench.ask(RequestKind.STORE, function, NOWHERE, 1) == answer
        bench.device.set_privilege(0, Privilege.U)
        assert await bench.ask(RequestKind.STORE, function, TABLE, 1) == (ILLEGAL, 1)

    bench(job)


def test_other_kinds_are_illegal() -> None:
    async def job(bench: Bench) -> None:
        bench.device.submit(0, Request(6, 0, 0, 0))  # type: ignore[arg-type]  # no kind
        await bench.device.run(1)
        assert bench.device.response(0) == ILLEGAL

    bench(job)


# --- All together ---------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 63), st.integers(0, 12)), max_size=40))
def test_no_posted_vector_is_lost(sends: list[tuple[int, int, int]]) -> None:
    """Vectors sent by two harts to the third: each is delivered, at most as often as sent, and
    none twice for one send."""

    async def job(bench: Bench) -> None:
        await bench.prepare()
        device = bench.device
        device.set_privilege(2, Privilege.U)
        sent: dict[int, int] = {}
        got: dict[int, int] = {}
        plan = list(sends)
        idle = 0
        while idle < 100:
            for hart in (0, 1):
                if plan and not device._outstanding[hart]:
                    _, slot, gap = plan.pop(0)
                    index = slot // 3 * 3 + 2  # entries of hart 2
                    index -= 3 if index > 63 else 0
                    sent[index] = sent.get(index, 0) + 1
                    device.submit(hart, Request(RequestKind.UIPI, 0, 0, index))
                    if gap:
                        await device.run(gap)
            if device.interrupt(2):
                response, _ = await bench.ask(RequestKind.TRAP, hart=2)
                if response.status is Status.OK:
                    vector = device.units[2].uirrv
                    got[vector] = got.get(vector, 0) + 1
                    await bench.ask(RequestKind.URET, hart=2)
                idle = 0
            await device.run(1)
            idle = idle + 1 if device.quiescent and not plan else 0
        assert set(got) == set(sent)
        assert all(got[vector] <= sent[vector] for vector in got)

    bench(job, harts=3)
