"""Harts, time, paths, translation and user interrupts, below any real kernel."""

import re
from collections.abc import Callable

import pytest

from rel4.machine import ops, sv39
from rel4.machine.context import Context, Program
from rel4.machine.costs import Cost, load_costs
from rel4.machine.device import DeviceConfig, run_sync
from rel4.machine.events import EventLog, Fault, Mark, PathDone, UserReturn, UserTrap
from rel4.machine.faults import MachineError
from rel4.machine.hart import Hart
from rel4.machine.machine import Machine
from rel4.machine.memory import Memory
from rel4.machine.ops import (
    AmoAdd,
    AmoOr,
    Compute,
    CsrSet,
    CsrWrite,
    Load,
    Path,
    ReadTime,
    SetTimer,
    SpinWhile,
    Store,
    Swap,
    Uipi,
    Uret,
    WaitForInterrupt,
)
from rel4.machine.sv39 import PTE
from rel4.reference.device import ReferenceDevice
from uintr.registers import (
    CONTROL_OFFSET,
    CSRS,
    DEFAULT_BASE,
    DEFAULT_TABLE_BASE,
    ENABLE,
    HIGH,
    LOW,
    PAGE_BYTES,
    SENDER_ENTRY,
    Csr,
    Privilege,
    UipiFunction,
)


class BareKernel:
    """Runs one context a hart, counts traps, and stops when hart 0's program ends."""

    def __init__(self, programs: list[Callable[[], Program]], *, set_up: Program | None = None):
        self.programs = programs
        self.traps: list[tuple[int, int, str]] = []
        self.contexts: list[Context] = []
        self.set_up = set_up
        self.machine: Machine

    async def start(self, hart: Hart) -> None:
        if hart.index == 0 and self.set_up is not None:
            await self.set_up
        hart.context = Context(f"t{hart.index}", self.programs[hart.index])
        self.contexts.append(hart.context)

    async def trap(self, hart: Hart, cause: str) -> None:
        assert hart.context is not None
        self.traps.append((self.machine.now, hart.index, cause))
        if cause == "timer":
            await SetTimer(1 << 60)
        if cause == "ecall":
            hart.context.registers = ops.Registers(cap=hart.context.registers.cap + 1)
        if cause == "exit":
            if hart.index == 0:
                self.machine.stop()
            hart.context = Context("idle", _idle, privilege=Privilege.S)
        if cause == "fault":
            self.machine.stop()
            hart.context = Context("idle", _idle, privilege=Privilege.S)


async def _idle() -> None:
    while True:
        await WaitForInterrupt()


def run(
    *programs: Callable[[], Program], set_up: Program | None = None, jump: bool = True
) -> tuple[Machine, BareKernel]:
    machine = Machine(ReferenceDevice(DeviceConfig(harts=len(programs), receivers=8)), jump=jump)
    kernel = BareKernel(list(programs), set_up=set_up)
    kernel.machine = machine
    machine.boot(kernel)
    run_sync(machine.run())
    return machine, kernel


def test_operations_take_the_cycles_of_the_cost_table() -> None:
    costs = load_costs()
    times: list[int] = []

    async def program() -> None:
        for op in (Compute(17), Load(8), Store(8, 1), Swap(8, 2), ops.Fence()):
            begin = await ReadTime()
            await op
            times.append(await ReadTime() - begin - 1)  # ReadTime itself takes one

    run(program)
    names = ("load", "store", "amo", "fence")
    assert times == [17, *(costs[f"machine.{name}"] for name in names)]


def test_atomics_answer_the_value_before_and_write_64_bits() -> None:
    seen: list[int] = []

    async def program() -> None:
        await Store(64, (1 << 64) - 1)
        seen.append(await AmoAdd(64, 3))
        seen.append(await AmoOr(64, 0x10))
        seen.append(await Swap(64, 7))
        seen.append(await Load(64))

    run(program)
    assert seen == [(1 << 64) - 1, 2, 0x12, 7]


def test_a_path_costs_its_total_whatever_operations_it_contains() -> None:
    costs = load_costs()

    async def program() -> None:
        async with Path("user.fetch"):
            await Load(0)
            await Compute(100)
        await Path("user.fetch").spend()

    machine, _ = run(program)
    done = [event for event in machine.log if isinstance(event, PathDone)]
    assert [event.cycles for event in done] == [costs["user.fetch"]] * 2
    assert done[0].cycle - done[0].begin == costs["user.fetch"]


