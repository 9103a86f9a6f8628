"""The world that kernel operations meet in: three threads on their harts, and what they share.

==== ====================================================================================
hart thread
==== ====================================================================================
0    root: owns every object, has a receiver, may send to the victim
1    victim: runs; has a receiver, may send to root
2    third (if there is one): may send to the victim and to root
==== ====================================================================================

Each runs a list of operations (`rel4.explore.kernel.operations`), from the same moment on, and then
waits for what never comes. The first free CSpace slots hold what the operations name (`Cap`).
"""

from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from types import coroutine
from typing import Any

from rel4.abi.coroutine import Task
from rel4.abi.layout import DATA_ADDRESS
from rel4.abi.numbers import ObjectType
from rel4.abi.syscall_buffer import SyscallBuffer
from rel4.kernel.async_runtime import Policy
from rel4.kernel.boot import boot_initial_thread
from rel4.kernel.capability import Capability, EndpointCap, NotificationCap, ThreadCap
from rel4.kernel.kernel import Kernel
from rel4.kernel.objects import TCB, Endpoint, Notification
from rel4.kernel.policies import Inline
from rel4.machine import sv39
from rel4.machine.device import DeviceConfig
from rel4.machine.ops import SpinWhile, Uipi
from rel4.reference.device import reference_device
from rel4.user.root_task import RootTask, check
from rel4.user.syscalls import SystemCalls
from rel4.user.threads import Thread, ThreadMaker
from uintr.registers import ALL_FEATURES, Feature, Flavour, UipiFunction

from .stepper import NEVER, SteppedMachine

__all__ = [
    "ANY",
    "BUFFER_ADDRESS",
    "SIGNAL_VECTOR",
    "SPARE_BUFFER",
    "Actor",
    "Cap",
    "Operation",
    "Role",
    "World",
    "WorldError",
]

SPARE_BUFFER = 0x4000_0000
"""Where the spare frame is mapped."""
BUFFER_ADDRESS = 0x4020_0000
"""Where root's syscall buffer is mapped."""
BEGIN = DATA_ADDRESS + 0x800
ANY = 0b1111


class WorldError(Exception):
    """The world could not be made."""


class Role(IntEnum):
    """Threads, by the hart that they begin on."""

    ROOT = 0
    VICTIM = 1
    THIRD = 2


class Cap(IntEnum):
    """CSpace slots."""

    ROOT_NOTIFICATION = 0x1000
    VICTIM_NOTIFICATION = 0x1001
    PLAIN = 0x1002
    ENDPOINT = 0x1003
    VICTIM_TCB = 0x1004
    THIRD_TCB = 0x1005
    TO_VICTIM = 0x1010  # badged, by which root and third send to the victim
    TO_ROOT = 0x1011  # by which the victim sends to root
    PLAIN_BADGED = 0x1012
    VICTIM_BADGED = 0x1013
    SPARE_ENDPOINT = 0x1014
    SPARE_FRAME = 0x1015
    BUFFER = 0x1016
    BY_BUFFER = 0x1017  # badged, by which the kernel answers root
    END = 0x1020  # by role: what threads wait for when they are done
    FREE = 0x1080  # and those behind it


PATIENCE = 100
"""Ticks until the threads must be ready."""
TO_VICTIM_VECTOR, TO_ROOT_VECTOR, SIGNAL_VECTOR, BY_BUFFER_VECTOR = 3, 5, 9, 11


@dataclass
class Actor:
    """One thread.

    Members
    -------
    answers : of its operations, in order
    taken : vectors of user interrupts that it took
    complaints : what it found that cannot be, whatever the order
    """

    role: Role
    world: "World"
    kernel: SystemCalls
    operations: "Sequence[Operation]"
    answers: list[Any] = field(default_factory=list)
    taken: int = 0
    complaints: list[str] = field(default_factory=list)
    sender: int = -1
    ready: bool = False
    done: bool = False

    async def handler(self) -> None:
        """Its user-interrupt handler."""
        self.taken |= await self._noting(self.world.task.interrupts.take())
        await self.world.task.interrupts.leave()

    @coroutine
    def _noting(self, take: Task) -> Generator[Any, Any, int]:
        """``take``; what UIPI READ took has reached the thread, though it may be stopped there."""
        answer: Any = None
        while True:
            try:
                operation = take.send(answer)
            except StopIteration as end:
                vectors: int = end.value
                return vectors
            answer = yield operation
            if isinstance(operation, Uipi) and operation.function is UipiFunction.READ:
                self.taken |= answer

    async def play(self) -> None:
        """The operations, once all threads are ready."""
        self.ready = True
        await SpinWhile(BEGIN, 0)
        for operation in self.operations:
            self.answers.append(None)
            self.answers[-1] = await operation.run(self)
        self.done = True
        await self.kernel.wait(Cap.END + self.role)


