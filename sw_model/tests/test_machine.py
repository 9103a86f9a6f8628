"""Harts, time, paths, translation and user interrupts, below any real kernel."""

import re
from collections.abc import Callable
from functools import partial

import pytest
from root_bench import Program as Judged
from root_bench import program_of

from rel4.machine import ops, sv39
from rel4.machine.context import Context, Program
from rel4.machine.costs import load_costs
from rel4.machine.device import DeviceConfig, run_sync
from rel4.machine.events import PathDone, UserReturn, UserTrap
from rel4.machine.faults import MachineError
from rel4.machine.hart import Hart
from rel4.machine.machine import Machine
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

HANDLER = 0x1000
"""Where the first code that is placed lies."""


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
    *programs: Callable[[], Program],
    set_up: Program | None = None,
    jump: bool = True,
    handler: Callable[[], Program] | None = None,
    kernel_of: type[BareKernel] = BareKernel,
) -> tuple[Machine, BareKernel]:
    """On a hart each; a handler of user interrupts lies at `HANDLER`."""
    machine = Machine(ReferenceDevice(DeviceConfig(harts=len(programs), receivers=8)), jump=jump)
    if handler is not None:
        assert machine.place(handler) == HANDLER
    kernel = kernel_of(list(programs), set_up=set_up)
    kernel.machine = machine
    machine.boot(kernel)
    run_sync(machine.run())
    return machine, kernel


on_a_hart = partial(program_of, run)


@on_a_hart()
async def test_operations_take_the_cycles_of_the_cost_table() -> None:
    costs = load_costs()
    times: list[int] = []
    for op in (Compute(17), Load(8), Store(8, 1), Swap(8, 2), ops.Fence()):
        begin = await ReadTime()
        await op
        times.append(await ReadTime() - begin - 1)  # ReadTime itself takes one
    names = ("load", "store", "amo", "fence")
    assert times == [17, *(costs[f"machine.{name}"] for name in names)]


@on_a_hart()
async def test_atomics_answer_the_value_before_and_write_64_bits() -> None:
    await Store(64, (1 << 64) - 1)
    assert await AmoAdd(64, 3) == (1 << 64) - 1
    assert await AmoOr(64, 0x10) == 2
    assert await Swap(64, 7) == 0x12
    assert await Load(64) == 7


@on_a_hart()
async def test_a_path_costs_its_total_whatever_operations_it_contains() -> Judged:
    costs = load_costs()
    async with Path("user.fetch"):
        await Load(0)
        await Compute(100)
    await Path("user.fetch").spend()
    machine, _ = yield
    done = [event for event in machine.log if isinstance(event, PathDone)]
    assert [event.cycles for event in done] == [costs["user.fetch"]] * 2
    assert done[0].cycle - done[0].begin == costs["user.fetch"]


@on_a_hart()
async def test_a_path_whose_operations_exceed_its_total_costs_what_they_need() -> Judged:
    async with Path("user.get_reply"):
        await Compute(10_000)
    machine, _ = yield
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


@on_a_hart()
async def test_ecall_passes_registers_both_ways() -> None:
    assert (await ops.Ecall(ops.Registers(cap=41))).cap == 42


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


async def enable() -> None:
    """User interrupts come to `HANDLER`."""
    await CsrWrite(Csr.UTVEC, HANDLER)
    await CsrSet(Csr.USTATUS, CSRS[Csr.USTATUS].pack(uie=1))
    await CsrWrite(Csr.SIDELEG, CSRS[Csr.SIDELEG].pack(software=1))
    await CsrSet(Csr.UIE, CSRS[Csr.UIE].pack(software=1))


async def register(**low: int) -> None:
    """Receiver 0, on hart 0, is posted vector 9 by `ENTRY`."""
    await Store(DEFAULT_BASE + LOW.address, LOW.pack(active=1, mode=1, hartid=0, **low))
    entry = SENDER_ENTRY.pack(valid=1, vector=9, receiver=0)
    await Store(DEFAULT_TABLE_BASE + 8 * ENTRY, entry)


async def send() -> None:
    """What hart 1 does."""
    await Compute(1000)
    await Uipi(UipiFunction.SEND, ENTRY)


class TwoHarts(BareKernel):
    """The second has a sender table."""

    async def start(self, hart: Hart) -> None:
        if hart.index == 1:
            table = CSRS[Csr.SUIST].pack(en=1, size=1, ppn=DEFAULT_TABLE_BASE // PAGE_BYTES)
            await CsrWrite(Csr.SUIST, table)
        await super().start(hart)


def _run_user_interrupt(jump: bool) -> Machine:
    """Hart 0 computes and counts user interrupts; hart 1 posts one to it."""

    async def set_up() -> None:
        await enable()
        await CsrWrite(Csr.SUIRS, CSRS[Csr.SUIRS].pack(en=1, index=0))
        await register()

    async def receiver() -> None:
        await Compute(3000)
        assert await Load(HANDLER_RAN) == 1 << 9

    async def handler() -> None:
        await Store(HANDLER_RAN, await Uipi(UipiFunction.READ))
        await Uret()

    machine, kernel = run(
        receiver, send, set_up=set_up(), jump=jump, handler=handler, kernel_of=TwoHarts
    )
    assert [cause for _, _, cause in kernel.traps] == ["exit", "exit"]
    return machine


@pytest.mark.parametrize("jump", [True, False])
def test_a_supervisor_line_traps_until_the_receiver_is_read(jump: bool) -> None:
    async def set_up() -> None:
        await Store(DEFAULT_BASE + CONTROL_OFFSET + ENABLE.address, ENABLE.pack(supervisor=1))
        await register(supervisor=1)

    async def waiter() -> None:
        await Compute(3000)

    pending: list[int] = []

    class Woken(TwoHarts):
        async def trap(self, hart: Hart, cause: str) -> None:
            if cause == "uipi":
                assert hart.index == 0
                # The line is a level: left alone the first time, it traps again.
                seen = len(pending)
                pending.append(await Load(DEFAULT_BASE + HIGH.address) if seen else 0)
                return
            await super().trap(hart, cause)

    run(waiter, send, set_up=set_up(), jump=jump, kernel_of=Woken)
    assert pending == [0, 1 << 9]


def test_a_user_interrupt_reaches_the_handler_without_a_trap_and_returns() -> None:
    machine = _run_user_interrupt(jump=True)
    (trap,) = [event for event in machine.log if isinstance(event, UserTrap)]
    (back,) = [event for event in machine.log if isinstance(event, UserReturn)]
    assert (trap.hart, trap.handler, back.pc) == (0, HANDLER, trap.pc)


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

    _, kernel = run(program, set_up=set_up(), kernel_of=Paged)
    assert [cause for _, _, cause in kernel.traps] == ["fault"]
    assert re.search(reason, kernel.contexts[0].fault)


def test_a_wrong_return_address_is_noticed() -> None:
    async def handler() -> None:
        await CsrWrite(Csr.UEPC, 0x4242)
        await Uret()

    async def set_up() -> None:
        await enable()
        await CsrSet(Csr.UIP, CSRS[Csr.UIP].pack(software=1))

    async def program() -> None:
        await Compute(100)

    _, kernel = run(program, set_up=set_up(), handler=handler)
    assert [cause for _, _, cause in kernel.traps] == ["fault"]
    assert "not where it was interrupted" in kernel.contexts[0].fault