def test_a_path_whose_operations_exceed_its_total_costs_what_they_need() -> None:
    async def program() -> None:
        async with Path("user.get_reply"):
            await Compute(10_000)

    machine, _ = run(program)
    (done,) = [event for event in machine.log if isinstance(event, PathDone)]
    assert (done.cycles, done.cycle - done.begin) == (10_000, 10_000)


def test_a_timer_trap_interrupts_compute_and_the_rest_follows() -> None:
    ends: list[int] = []

    async def set_up() -> None:
        await SetTimer(500)

    async def program() -> None:
        begin = await ReadTime()
        await Compute(1000)
        ends.append(await ReadTime() - begin)

    _, kernel = run(program, set_up=set_up())
    assert kernel.traps[0] == (500, 0, "timer")
    assert ends == [1000 + 1 + 1]  # the trap took one cycle: SetTimer


def test_an_interrupted_path_does_not_count_the_trap() -> None:
    async def set_up() -> None:
        await SetTimer(50)

    async def program() -> None:
        await Path("user.fetch").spend()

    machine, _ = run(program, set_up=set_up())
    (done,) = [event for event in machine.log if isinstance(event, PathDone)]
    assert done.cycles == load_costs()["user.fetch"]
    assert done.cycle - done.begin == done.cycles + 1


def test_ecall_passes_registers_both_ways() -> None:
    answers: list[int] = []

    async def program() -> None:
        answers.append((await ops.Ecall(ops.Registers(cap=41))).cap)

    run(program)
    assert answers == [42]


def test_spin_ends_at_another_harts_store_not_before() -> None:
    seen: list[int] = []

    async def waiter() -> None:
        await SpinWhile(256, 0)
        seen.append(await ReadTime())

    async def writer() -> None:
        await Compute(700)
        await Store(256, 1)

    run(waiter, writer)
    spin = load_costs()["machine.spin_iteration"]
    assert seen == [701 + spin + 1]


def test_waiting_for_ever_is_a_deadlock_with_its_cycle() -> None:
    async def program() -> None:
        await SpinWhile(0, 0)

    with pytest.raises(MachineError, match="deadlock in cycle"):
        run(program)


ENTRY = 3
HANDLER_RAN = 0x2000


def _user_interrupt_programs() -> tuple[Callable[[], Program], ...]:
    """Hart 0 computes and counts user interrupts; hart 1 posts one to it."""
    low = DEFAULT_BASE + LOW.address

    async def set_up() -> None:
        await CsrWrite(Csr.UTVEC, 0x1000)
        await CsrSet(Csr.USTATUS, CSRS[Csr.USTATUS].pack(uie=1))
        await CsrWrite(Csr.SIDELEG, CSRS[Csr.SIDELEG].pack(software=1))
        await CsrSet(Csr.UIE, CSRS[Csr.UIE].pack(software=1))
        await CsrWrite(Csr.SUIRS, CSRS[Csr.SUIRS].pack(en=1, index=0))
        await Store(low, LOW.pack(active=1, mode=1, hartid=0))
        entry = SENDER_ENTRY.pack(valid=1, vector=9, receiver=0)
        await Store(DEFAULT_TABLE_BASE + 8 * ENTRY, entry)

    async def receiver() -> None:
        await Compute(3000)
        assert await Load(HANDLER_RAN) == 1 << 9

    async def sender() -> None:
        await Compute(1000)
        await Uipi(UipiFunction.SEND, ENTRY)

    return set_up, receiver, sender


