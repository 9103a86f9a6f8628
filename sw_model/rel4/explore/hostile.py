"""Hostile programs: random sequences of everything that an untrusted thread can do.

Two or three attackers hold random, legitimate capabilities of their own: thread, CSpace, address
space, untyped memory, notifications, an endpoint, frames, an ASID pool. A victim holds nothing in
common with them. The attackers make system calls and invocations with random arguments, write the
memory that they share with the kernel at random moments, and use the user-interrupt instructions,
while a monitor outside of the machine looks at the kernel's invariants, at the victim's memory, at
what it has of the hardware. At the end everything of the attackers is revoked, and has to be free
again. The same seed makes the same program and the same log.
"""

import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rel4.abi.message import IpcBuffer, MessageInfo
from rel4.abi.numbers import AsyncLabel, CapSlot, Invocation, ObjectType, SysCall
from rel4.abi.syscall_buffer import Item, SyscallBuffer
from rel4.bench.policies import find_policy, policy_names
from rel4.kernel.boot import boot_initial_thread
from rel4.kernel.invariants import violations
from rel4.kernel.kernel import Kernel
from rel4.machine.device import DeviceConfig, run_sync
from rel4.machine.events import Fault, TrapCause, UserTrap
from rel4.machine.hart import Hart
from rel4.machine.machine import Machine
from rel4.machine.ops import (
    Compute,
    CsrClear,
    CsrRead,
    CsrSet,
    CsrWrite,
    Ecall,
    Load,
    Registers,
    Store,
    Uipi,
)
from rel4.machine.ops_intel import Clui, ReadMsr, SendUipi, Stui, Testui, WriteMsr
from rel4.reference.device import reference_device
from rel4.user.root_task import RootTask, check
from rel4.user.syscalls import SystemCalls
from uintr.intel.registers import Internal, Msr
from uintr.registers import Csr, Flavour, UipiFunction

__all__ = ["Attack", "Outcome", "attack"]

PAGE = 0x1000
IPC, DATA, BUFFER = 0x1000_0000, 0x1000_1000, 0x4000_0000
"""Where every one of these threads has its IPC buffer, a page, and a syscall buffer."""
RADIX = 6
GUARD = 64 - RADIX
"""A CSpace of 64 slots that resolves whole pointers."""
(
    TCB,
    CNODE,
    VSPACE,
    POOL,
    UNTYPED,
    NOTIFICATION,
    BADGED,
    SECOND,
    ENDPOINT,
    BUFFER_FRAME,
    IPC_FRAME,
    DATA_FRAME,
    TABLE,
    FIRST_FREE,
) = range(1, 15)
"""What is in which slot of an attacker's CSpace."""
CAPACITY = 4
LABELS = [*Invocation]
NUMBERS = [
    0,
    1,
    2,
    3,
    4,
    7,
    12,
    16,
    63,
    64,
    255,
    256,
    PAGE,
    1 << 21,
    1 << 38,
    1 << 63,
    (1 << 64) - 1,
]
PLACES = [IPC, IPC + 0x400, IPC + 0xC00, DATA, BUFFER, 0x5000_0000, 0x5020_0000, 0]
STEPS = 50
"""Steps of each attacker."""
PATIENCE = 3_000_000
"""Cycles after which a program ends that does not end by itself."""


@dataclass(frozen=True)
class Attack:
    """One hostile program.

    Parameters
    ----------
    seed : of everything that is random about it
    policy : where handlers of asynchronous calls run
    flavour : of the hardware
    harts : 1 to 4
    """

    seed: int
    policy: str
    flavour: Flavour
    harts: int

    @classmethod
    def of(cls, seed: int) -> "Attack":
        """Shape and all by the seed alone."""
        draw = random.Random(f"attack {seed}")
        return cls(
            seed,
            draw.choice([name for name in policy_names() if find_policy(name).asynchronous]),
            draw.choice([*Flavour]),
            draw.randint(1, 4),
        )


@dataclass
class Outcome:
    """What a monitor saw; all is well with an empty ``wrong``."""

    wrong: list[str] = field(default_factory=list)
    looks: int = 0
    steps: int = 0
    faults: int = 0
    victim_turns: int = 0
    cycles: int = 0


