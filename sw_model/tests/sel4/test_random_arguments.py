"""Random arguments to every call: an seL4 error or a fault message, never a Python exception.

The kernel is driven directly: every trap runs the very code that a hart would run, while its
operations are performed at once on memory and on a dictionary in place of the hardware. So a
hundred thousand calls take seconds. Whoever the scheduler chose makes the next call.
"""

import random
from collections import Counter
from typing import Any

import pytest
from root_bench import performed

from rel4.abi.message import IpcBuffer, MessageInfo
from rel4.abi.numbers import CapSlot, Invocation, ObjectType, SeL4Error, SysCall
from rel4.bench.policies import find_policy
from rel4.explore.kernel.undone import errors_are_undone
from rel4.kernel.boot import boot_initial_thread
from rel4.kernel.invariants import violations
from rel4.kernel.kernel import Kernel
from rel4.kernel.objects import TCB, ThreadState
from rel4.machine import ops
from rel4.machine.device import DeviceConfig
from rel4.machine.events import TrapCause
from rel4.machine.machine import Machine
from rel4.reference.device import ReferenceDevice

CALLS, SEEDS, LONG = 5_000, 1, 19
POOL, SLOTS = 500, 40
SPECIAL = (0, 1, 2, 3, 4, 12, 16, 63, 64, 65, 120, 255, 256, 4096, 1 << 12, 1 << 21, 1 << 30)
HUGE = (1 << 38, (1 << 38) - 4096, 1 << 63, (1 << 64) - 1, (1 << 64) - 4096)
OBJECTS = (
    (ObjectType.UNTYPED, 14),
    (ObjectType.UNTYPED, 12),
    (ObjectType.TCB, 0),
    (ObjectType.ENDPOINT, 0),
    (ObjectType.NOTIFICATION, 0),
    (ObjectType.CAP_TABLE, 3),
    (ObjectType.RISCV_4K_PAGE, 0),
    (ObjectType.RISCV_PAGE_TABLE, 0),
)


class Driver:
    """A kernel without a running machine."""

    def __init__(self) -> None:
        config = DeviceConfig(harts=1, receivers=4, table_pages=3)
        self.machine = Machine(ReferenceDevice(config))
        self.kernel = Kernel(
            self.machine,
            policies=[find_policy("tick").kernel()],
            timer_period=1_000_000,
            timer_phase=[1_000_000],
        )
        self.hardware: dict[int, int] = {}
        boot_initial_thread(self.kernel, _nothing)
        self.machine.boot(self.kernel)
        self.hart = self.machine.harts[0]
        self.changed: list[str] = []
        self.drive(self.kernel.start(self.hart))

    def drive(self, coroutine: Any) -> None:
        performed(coroutine, self.perform)

    def perform(self, op: Any) -> Any:
        memory = self.machine.memory
        match op:
            case ops.Load() if self.machine.is_device(op.address):
                return self.hardware.get(op.address, 0)
            case ops.Store() if self.machine.is_device(op.address):
                self.hardware[op.address] = op.value
            case ops.Load():
                return memory.load(op.address)
            case ops.Store():
                memory.store(op.address, op.value)
            case ops.AmoAdd():
                old = memory.load(op.address)
                memory.store(op.address, old + op.value)
                return old
            case ops.Clear():
                memory.clear(op.address, op.size)
            case ops.SfenceVma():
                self.machine.forget_translations(op.address)
            case ops.CsrRead() | ops.CsrWrite() | ops.Uipi() | ops.ReadTime():
                return 0
            case ops.Swap() | ops.AmoOr() | ops.SpinWhile():
                raise AssertionError(f"{op} is not expected on one hart")
            case _:
                pass
        return None

    @property
    def current(self) -> TCB:
        return self.kernel.state.harts.schedulers[0].current

    def call(self, number: int, cap: int, info: int, message: tuple[int, int, int, int]) -> Any:
        """A system call of the thread that runs; returns its registers."""
        tcb = self.current
        context = tcb.context
        assert context is not None
        if not context.frames or context.frames[-1].ended:
            context.set_pc(0, _nothing)
        frame = context.top()
        frame.op, frame.awaits_registers = None, True
        context.registers = ops.Registers(number, cap, info, message)
        with errors_are_undone(self.kernel, self.changed.append):
            self.drive(self.kernel.trap(self.hart, TrapCause.ECALL))
        return context.registers

    def invoke(self, cap: int, label: int, words: tuple[int, ...], caps: tuple[int, ...]) -> Any:
        """A well-formed invocation of the initial thread."""
        buffer = self.current.ipc_buffer
        assert buffer is not None
        for index, word in enumerate(words[4:], start=4):
            self.machine.memory.store(buffer + IpcBuffer.message(index), word)
        for index, cptr in enumerate(caps):
            self.machine.memory.store(buffer + IpcBuffer.cap(index), cptr)
        first = (*words, 0, 0, 0, 0)
        info = MessageInfo(label, len(words), len(caps)).word()
        return self.call(SysCall.CALL, cap, info, first[:4])  # type: ignore[arg-type]