def _run_user_interrupt(jump: bool) -> Machine:
    set_up, receiver, sender = _user_interrupt_programs()
    device = ReferenceDevice(DeviceConfig(harts=2, receivers=8))
    machine = Machine(device, jump=jump)

    async def handler() -> None:
        await Store(HANDLER_RAN, await Uipi(UipiFunction.READ))
        await Uret()

    assert machine.place(handler) == 0x1000

    class TwoHarts(BareKernel):
        async def start(self, hart: Hart) -> None:
            if hart.index == 1:
                table = CSRS[Csr.SUIST].pack(en=1, size=1, ppn=DEFAULT_TABLE_BASE // PAGE_BYTES)
                await CsrWrite(Csr.SUIST, table)
            await super().start(hart)

    kernel = TwoHarts([receiver, sender], set_up=set_up())
    kernel.machine = machine
    machine.boot(kernel)
    run_sync(machine.run())
    assert [cause for _, _, cause in kernel.traps] == ["exit", "exit"]
    return machine


@pytest.mark.parametrize("jump", [True, False])
def test_a_supervisor_line_traps_until_the_receiver_is_read(jump: bool) -> None:
    low, high = (DEFAULT_BASE + register.address for register in (LOW, HIGH))

    async def set_up() -> None:
        await Store(DEFAULT_BASE + CONTROL_OFFSET + ENABLE.address, ENABLE.pack(supervisor=1))
        await Store(low, LOW.pack(active=1, mode=1, supervisor=1, hartid=0))
        entry = SENDER_ENTRY.pack(valid=1, vector=9, receiver=0)
        await Store(DEFAULT_TABLE_BASE + 8 * ENTRY, entry)

    async def waiter() -> None:
        await Compute(3000)

    async def sender() -> None:
        await Compute(1000)
        await Uipi(UipiFunction.SEND, ENTRY)

    pending: list[int] = []

    class Woken(BareKernel):
        async def start(self, hart: Hart) -> None:
            if hart.index == 1:
                table = CSRS[Csr.SUIST].pack(en=1, size=1, ppn=DEFAULT_TABLE_BASE // PAGE_BYTES)
                await CsrWrite(Csr.SUIST, table)
            await super().start(hart)

        async def trap(self, hart: Hart, cause: str) -> None:
            if cause == "uipi":
                assert hart.index == 0
                # The line is a level: left alone the first time, it traps again.
                seen = len(pending)
                pending.append(await Load(high) if seen else 0)
                return
            await super().trap(hart, cause)

    kernel = Woken([waiter, sender], set_up=set_up())
    machine = Machine(ReferenceDevice(DeviceConfig(harts=2, receivers=8)), jump=jump)
    kernel.machine = machine
    machine.boot(kernel)
    run_sync(machine.run())
    assert pending == [0, 1 << 9]


def test_a_user_interrupt_reaches_the_handler_without_a_trap_and_returns() -> None:
    machine = _run_user_interrupt(jump=True)
    (trap,) = [event for event in machine.log if isinstance(event, UserTrap)]
    (back,) = [event for event in machine.log if isinstance(event, UserReturn)]
    assert (trap.hart, trap.handler, back.pc) == (0, 0x1000, trap.pc)


def test_time_jumps_change_nothing() -> None:
    jumped, ticked = _run_user_interrupt(jump=True), _run_user_interrupt(jump=False)
    assert list(jumped.log.lines()) == list(ticked.log.lines())


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        (Load(12), "must be a multiple of 8"),
        (CsrWrite(Csr.SUIST, 1), "illegal access to CSR suist"),
        (ops.SetTimer(5), "stimecmp is a supervisor register"),
        (ops.Load(0x7_0000), "page fault at 0x70000 .load."),
        (Store(0x1000, 1), "page fault at 0x1000 .store."),
    ],
)
def test_user_faults_trap_with_a_reason(op: ops.Op[int], reason: str) -> None:
    """The program runs in an address space where only page 1 is mapped, read-only."""
    root, middle, leaf = 0x10_0000, 0x10_1000, 0x10_2000

    async def set_up() -> None:
        await Store(root, sv39.make_pte(middle, PTE.V))
        await Store(middle, sv39.make_pte(leaf, PTE.V))
        await Store(leaf + 8, sv39.make_pte(0x20_0000, PTE.V | PTE.R | PTE.U))
        await Store(0x20_0018, 77)

    async def program() -> None:
        assert await Load(0x1018) == 77
        await op

    class Paged(BareKernel):
        async def start(self, hart: Hart) -> None:
            await super().start(hart)
            assert hart.context is not None
            hart.context.root = root

    machine = Machine(ReferenceDevice(DeviceConfig(harts=1, receivers=8)))
    kernel = Paged([program], set_up=set_up())
    kernel.machine = machine
    machine.boot(kernel)
    run_sync(machine.run())
    assert [cause for _, _, cause in kernel.traps] == ["fault"]
    assert re.search(reason, kernel.contexts[0].fault)