class _Watched(Kernel):
    """A kernel whose monitor looks after every trap."""

    look: Callable[[], None]

    async def trap(self, hart: Hart, cause: TrapCause) -> None:
        await super().trap(hart, cause)
        self.look()


async def _space(task: RootTask) -> tuple[int, int, int, int]:
    """A CNode, an address space with a page each for IPC buffer and data; their capabilities."""
    kernel = task.kernel
    (node,) = await task.allocate(ObjectType.CAP_TABLE, size_bits=RADIX)
    (space, middle, leaf) = await task.allocate(ObjectType.RISCV_PAGE_TABLE, 3)
    check("Assign", await kernel.asid_pool_assign(CapSlot.INIT_THREAD_ASID_POOL, space))
    for table in (middle, leaf):
        check("PageTable_Map", await kernel.page_table_map(table, space, IPC))
    frames = await task.allocate(ObjectType.RISCV_4K_PAGE, 2)
    for frame, virtual in zip(frames, (IPC, DATA), strict=True):
        check("Page_Map", await kernel.page_map(frame, space, virtual))
    return node, space, frames[0], frames[1]


async def _thread(
    task: RootTask,
    name: str,
    program: Callable[[SystemCalls], Awaitable[None]],
    *,
    priority: int,
    hart: int,
) -> dict[int, int]:
    """A thread with spaces of its own; root's capabilities to what it has, by the slots that an
    attacker has them in."""
    kernel = task.kernel
    node, space, ipc, data = await _space(task)
    (tcb,) = await task.allocate(ObjectType.TCB)
    error = await kernel.tcb_configure(tcb, 0, node, GUARD, space, 0, IPC, ipc)
    check("TCB_Configure", error)
    check(
        "TCB_SetSchedParams",
        await kernel.tcb_set_sched_params(tcb, task.tcb, priority, priority),
    )
    if hart:
        check("TCB_SetAffinity", await kernel.tcb_set_affinity(tcb, hart))
    await kernel.name_thread(tcb, name)
    own = SystemCalls(IPC)
    # No type fits: a coroutine function, typed as any awaitable.
    pc = task.machine.place(lambda: program(own))  # type: ignore[arg-type,return-value]
    check("TCB_WriteRegisters", await kernel.tcb_write_registers(tcb, (pc,), resume=False))
    return {TCB: tcb, CNODE: node, VSPACE: space, IPC_FRAME: ipc, DATA_FRAME: data}


async def _arm(task: RootTask, made: dict[int, int], endpoint: int) -> None:
    """Give an attacker its capabilities, all derived from root's, so that they can be revoked."""
    kernel, root = task.kernel, task.cnode
    (untyped,) = await task.allocate(ObjectType.UNTYPED, size_bits=17)
    (pool_memory,) = await task.allocate(ObjectType.UNTYPED, size_bits=12)
    (pool,) = await task.allocate(ObjectType.ENDPOINT)
    check("CNode_Delete", await kernel.cnode_delete(root, pool))  # its slot alone is wanted
    error = await kernel.asid_control_make_pool(CapSlot.ASID_CONTROL, pool_memory, root, pool)
    check("MakePool", error)
    first, second = await task.allocate(ObjectType.NOTIFICATION, 2)
    (frame,) = await task.allocate(ObjectType.RISCV_MEGA_PAGE)
    tables = await task.allocate(ObjectType.RISCV_PAGE_TABLE, 2)
    check("PageTable_Map", await kernel.page_table_map(tables[0], made[VSPACE], BUFFER))
    check("Page_Map", await kernel.page_map(frame, made[VSPACE], BUFFER))
    made.update(
        {
            UNTYPED: untyped,
            POOL: pool,
            NOTIFICATION: first,
            SECOND: second,
            ENDPOINT: endpoint,
            BUFFER_FRAME: frame,
            TABLE: tables[1],
        }
    )
    for slot, source in made.items():
        if slot == TABLE:  # one that is not mapped cannot be copied
            words = (slot, RADIX, source, 64)
            error = (await kernel.invoke(made[CNODE], Invocation.CNODE_MOVE, words, (root,))).error
            check("CNode_Move of a page table", error)
            continue
        await _copy(kernel, made[CNODE], slot, root, source)
    await _copy(kernel, made[CNODE], BADGED, root, first, badge=5)


