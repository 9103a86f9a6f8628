"""Clients that keep the kernel busy on their own behalf, and whoever lives beside them."""

from dataclasses import dataclass

from root_bench import run_program

from rel4.abi.numbers import AsyncLabel, ObjectType
from rel4.abi.syscall_buffer import ITEM_BYTES, SyscallBuffer
from rel4.machine.events import AsyncHandled
from rel4.machine.ops import Compute, Load, Store
from rel4.user.root_task import RootTask, check
from rel4.user.syscalls import SystemCalls
from rel4.user.threads import ThreadMaker
from uintr.registers import Flavour

OURS = ("inline", "uipi", "poll", "spread", "adaptive")
CAPACITY = 64
SPAN = 400_000
"""Cycles of a measurement."""
REST = 60
"""Cycles between two wake-ups of an attacker: a fraction of what one costs the kernel."""


@dataclass
class Client:
    """A thread with a syscall buffer, and how its handler is woken."""

    task: RootTask
    base: int
    notification: int
    frame: int
    tcb: int = 0
    sender: int | None = None
    rest: int = REST

    @classmethod
    async def make(cls, task: RootTask, number: int) -> "Client":
        """Its objects."""
        base = 0x4000_0000 + (number << 21)
        (frame,) = await task.allocate(ObjectType.RISCV_MEGA_PAGE)
        if not number:
            (table,) = await task.allocate(ObjectType.RISCV_PAGE_TABLE)
            check("Map", await task.kernel.page_table_map(table, task.vspace, base))
        check("Map", await task.kernel.page_map(frame, task.vspace, base))
        await SyscallBuffer.create(base, CAPACITY)
        (notification,) = await task.allocate(ObjectType.NOTIFICATION)
        return cls(task, base, notification, frame)

    async def register(self, own: SystemCalls) -> None:
        """As the client itself. It looks for replies, so that no interrupt is wanted."""

        async def handler() -> None:
            await self.task.interrupts.note(self.base + 0x200)

        check("Bind", await own.tcb_bind_notification(self.tcb, self.notification))
        place = self.task.machine.place(handler)
        interrupts = self.task.interrupts
        check(
            "Register",
            await interrupts.register(own, self.notification, self.tcb, place, enabled=False),
        )
        error, self.sender = await own.uintr_register_async_syscall(self.notification, self.frame)
        check("Register", error)
        await SyscallBuffer(self.base, CAPACITY).receiver_online.set()

    async def wake(self, own: SystemCalls) -> None:
        """Tell the kernel, whether it needs to be told or not."""
        if self.sender is None:
            await own.wake_syscall_handler()
        else:
            await self.task.interrupts.send(self.sender)

    async def attack(self, own: SystemCalls) -> None:
        """Keep the ring full, take no reply, and tell the kernel all the time."""
        await self.register(own)
        for slot in range(CAPACITY):
            word = AsyncLabel.PUT_CHAR << 32 | 1 << 40
            await Store(self.base + 0x1000 + ITEM_BYTES * slot, word)
        while True:
            await Store(self.base + 0x140, await Load(self.base + 0x180))
            await Store(self.base + 0x100, await Load(self.base + 0xC0) + CAPACITY)
            await self.wake(own)
            await Compute(self.rest)

    async def storm(self, own: SystemCalls) -> None:
        """Tell the kernel all the time, for nothing."""
        await self.register(own)
        while True:
            await self.wake(own)
            await Compute(self.rest)


def turns(
    policy: str,
    flavour: Flavour,
    *,
    attack: str | None,
    attacker: tuple[int, int] = (0, 100),
    victim: tuple[int, int] = (1, 100),
    harts: int = 2,
    rest: int = REST,
) -> int:
    """Turns of a victim within `SPAN` cycles. Attacker and victim: hart and priority."""
    made = 0

    async def body(task: RootTask) -> None:
        kernel, maker = task.kernel, ThreadMaker(task)
        client = await Client.make(task, 0)
        client.rest = rest

        async def count(own: SystemCalls) -> None:
            nonlocal made
            while True:
                await Compute(200)
                made += 1

        if attack is not None:
            thread = await maker.make(
                getattr(client, attack), hart=attacker[0], priority=attacker[1], resume=False
            )
            client.tcb = thread.tcb
        other = await maker.make(count, hart=victim[0], priority=victim[1], resume=False)
        (endpoint,) = await task.allocate(ObjectType.ENDPOINT)
        end = task.machine.env.timeout(SPAN)
        assert end.callbacks is not None
        end.callbacks.append(lambda event: task.machine.stop())
        await kernel.tcb_resume(other.tcb)  # before the attacker looks for a hart without threads
        if attack is not None:
            await kernel.tcb_resume(client.tcb)
        await kernel.recv(endpoint)

    run = run_program(body, harts=harts, policy=policy, flavour=flavour, orderly=False)
    if attack == "attack" and attacker[1] >= victim[1]:
        assert len(run.events(AsyncHandled)) > 20  # an attack that is not served is none
    return made