def test_a_wrong_return_address_is_noticed() -> None:
    async def handler() -> None:
        await CsrWrite(Csr.UEPC, 0x4242)
        await Uret()

    async def set_up() -> None:
        await CsrWrite(Csr.UTVEC, 0x1000)
        await CsrSet(Csr.USTATUS, CSRS[Csr.USTATUS].pack(uie=1))
        await CsrWrite(Csr.SIDELEG, CSRS[Csr.SIDELEG].pack(software=1))
        await CsrSet(Csr.UIE, CSRS[Csr.UIE].pack(software=1))
        await CsrSet(Csr.UIP, CSRS[Csr.UIP].pack(software=1))

    async def program() -> None:
        await Compute(100)

    machine = Machine(ReferenceDevice(DeviceConfig(harts=1, receivers=8)))
    machine.place(handler)
    kernel = BareKernel([program], set_up=set_up())
    kernel.machine = machine
    machine.boot(kernel)
    run_sync(machine.run())
    assert [cause for _, _, cause in kernel.traps] == ["fault"]
    assert "not where it was interrupted" in kernel.contexts[0].fault


def test_memory_is_zero_until_written_and_can_be_cleared() -> None:
    memory = Memory()
    assert memory.load(0x8000) == 0
    memory.store(0x8000, 1 << 64 | 5)
    assert memory.load(0x8000) == 5
    memory.clear(0x8000, 4096)
    assert memory.load(0x8000) == 0
    memory.store(16, 1)
    memory.clear(0, 1 << 40)
    assert memory.load(16) == 0


def test_sv39_walk_reads_what_was_written() -> None:
    memory = Memory()
    root, middle = 0x1000, 0x2000
    memory.store(root + 8, sv39.make_pte(middle, PTE.V))
    flags = PTE.V | PTE.R | PTE.W | PTE.U
    memory.store(middle + 8 * 3, sv39.make_pte(0x60_0000, flags))
    virtual = (1 << 30) + (3 << 21) + 0x12345
    leaf = sv39.walk(memory.load, root, virtual)
    assert leaf is not None
    assert (leaf.page_bits, leaf.physical(virtual)) == (21, 0x61_2345)
    assert sv39.walk(memory.load, root, virtual + (1 << 21)) is None
    assert sv39.walk(memory.load, root, 1 << 40) is None
    memory.store(middle + 8 * 3, sv39.make_pte(0x60_1000, flags))  # misaligned superpage
    assert sv39.walk(memory.load, root, virtual) is None
    memory.store(middle + 8 * 3, sv39.make_pte(0x60_0000, PTE.V | PTE.W))  # reserved: W without R
    assert sv39.walk(memory.load, root, virtual) is None


def test_every_cost_has_a_value_a_provenance_and_a_source() -> None:
    for cost in load_costs().table.values():
        assert cost.value > 0
        assert len(cost.source) > 20


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '[a.b]\nvalue = -1\nprovenance = "assumed"\nsource = "x"',
            "whole number of cycles, not -1",
        ),
        ('[a.b]\nvalue = 1\nprovenance = "felt"\nsource = "x"', "must be one of published"),
        ('[a.b]\nvalue = 1\nprovenance = "assumed"\nsource = ""', "source must be given"),
        ("[a.b]\nvalue = 1", r"costs entry a\.b is not right"),
    ],
)
def test_bad_costs_are_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        load_costs(text)


def test_unknown_cost_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"user\.fetch"):
        load_costs()["user.fetsch"]
    assert Cost(1, "assumed", "x").value == 1


def test_log_lines_are_json() -> None:
    log = EventLog()
    log.append(Mark("begin"), cycle=5, hart=0)
    log.append(Fault("root", "page fault"), cycle=6, hart=1)
    assert list(log.lines()) == [
        '{"cycle":5,"hart":0,"event":"Mark","name":"begin"}',
        '{"cycle":6,"hart":1,"event":"Fault","thread":"root","reason":"page fault"}',
    ]
