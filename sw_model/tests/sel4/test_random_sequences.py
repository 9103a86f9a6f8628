"""Stateful random testing: long sequences of invocations, every invariant after every step."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rel4.abi.numbers import CapSlot, Invocation, ObjectType, SysCall
from rel4.bench.policies import find_policy
from rel4.kernel.boot import boot_initial_thread
from rel4.kernel.capability import EndpointCap
from rel4.kernel.invariants import violations
from rel4.kernel.kernel import Kernel
from rel4.kernel.uintr_context import UserInterruptState
from rel4.machine.device import DeviceConfig, run_sync
from rel4.machine.machine import Machine
from rel4.machine.ops import Compute, CsrClear, CsrSet, CsrWrite, Ecall, Registers, Uipi, Uret
from rel4.reference.device import ReferenceDevice
from rel4.user.calls import WORD_BITS
from rel4.user.root_task import RootTask
from rel4.user.threads import ThreadMaker
from uintr.registers import CSRS, Csr, UipiFunction

POOL, SLOTS = 1000, 14
"""Slots that the rules use: few, so that they meet."""
NOTIFICATION, BADGED = POOL + 5, POOL + SLOTS - 1
"""Where there are capabilities of a notification at first, the second with a badge."""
PATIENCE = 2_000_000
"""Cycles that a step may take."""
ANY = 0b1111
slot = st.integers(POOL, POOL + SLOTS - 1)
rights = st.integers(0, 15)
badges = st.sampled_from([0, 0, 1, 2, 63, 64, 1 << 6 | 1])
KINDS = [
    (ObjectType.UNTYPED, 13),
    (ObjectType.UNTYPED, 12),
    (ObjectType.TCB, 0),
    (ObjectType.ENDPOINT, 0),
    (ObjectType.NOTIFICATION, 0),
    (ObjectType.CAP_TABLE, 2),
    (ObjectType.RISCV_4K_PAGE, 0),
    (ObjectType.RISCV_PAGE_TABLE, 0),
]
VIRTUAL = [0x4000_0000, 0x4000_1000, 0x4020_0000, 0x8000_0000, 0x100_0000]


class Sequences(RuleBasedStateMachine):
    """The initial thread makes one random call a step. Other threads that it makes run a program of
    random system calls of their own whenever it yields."""

    def __init__(self) -> None:
        super().__init__()
        self.device = ReferenceDevice(DeviceConfig(harts=1, receivers=4, table_pages=4))
        self.machine = Machine(self.device)
        self.kernel = Kernel(
            self.machine,
            policies=[find_policy("tick").kernel()],
            timer_period=20_000,
            timer_phase=[20_000],
        )
        self.task = RootTask(self.machine)
        self.command: Callable[[], Any] | None = None
        self.ended = False
        self.seed = 0

        async def program() -> None:
            task = self.task
            (small,) = await task.allocate(ObjectType.UNTYPED, size_bits=16)
            await task.kernel.cnode_move(task.cnode, POOL, small)
            for place, (kind, bits) in enumerate((*KINDS, *KINDS[2:]), start=1):
                if place < SLOTS - 1:
                    await task.kernel.untyped_retype(POOL, kind, bits, task.cnode, POOL + place)
            await task.kernel.cnode_mint(task.cnode, BADGED, NOTIFICATION, ANY, 5)
            maker = ThreadMaker(task)
            for hart_priority in (255, 100):
                thread = await maker.make(self.other, priority=hart_priority)
                await task.kernel.cnode_copy(task.cnode, POOL + SLOTS, thread.tcb)
            while True:
                self.machine.stop()
                await Compute(1)
                if self.command is not None:
                    await self.command()

        boot_initial_thread(self.kernel, program)
        self.machine.boot(self.kernel)
        self.go(None)

    async def other(self, own: Any) -> None:
        while True:
            self.seed = (self.seed * 6364136223846793005 + 1442695040888963407) % (1 << 64)
            number = (SysCall.RECV, SysCall.CALL, SysCall.SEND, SysCall.REPLY, SysCall.NB_RECV)[
                self.seed >> 60 & 3
            ]
            cap = POOL + (self.seed >> 40) % SLOTS
            await Ecall(Registers(number, cap, 1))
            await Ecall(Registers(SysCall.YIELD))

    def go(self, command: Callable[[], Any] | None) -> None:
        if self.ended:
            return
        self.command = command
        self.machine.stopped = False
        (root,) = self.kernel.state.initial
        # Should the thread be blocked all the same, it is over soon.
        watchdog = self.machine.env.timeout(PATIENCE)
        assert watchdog.callbacks is not None
        watchdog.callbacks.append(lambda event: self.machine.stop())
        run_sync(self.machine.run())
        self.ended = not root.runnable

    def invoke(self, cap: int, label: int, words: tuple[int, ...], caps: tuple[int, ...]) -> None:
        async def command() -> None:
            found = self.kernel.state.initial[0].cspace
            if found is not None and isinstance(found.cnode.slot(cap).cap, EndpointCap):
                await self.task.kernel.nb_send(cap, words, caps, label)  # a call would block
            else:
                await self.task.kernel.invoke(cap, label, words, caps)

        self.go(command)

    @rule(
        source=slot,
        kind=st.sampled_from(KINDS),
        offset=slot,
        count=st.integers(1, 2),
    )
    def retype(self, source: int, kind: tuple[ObjectType, int], offset: int, count: int) -> None:
        words = (*kind, 0, 0, offset, count)
        self.invoke(source, Invocation.UNTYPED_RETYPE, words, (CapSlot.INIT_THREAD_CNODE,))

    @rule(
        label=st.sampled_from([Invocation.CNODE_COPY, Invocation.CNODE_MINT]),
        to=slot,
        source=slot,
        rights=rights,
        badge=badges,
    )
    def copy(self, label: Invocation, to: int, source: int, rights: int, badge: int) -> None:
        root = CapSlot.INIT_THREAD_CNODE
        self.invoke(root, label, (to, WORD_BITS, source, WORD_BITS, rights, badge), (root,))

    @rule(node=slot, index=st.integers(0, 3), source=slot, out=st.booleans(), move=st.booleans())
    def nest(self, node: int, index: int, source: int, out: bool, move: bool) -> None:
        """Between the pool and a CNode in the pool."""
        label = Invocation.CNODE_MOVE if move else Invocation.CNODE_COPY
        root = CapSlot.INIT_THREAD_CNODE
        if out:
            self.invoke(root, label, (source, WORD_BITS, index, 2, ANY), (node,))
        else:
            self.invoke(node, label, (index, 2, source, WORD_BITS, ANY), (root,))

    @rule(to=slot, source=slot, pivot=slot)
    def rotate(self, to: int, source: int, pivot: int) -> None:
        root = CapSlot.INIT_THREAD_CNODE
        words = (to, WORD_BITS, 0, pivot, WORD_BITS, 0, source, WORD_BITS)
        self.invoke(root, Invocation.CNODE_ROTATE, words, (root, root))

    @rule(
        label=st.sampled_from(
            [
                Invocation.CNODE_DELETE,
                Invocation.CNODE_REVOKE,
                Invocation.CNODE_CANCEL_BADGED_SENDS,
                Invocation.CNODE_SAVE_CALLER,
            ]
        ),
        index=slot,
    )
    def remove(self, label: Invocation, index: int) -> None:
        self.invoke(CapSlot.INIT_THREAD_CNODE, label, (index, WORD_BITS), ())

    @rule(page=slot, virtual=st.sampled_from(VIRTUAL), space=slot, own=st.booleans())
    def map(self, page: int, virtual: int, space: int, own: bool) -> None:
        root = CapSlot.INIT_THREAD_VSPACE if own else space
        self.invoke(page, Invocation.RISCV_PAGE_MAP, (virtual, 3, 0), (root,))
        self.invoke(page, Invocation.RISCV_PAGE_TABLE_MAP, (virtual, 0), (root,))

    @rule(page=slot)
    def unmap(self, page: int) -> None:
        self.invoke(page, Invocation.RISCV_PAGE_UNMAP, (), ())
        self.invoke(page, Invocation.RISCV_PAGE_TABLE_UNMAP, (), ())

    @rule(untyped=slot, to=slot, space=slot, pool=slot)
    def asid(self, untyped: int, to: int, space: int, pool: int) -> None:
        root = CapSlot.INIT_THREAD_CNODE
        label = Invocation.RISCV_ASID_CONTROL_MAKE_POOL
        self.invoke(CapSlot.ASID_CONTROL, label, (to, WORD_BITS), (untyped, root))
        self.invoke(pool, Invocation.RISCV_ASID_POOL_ASSIGN, (), (space,))
        initial = CapSlot.INIT_THREAD_ASID_POOL
        self.invoke(initial, Invocation.RISCV_ASID_POOL_ASSIGN, (), (space,))

    @rule(tcb=slot, fault=slot, buffer=slot, own=st.booleans(), space=slot)
    def configure(self, tcb: int, fault: int, buffer: int, own: bool, space: int) -> None:
        vspace = CapSlot.INIT_THREAD_VSPACE if own else space
        words = (fault, 0, 0, 0x4000_0000)
        caps = (CapSlot.INIT_THREAD_CNODE, vspace, buffer)
        self.invoke(tcb, Invocation.TCB_CONFIGURE, words, caps)

    @rule(tcb=slot, priority=st.integers(0, 256))
    def schedule(self, tcb: int, priority: int) -> None:
        authority = (CapSlot.INIT_THREAD_TCB,)
        self.invoke(tcb, Invocation.TCB_SET_SCHED_PARAMS, (priority, priority), authority)

    @rule(
        tcb=st.integers(POOL, POOL + SLOTS),
        label=st.sampled_from(
            [Invocation.TCB_SUSPEND, Invocation.TCB_RESUME, Invocation.TCB_UNBIND_NOTIFICATION]
        ),
    )
    def control(self, tcb: int, label: Invocation) -> None:
        self.invoke(tcb, label, (), ())

    @rule(tcb=slot, notification=slot, own=st.booleans())
    def bind(self, tcb: int, notification: int, own: bool) -> None:
        target = CapSlot.INIT_THREAD_TCB if own else tcb
        self.invoke(target, Invocation.TCB_BIND_NOTIFICATION, (), (notification,))

    @rule(irq=st.integers(0, 2), handler=slot, notification=slot)
    def interrupts(self, irq: int, handler: int, notification: int) -> None:
        root = CapSlot.INIT_THREAD_CNODE
        words = (irq, handler, WORD_BITS)
        self.invoke(CapSlot.IRQ_CONTROL, Invocation.IRQ_ISSUE_IRQ_HANDLER, words, (root,))
        self.invoke(handler, Invocation.IRQ_SET_IRQ_HANDLER, (), (notification,))
        if irq:
            self.machine.interrupts.trigger(irq)
        self.invoke(handler, Invocation.IRQ_ACK_IRQ, (), ())

    @rule(
        notification=st.sampled_from([NOTIFICATION, BADGED]) | slot,
        own=st.booleans(),
        closed=st.booleans(),
    )
    def register(self, notification: int, own: bool, closed: bool) -> None:
        """User interrupts: become a receiver, get a sender entry, post; what is posted to one that
        is closed stays pending."""

        async def handler() -> None:
            state = self.kernel.state.harts.schedulers[0].current.find(UserInterruptState)
            assert state is not None
            assert state.receiver is not None
            assert self.device.look(state.receiver)[1], "interrupted, and nothing is pending"
            await Uipi(UipiFunction.READ)
            await Uret()

        async def command() -> None:
            await CsrWrite(Csr.UTVEC, self.machine.place(handler))
            await (CsrClear if closed else CsrSet)(Csr.USTATUS, CSRS[Csr.USTATUS].pack(uie=1))
            kernel, tcb = self.task.kernel, CapSlot.INIT_THREAD_TCB
            if own:
                await kernel.tcb_bind_notification(tcb, notification)
            await kernel.uintr_register_receiver(notification, tcb)
            await CsrSet(Csr.UIE, CSRS[Csr.UIE].pack(software=1))
            await kernel.uintr_register_sender(notification)

        self.go(command)

    @rule(index=st.integers(0, 3))
    def post(self, index: int) -> None:
        async def command() -> None:
            await Uipi(UipiFunction.SEND, index)
            await Compute(100)

        self.go(command)

    @rule(
        number=st.sampled_from([SysCall.NB_SEND, SysCall.REPLY, SysCall.YIELD]),
        cap=slot,
        length=st.integers(0, 6),
        extra=st.integers(0, 3),
    )
    def ipc(self, number: SysCall, cap: int, length: int, extra: int) -> None:
        async def command() -> None:
            await Ecall(Registers(number, cap, extra << 7 | length))

        self.go(command)

    @rule()
    def let_others_run(self) -> None:
        async def command() -> None:
            await Compute(45_000)
            await Ecall(Registers(SysCall.YIELD))

        self.go(command)

    @invariant()
    def everything_holds(self) -> None:
        assert violations(self.kernel) == []


Sequences.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestSequences = Sequences.TestCase