class _NoCode:
    """In place of a thread's coroutine, which the driver never runs."""

    def close(self) -> None:
        """Nothing was begun."""


def _nothing() -> Any:
    return _NoCode()


def populate(driver: Driver) -> None:
    """Objects of every kind, and two further threads that run when the first does not."""
    root = CapSlot.INIT_THREAD_CNODE
    retype = Invocation.UNTYPED_RETYPE
    driver.invoke(CapSlot.FIRST_UNTYPED, retype, (0, 20, 0, 0, 400, 1), (root,))
    for number in range(24):
        kind, bits = OBJECTS[number % len(OBJECTS)]
        driver.invoke(400, retype, (kind, bits, 0, 0, POOL + number, 1), (root,))
    for irq in (1, 2):  # signalled by a notification of the pool
        handler = POOL + 24 + irq
        issue = Invocation.IRQ_ISSUE_IRQ_HANDLER
        driver.invoke(CapSlot.IRQ_CONTROL, issue, (irq, handler, 64), (root,))
        driver.invoke(handler, Invocation.IRQ_SET_IRQ_HANDLER, (), (POOL + 4,))
        assert not driver.kernel.state.irqs[irq].notification.empty
    for number in range(2):
        tcb, frame = 401 + 2 * number, 402 + 2 * number
        driver.invoke(CapSlot.FIRST_UNTYPED, retype, (1, 0, 0, 0, tcb, 1), (root,))
        driver.invoke(CapSlot.FIRST_UNTYPED, retype, (6, 0, 0, 0, frame, 1), (root,))
        words = (POOL + 3, 0, 0, 0x1000)
        caps = (root, CapSlot.INIT_THREAD_VSPACE, frame)
        driver.invoke(tcb, Invocation.TCB_CONFIGURE, words, caps)
        sched = Invocation.TCB_SET_SCHED_PARAMS
        driver.invoke(tcb, sched, (255, 255), (CapSlot.INIT_THREAD_TCB,))
        driver.invoke(tcb, Invocation.TCB_RESUME, (), ())


def random_word(rng: random.Random) -> int:
    """A word that is more often meaningful than not."""
    kind = rng.randrange(8)
    if kind < 3:
        return POOL + rng.randrange(SLOTS)
    if kind < 5:
        return rng.choice(SPECIAL)
    if kind == 5:
        return rng.choice(HUGE)
    if kind == 6:
        return rng.randrange(20)
    return rng.getrandbits(64)


def random_pointer(rng: random.Random) -> int:
    """A capability pointer that often leads somewhere."""
    kind = rng.randrange(10)
    if kind < 6:
        return POOL + rng.randrange(SLOTS)
    return rng.randrange(16) if kind < 9 else random_word(rng)


@pytest.mark.parametrize(
    "seed",
    [*range(SEEDS), *(pytest.param(SEEDS + n, marks=pytest.mark.long) for n in range(LONG))],
)
def test_no_argument_breaks_the_kernel(seed: int) -> None:
    rng = random.Random(f"arguments/{seed}")
    done: Counter[str] = Counter()
    driver = Driver()
    populate(driver)
    numbers = [number for number in SysCall if number is not SysCall.DEBUG_HALT]
    for step in range(CALLS):
        tcb = driver.current
        if tcb.state is ThreadState.IDLE:
            assert violations(driver.kernel) == []
            assert driver.changed == []
            driver = Driver()
            populate(driver)
            done["machines"] += 1
            tcb = driver.current
        number: int = rng.choice(numbers)
        if rng.randrange(4):
            number = SysCall.CALL
        elif rng.randrange(30) == 0:
            number = rng.randrange(-(1 << 63), 1 << 63)
        label = rng.choice((*Invocation, 0, 0))
        if rng.randrange(50) == 0:
            label = rng.getrandbits(52)
        buffer = tcb.ipc_buffer
        if buffer is not None:
            for index in range(4, 12):
                word = random_word(rng)
                driver.machine.memory.store(buffer + IpcBuffer.message(index), word)
            for index in range(6):
                word = random_pointer(rng)
                driver.machine.memory.store(buffer + IpcBuffer.cap(index), word)
        length, extra = rng.choice((0, 1, 2, 3, 4, 5, 6, 8, 34, 127)), rng.randrange(4)
        info = MessageInfo(label, length, extra).word()
        message = [random_word(rng) for _ in range(4)]
        registers = driver.call(number, random_pointer(rng), info, tuple(message))  # type: ignore[arg-type]
        if number == SysCall.CALL and driver.current is tcb:
            code = MessageInfo.from_word(registers.info).label
            done[SeL4Error(code).name if code <= SeL4Error.NOT_ENOUGH_MEMORY else "message"] += 1
        if step % 100 == 0:
            assert violations(driver.kernel) == [], (step, label)
            for irq in driver.kernel.state.irqs:
                driver.machine.interrupts.trigger(irq)
            driver.drive(driver.kernel.trap(driver.hart, TrapCause.INTERRUPT))
            driver.drive(driver.kernel.trap(driver.hart, TrapCause.TIMER))
    assert violations(driver.kernel) == []
    assert driver.changed == []
    assert done["NO_ERROR"] > 50