async def _copy(
    kernel: SystemCalls, node: int, slot: int, root: int, source: int, badge: int | None = None
) -> None:
    label = Invocation.CNODE_COPY if badge is None else Invocation.CNODE_MINT
    words: tuple[int, ...] = (slot, RADIX, source, 64, 0b1111)
    if badge is not None:
        words = (*words, badge)
    check(f"{label.name} to {slot}", (await kernel.invoke(node, label, words, (root,))).error)


class _Attacker:
    """What an attacker does, step by step."""

    def __init__(self, attack: Attack, number: int, outcome: Outcome, machine: Machine) -> None:
        self._draw = random.Random(f"attacker {attack.seed} {number}")
        self._outcome = outcome
        self._machine = machine
        self._intel = attack.flavour is Flavour.INTEL
        self._buffer = SyscallBuffer(BUFFER, CAPACITY)
        self._steps = {
            self._invoke: 30,
            self._system_call: 10,
            self._register: 12,
            self._request: 14,
            self._scribble: 14,
            self._instruction: 12,
            self._wait: 8,
        }

    async def run(self, own: SystemCalls) -> None:
        """The attacker's program."""
        steps, weights = list(self._steps), list(self._steps.values())
        for _ in range(STEPS):
            (step,) = self._draw.choices(steps, weights)
            await step()
            self._outcome.steps += 1

    def _word(self) -> int:
        kind = self._draw.randrange(4)
        if kind == 0:
            return self._draw.choice(NUMBERS)
        if kind == 1:
            return self._draw.choice(PLACES)
        if kind == 2:
            return self._draw.getrandbits(64)
        return self._slot()

    def _slot(self) -> int:
        return self._draw.randrange(FIRST_FREE + 6)

    async def _message(
        self, number: int, cap: int, label: int, words: list[int], caps: list[int]
    ) -> Registers:
        for index, word in enumerate(words[4:], start=4):
            await Store(IPC + IpcBuffer.message(index), word)
        for index, cap_ in enumerate(caps):
            await Store(IPC + IpcBuffer.cap(index), cap_)
        info = MessageInfo(label, len(words), len(caps)).word()
        first = [*words, 0, 0, 0, 0][:4]
        return await Ecall(Registers(number, cap, info, (first[0], first[1], first[2], first[3])))

    async def _invoke(self) -> None:
        draw = self._draw
        label = draw.choice(LABELS)
        words = [self._word() for _ in range(draw.randrange(8))]
        caps = [self._slot() for _ in range(draw.randrange(4))]
        number = draw.choice((SysCall.CALL, SysCall.CALL, SysCall.NB_SEND))
        cap = self._slot()
        if cap == ENDPOINT:
            number = SysCall.NB_SEND  # a call would wait for ever
        await self._message(number, cap, label, words, caps)

    async def _system_call(self) -> None:
        draw = self._draw
        number = draw.choice(
            (SysCall.NB_RECV, SysCall.NB_SEND, SysCall.REPLY, SysCall.YIELD,
             SysCall.WAKE_SYSCALL_HANDLER, SysCall.DEBUG_CAP_IDENTIFY, SysCall.DEBUG_NAME_THREAD)
        )  # fmt: skip
        await self._message(number, self._slot(), 0, [self._word()], [])

    async def _register(self) -> None:
        """The published order, or a part of it, or its inverse, on one's own objects."""
        draw = self._draw
        ntfn = draw.choice((NOTIFICATION, BADGED, SECOND))
        handler = self._machine.place(self._handler)
        call, invocation = SysCall.CALL, Invocation
        match draw.randrange(7):
            case 0 | 1:
                await self._message(call, TCB, invocation.TCB_BIND_NOTIFICATION, [], [ntfn])
                if not self._intel:
                    await CsrWrite(Csr.UTVEC, handler)
                words = [handler, DATA + PAGE | 1] if self._intel else []
                label = invocation.UINTR_REGISTER_RECEIVER
                await self._message(call, ntfn, label, words, [TCB])
            case 2:
                await self._message(call, ntfn, invocation.UINTR_REGISTER_SENDER, [], [])
            case 3 | 4:
                await SyscallBuffer.create(BUFFER, CAPACITY)
                label = invocation.UINTR_REGISTER_ASYNC_SYSCALL
                await self._message(call, ntfn, label, [0], [BUFFER_FRAME])
            case 5:
                await self._message(call, TCB, invocation.TCB_UNBIND_NOTIFICATION, [], [])
            case _:
                place = IPC + draw.choice((0, 0x400, 0x800, 0xC00))
                await self._message(call, TCB, invocation.TCB_SET_IPC_BUFFER, [place], [IPC_FRAME])

    async def _handler(self) -> None:
        """A user-interrupt handler that never returns properly."""
        await Compute(5)

    async def _request(self) -> None:
        """A request in the ring, well formed or not, and a wake-up."""
        draw = self._draw
        label = draw.choice([*AsyncLabel, draw.getrandbits(8)])
        words = tuple(self._word() for _ in range(draw.randrange(9)))
        await self._buffer.requests.put(Item(draw.getrandbits(32), label, 0, words))
        await self._message(SysCall.WAKE_SYSCALL_HANDLER, 0, 0, [], [])

    async def _scribble(self) -> None:
        """Any word of the memory that is shared with the kernel."""
        draw = self._draw
        place = draw.choice((BUFFER, BUFFER + 0xC0, BUFFER + 0x140, BUFFER + PAGE, IPC, DATA))
        for _ in range(draw.randrange(1, 6)):
            await Store(
                place + 8 * draw.randrange(40), draw.choice((self._word(), draw.randrange(6)))
            )

    async def _instruction(self) -> None:
        """Instructions of user interrupts; one that is illegal would end the attacker."""
        draw = self._draw
        operation: Any
        if self._intel:
            operation = draw.choice((Clui(), Stui(), Testui()))
            if not draw.randrange(40):
                operation = draw.choice(
                    (SendUipi(draw.randrange(8)), ReadMsr(Internal.ACKNOWLEDGE),
                     WriteMsr(Internal.CR4, 0), ReadMsr(Msr.UINTR_TT))
                )  # fmt: skip
        else:
            csr = draw.choice((Csr.USTATUS, Csr.UIE, Csr.USCRATCH, Csr.UEPC, Csr.UIP, Csr.UCAUSE))
            operation = draw.choice(
                (CsrRead(csr), CsrWrite(csr, self._word()), CsrSet(csr, 0x11), CsrClear(csr, 0x11),
                 *(Uipi(function, draw.randrange(8)) for function in UipiFunction))
            )  # fmt: skip
            if not draw.randrange(40):
                # No type fits: a user may name any number.
                operation = CsrRead(draw.choice((0x7C0, Csr.SUIRS)))  # type: ignore[arg-type]
        await operation

    async def _wait(self) -> None:
        await Compute(self._draw.choice((1, 50, 700, 5_000)))