@dataclass(frozen=True)
class Operation:
    """One operation of a thread: what it does, and answers as far as the order of operations
    decides it. It may be that of a ``stranger``: a third thread that registers nothing."""

    name: str
    run: Callable[[Actor], Awaitable[Any]]
    stranger: bool = False


class World:
    """Machine, kernel and threads, ready to be stepped.

    Parameters
    ----------
    programs : operations of each thread, root's first
    flavour, features : of the hardware
    kernel : class of the kernel
    policy : where handlers of syscall buffers run
    receivers : of the hardware
    harts : default: one a thread; with fewer, threads share them
    quota : units that the threads may still take when their operations begin

    Members
    -------
    first_tcb : capability of the victim that all others are derived from
    plain, endpoint : what `Cap.PLAIN` and `Cap.ENDPOINT` name
    """

    def __init__(
        self,
        programs: Sequence[Sequence[Operation]],
        *,
        flavour: Flavour = Flavour.RISCV,
        features: Feature = ALL_FEATURES,
        kernel: type[Kernel] = Kernel,
        policy: type[Policy] = Inline,
        receivers: int = 16,
        harts: int | None = None,
        quota: int | None = None,
    ) -> None:
        harts = max(2, len(programs)) if harts is None else harts
        config = DeviceConfig(
            harts=harts, receivers=receivers, features=features, flavour=flavour, table_pages=8
        )
        self.machine = SteppedMachine(reference_device(config))
        self.kernel = kernel(
            self.machine, policies=[policy()], timer_period=NEVER, timer_phase=[NEVER] * harts
        )
        self._harts = harts
        self._quota = quota
        self.task = RootTask(self.machine)
        self.threads: dict[Role, Thread] = {}
        self.tcbs: dict[Role, TCB] = {}
        self.first_tcb = 0
        self.plain: Notification
        self.endpoint: Endpoint
        self.actors = [
            Actor(role, self, self.task.kernel, operations)
            for role, operations in zip(Role, programs, strict=False)
        ]
        root = boot_initial_thread(self.kernel, self._root)
        self._tables = root.vspace.table.address if root.vspace is not None else 0
        self.tcbs[Role.ROOT] = root

    async def prepare(self) -> None:
        """Let the threads set themselves up; then every hart stands before its first operation."""
        await self.set_up()
        await self.begin()

    async def set_up(self) -> None:
        """Let the threads set themselves up."""
        self.machine.boot(self.kernel)
        for _ in range(PATIENCE):
            await self.machine.settle()
            if all(actor.ready for actor in self.actors):
                break
            for hart in self.machine.harts:  # threads that share a hart take turns
                self.machine.tick(hart.index)
        else:
            raise WorldError("the threads of the world did not become ready")

    async def begin(self) -> None:
        """Let the operations begin; every hart stands before its first one."""
        if self._quota is not None:
            account = self.tcbs[Role.ROOT].account
            account.limit = account.used + self._quota
        self.machine.free = False
        begin = sv39.walk(self.machine.memory.load, self._tables, BEGIN)
        assert begin is not None  # the boot loader maps the page
        self.machine.memory.store(begin.physical(BEGIN), 1)
        await self.machine.settle()

    # --- setting up -------------------------------------------------------------------------------

    async def _root(self) -> None:
        task, kernel, root = self.task, self.task.kernel, self.task.cnode
        me = self.actors[Role.ROOT]
        (first,) = await task.allocate(ObjectType.NOTIFICATION)
        await kernel.cnode_move(root, Cap.ROOT_NOTIFICATION, first)
        for place in (Cap.VICTIM_NOTIFICATION, Cap.PLAIN):
            (made,) = await task.allocate(ObjectType.NOTIFICATION)
            await kernel.cnode_move(root, place, made)
        for number, made in enumerate(await task.allocate(ObjectType.NOTIFICATION, len(Role))):
            await kernel.cnode_move(root, Cap.END + number, made)
        for place in (Cap.ENDPOINT, Cap.SPARE_ENDPOINT):
            (made,) = await task.allocate(ObjectType.ENDPOINT)
            await kernel.cnode_move(root, place, made)
        (made,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
        await kernel.cnode_move(root, Cap.SPARE_FRAME, made)
        await task.map_page_tables(SPARE_BUFFER, 1)
        check("Map", await kernel.page_map(Cap.SPARE_FRAME, task.vspace, SPARE_BUFFER))
        (made,) = await task.allocate(ObjectType.RISCV_MEGA_PAGE)
        await kernel.cnode_move(root, Cap.BUFFER, made)
        check("Map", await kernel.page_map(Cap.BUFFER, task.vspace, BUFFER_ADDRESS))
        await SyscallBuffer.create(BUFFER_ADDRESS, 2)
        for place, source, badge in (
            (Cap.TO_VICTIM, Cap.VICTIM_NOTIFICATION, TO_VICTIM_VECTOR),
            (Cap.TO_ROOT, Cap.ROOT_NOTIFICATION, TO_ROOT_VECTOR),
            (Cap.BY_BUFFER, Cap.ROOT_NOTIFICATION, BY_BUFFER_VECTOR),
            (Cap.PLAIN_BADGED, Cap.PLAIN, 0x11),
            (Cap.VICTIM_BADGED, Cap.VICTIM_NOTIFICATION, SIGNAL_VECTOR),
        ):
            check("Mint", await kernel.cnode_mint(root, place, source, ANY, badge))
        plain, endpoint = self._cap(Cap.PLAIN), self._cap(Cap.ENDPOINT)
        assert isinstance(plain, NotificationCap)
        assert isinstance(endpoint, EndpointCap)
        self.plain, self.endpoint = plain.notification, endpoint.endpoint
        await self._receive(me, kernel, task.tcb, Cap.ROOT_NOTIFICATION)
        maker = ThreadMaker(task)
        for actor in self.actors[1:]:
            thread = await maker.make(
                self._program(actor),
                hart=actor.role % self._harts,
                name=actor.role.name.lower(),
                resume=False,
            )
            self.threads[actor.role] = thread
            actor.kernel = thread.kernel
            place = Cap.VICTIM_TCB if actor.role is Role.VICTIM else Cap.THIRD_TCB
            await kernel.cnode_copy(root, place, thread.tcb, ANY)
            self.tcbs[actor.role] = self._tcb(thread.tcb)
            if actor.role is Role.VICTIM:
                self.first_tcb = thread.tcb
        for actor in self.actors[1:]:
            await kernel.tcb_resume(self.threads[actor.role].tcb)
        while not all(actor.ready for actor in self.actors[1:]):
            await kernel.yield_()
        error, me.sender = await kernel.uintr_register_sender(Cap.TO_VICTIM)
        check("UintrRegisterSender", error)
        await me.play()

    def _program(self, actor: Actor) -> Callable[[SystemCalls], Any]:
        async def program(own: SystemCalls) -> None:
            if actor.role is Role.VICTIM:
                await self._receive(
                    actor, own, self.threads[actor.role].tcb, Cap.VICTIM_NOTIFICATION
                )
                error, actor.sender = await own.uintr_register_sender(Cap.TO_ROOT)
            else:
                while not self.actors[Role.VICTIM].ready:
                    await own.yield_()
                if any(operation.stranger for operation in actor.operations):
                    await actor.play()
                    return
                error, actor.sender = await own.uintr_register_sender(Cap.TO_VICTIM)
            check("UintrRegisterSender", error)
            await actor.play()

        return program

    async def _receive(self, actor: Actor, own: SystemCalls, tcb: int, notification: int) -> None:
        task = self.task
        check("Bind", await own.tcb_bind_notification(tcb, notification))
        place = task.machine.place(actor.handler)
        check("Register", await task.interrupts.register(own, notification, tcb, place))

    def _tcb(self, cptr: int) -> TCB:
        cap = self._cap(cptr)
        assert isinstance(cap, ThreadCap)
        return cap.tcb

    def _cap(self, cptr: int) -> Capability:
        """A capability of root's."""
        cspace = self.kernel.state.initial[0].cspace
        assert cspace is not None  # the boot loader made it
        return cspace.cnode.slot(cptr).cap