class _Victim:
    """Counts in a page of its own and says what it has."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self.page = 0  # where its data are, as the memory sees it
        self.written = 0
        self.about = 0

    async def run(self, own: SystemCalls) -> None:
        """The victim's program."""
        while True:
            self.about = self.written + 1
            await Store(DATA, self.about)
            self.written = self.about
            if await Load(DATA) != self.written:
                self._outcome.wrong.append("the victim reads another word than it wrote")
            await Compute(100)
            self._outcome.victim_turns += 1


def attack(plan: Attack, *, every: int = 4) -> Outcome:
    """Run one hostile program; ``every``: traps between two looks at the whole state.

    A Python exception of the kernel or the machine is reported like a broken invariant.
    """
    outcome = Outcome()
    draw = random.Random(f"shape {plan.seed}")
    config = DeviceConfig(harts=plan.harts, receivers=8, table_pages=6, flavour=plan.flavour)
    machine = Machine(reference_device(config))
    period = draw.choice((5_000, 20_000))
    kernel = _Watched(
        machine,
        policies=[find_policy(plan.policy).kernel()],
        timer_period=period,
        timer_phase=[draw.randrange(1, period) for _ in range(plan.harts)],
    )
    task = RootTask(machine)
    victim = _Victim(outcome)
    attackers = [_Attacker(plan, number, outcome, machine) for number in range(draw.randint(2, 3))]
    armed = False

    def look() -> None:
        nonlocal armed
        if not armed or kernel.state.harts.somebody_inside:
            return
        outcome.looks += 1
        if machine.memory.load(victim.page) not in (victim.written, victim.about):
            outcome.wrong.append("the victim's memory was written")
        if outcome.looks % every == 0:
            outcome.wrong.extend(violations(kernel))
        if outcome.wrong:
            machine.stop()

    kernel.look = look

    async def program() -> None:
        nonlocal armed
        (endpoint,) = await task.allocate(ObjectType.ENDPOINT)
        made = []
        for number, each in enumerate(attackers):
            hart, priority = draw.randrange(plan.harts), draw.choice((100, 100, 50))
            thread = await _thread(
                task, f"attacker{number}", each.run, priority=priority, hart=hart
            )
            await _arm(task, thread, endpoint)
            made.append(thread)
        own = await _thread(
            task, "victim", victim.run, priority=100, hart=draw.randrange(plan.harts)
        )
        victim.page = (await task.kernel.page_get_address(own[DATA_FRAME])).words[0]
        armed = True
        await task.kernel.tcb_resume(own[TCB])
        for thread in made:
            await task.kernel.tcb_resume(thread[TCB])
        # Root leaves its hart to them until an interrupt of the outside world.
        (alarm,) = await task.allocate(ObjectType.NOTIFICATION)
        (handler,) = await task.allocate(ObjectType.ENDPOINT)  # its slot alone is wanted
        await task.kernel.cnode_delete(task.cnode, handler)
        check("IRQ", await task.kernel.irq_control_get(CapSlot.IRQ_CONTROL, 1, task.cnode, handler))
        check("IRQ", await task.kernel.irq_handler_set_notification(handler, alarm))
        ring = machine.env.timeout(draw.randrange(100_000, 400_000))
        assert ring.callbacks is not None
        ring.callbacks.append(lambda event: machine.interrupts.trigger(1))
        await task.kernel.recv(alarm)
        for thread in made:
            for cap in thread.values():
                await task.kernel.cnode_revoke(task.cnode, cap)
                await task.kernel.cnode_delete(task.cnode, cap)
        while kernel.state.harts.somebody_inside:  # what is looked at must be at rest
            await Compute(100)
        outcome.wrong.extend(_left_over(kernel))
        outcome.wrong.extend(violations(kernel))
        armed = False
        machine.stop()

    boot_initial_thread(kernel, program)
    machine.boot(kernel)
    watchdog = machine.env.timeout(PATIENCE)
    assert watchdog.callbacks is not None
    watchdog.callbacks.append(lambda event: machine.stop())
    try:
        run_sync(machine.run())
    except Exception as error:  # whatever it is, it is the finding
        outcome.wrong.append(f"{type(error).__name__}: {error}")
    outcome.cycles = machine.now
    outcome.faults = sum(isinstance(event, Fault) for event in machine.log)
    outcome.wrong.extend(
        f"the victim got {type(event).__name__}"
        for event in machine.log
        if isinstance(event, Fault | UserTrap) and event.thread == "victim"
    )
    return outcome


def _left_over(kernel: Kernel) -> Iterator[str]:
    """What is in use though all who could use it are gone."""
    state = kernel.state
    own = state.uintr.kernel_receivers
    left = [receiver for receiver in state.uintr.receivers if receiver not in own]
    if left:
        yield f"receivers {left} belong to nobody"
    if state.runtime.tasks:
        yield f"{len(state.runtime.tasks)} handlers belong to nobody"
