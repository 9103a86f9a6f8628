"""The IPC experiment: two user threads, synchronously and over rings with user interrupts.

A client and a server on one hart or one each. One IPC is a request and its reply. Synchronous:
Call and ReplyRecv, with and without seL4's fastpath; the number of coroutines means nothing there.
Asynchronous: coroutines of the client share one pair of rings, as in asynchronous system calls.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from rel4.abi.numbers import AsyncLabel, ObjectType
from rel4.abi.syscall_buffer import MAX_CAPACITY, Item, SyscallBuffer
from rel4.machine.costs import Costs
from rel4.machine.device import Device
from rel4.machine.events import Mark
from rel4.machine.ops import Log
from rel4.user.async_ipc import IpcServer
from rel4.user.async_syscalls import AsyncSyscalls, Style
from rel4.user.root_task import RootTask, check
from rel4.user.syscalls import SystemCalls
from rel4.user.threads import ThreadMaker

from .analysis import Window
from .two_threads import TwoThreads, run_two_threads
from .workload import BEGIN, END

__all__ = ["KINDS", "PUBLISHED_RATIOS", "IpcPoint", "IpcRecord", "render_ipc", "run_ipc"]

KINDS = ("sync", "sync-fastpath", "async")
RINGS = 0x5000_0000
ANY, WRITE = 0b1111, 0b0001
WAKE_WORD = 2048
"""Offset of the server's wake-up word in the page of its IPC buffer."""
PUBLISHED_RATIOS = {
    ("sync", 1): 1 / 1.31,
    ("sync-fastpath", 1): 1 / 3.49,
    ("sync", 128): 4.69,
    ("sync-fastpath", 128): 1.76,
}
"""Published: time of a synchronous IPC over that of an asynchronous one, by concurrency; 128 stands
for "high concurrency". Documentation site of the published system, FPGA with four Rocket cores."""


@dataclass(frozen=True, kw_only=True)
class IpcPoint(TwoThreads):
    """What to run: the client has ``concurrency`` coroutines, at most as many as the rings hold
    items, and each makes ``rounds`` IPCs."""

    KINDS = KINDS
    MOST = TwoThreads.MOST | {"concurrency": MAX_CAPACITY}

    concurrency: int
    rounds: int = 10


@dataclass(frozen=True, kw_only=True)
class IpcRecord:
    """One point's figures, per IPC; ``software`` and what is behind it as in `PointRecord`."""

    flavour: str
    kind: str
    harts: int
    concurrency: int
    ipcs: int
    cycles: float
    traps: float
    user_interrupts: float
    software: str = "model"
    compiler: str | None = None
    flags: str | None = None
    cache_kib: int | None = None
    memory_latency: int | None = None


async def run_ipc(point: IpcPoint, device: Device, costs: Costs | None = None) -> IpcRecord:
    """Run one point on a device that was just reset, with ``costs`` in place of costs.toml.

    Raises
    ------
    MachineError : the model broke a rule of the machine.
    """
    measured = await run_two_threads(
        point,
        device,
        costs,
        partial(_asynchronous if point.kind == "async" else _synchronous, point),
        fastpath=point.kind == "sync-fastpath",
    )
    return record_of(point, measured)


def record_of(point: IpcPoint, measured: Window, **made_with: Any) -> IpcRecord:
    """What was measured, for each IPC."""
    ipcs = point.concurrency * point.rounds
    return IpcRecord(
        flavour=point.flavour.value,
        kind=point.kind,
        harts=point.harts,
        concurrency=point.concurrency,
        ipcs=ipcs,
        cycles=measured.cycles / ipcs,
        traps=measured.traps("ecall", "ipi") / ipcs,
        user_interrupts=measured.user_interrupts / ipcs,
        **made_with,
    )


async def _synchronous(point: IpcPoint, task: RootTask) -> None:
    (endpoint,) = await task.allocate(ObjectType.ENDPOINT)

    async def server(own: SystemCalls) -> None:
        message = await own.recv(endpoint)
        while True:
            message = await own.reply_recv(endpoint, (message.words[0] + 1,))

    await ThreadMaker(task).make(server, hart=point.harts - 1, name="server")
    await task.kernel.call(endpoint, (0,))  # the server waits from now on
    await Log(Mark(BEGIN))
    for number in range(point.concurrency * point.rounds):
        answer = await task.kernel.call(endpoint, (number,))
        assert answer.words[0] == number + 1
    await Log(Mark(END))


async def _asynchronous(point: IpcPoint, task: RootTask) -> None:
    """Set up as for asynchronous system calls, with a thread in the kernel's place."""
    kernel, executor = task.kernel, task.executor
    (frame,) = await task.allocate(ObjectType.RISCV_MEGA_PAGE)
    (table,) = await task.allocate(ObjectType.RISCV_PAGE_TABLE)
    check("PageTable_Map", await kernel.page_table_map(table, task.vspace, RINGS))
    check("Page_Map of the rings", await kernel.page_map(frame, task.vspace, RINGS))
    buffer = await SyscallBuffer.create(RINGS, MAX_CAPACITY)
    calls = AsyncSyscalls(executor, kernel, buffer, Style())
    to_client, to_server = await task.allocate(ObjectType.NOTIFICATION, 2)
    (ready,) = await task.allocate(ObjectType.ENDPOINT)
    badged_client, badged_server = 1 << 20, (1 << 20) + 1
    vector = executor.register_vector(executor.spawn(calls.receive, priority=1, background=True))
    await kernel.cnode_mint(task.cnode, badged_client, to_client, WRITE, vector)
    await kernel.cnode_mint(task.cnode, badged_server, to_server, WRITE, 0)
    check("TCB_BindNotification", await kernel.tcb_bind_notification(task.tcb, to_client))
    handler = task.machine.place(executor.interrupt_handler)
    check(
        "UintrRegisterReceiver",
        await task.interrupts.register(kernel, to_client, task.tcb, handler),
    )

    alone = point.harts == 1
    tcbs: list[int] = []

    async def run_server(own: SystemCalls) -> None:
        server = IpcServer(
            buffer, task.interrupts, own.ipc_buffer + WAKE_WORD, own.yield_ if alone else None
        )
        place = task.machine.place(server.interrupt_handler)
        check(
            "UintrRegisterReceiver",
            await task.interrupts.register(own, to_server, tcbs[0], place),
        )
        error, client = await own.uintr_register_sender(badged_client)
        check("UintrRegisterSender", error)
        await own.send(ready)
        await server.serve(client, _answer)

    made = await ThreadMaker(task).make(
        run_server, hart=point.harts - 1, name="server", resume=False
    )
    tcbs.append(made.tcb)
    check("TCB_BindNotification", await kernel.tcb_bind_notification(made.tcb, to_server))
    check("TCB_Resume", await kernel.tcb_resume(made.tcb))
    await kernel.recv(ready)
    error, calls.sender = await kernel.uintr_register_sender(badged_server)
    check("UintrRegisterSender", error)

    async def give_way() -> None:
        if alone:
            await kernel.yield_()

    executor.on_idle = give_way

    async def worker(number: int) -> None:
        for step in range(point.rounds):
            # The label is the server's own affair; it needs one that the log can name.
            answer = await calls.call(AsyncLabel.PUT_CHAR, number + step)
            assert answer.words[0] == number + step + 1

    for number in range(point.concurrency):
        executor.spawn(lambda number=number: worker(number), priority=2)  # type: ignore[misc]
    await Log(Mark(BEGIN))
    await executor.run_until_complete()
    await Log(Mark(END))


def _answer(request: Item) -> Item:
    return Item(request.cid, request.label, 0, (request.words[0] + 1,))


def render_ipc(records: list[IpcRecord]) -> str:
    """A table, with the ratio to the published one where it was published."""
    by_key = {(r.kind, r.harts, r.concurrency): r for r in records}
    lines = [
        "harts    N | kind          | cycles per IPC  traps  user interrupts | "
        "sync/async  published",
        "-----------+---------------+----------------------------------------+-"
        "---------------------",
    ]
    for r in records:
        asynchronous = by_key.get(("async", r.harts, r.concurrency))
        ratio = published = ""
        if r.kind != "async" and asynchronous is not None:
            ratio = f"{r.cycles / asynchronous.cycles:.2f}"
            found = PUBLISHED_RATIOS.get((r.kind, r.concurrency))
            published = "-" if found is None else f"{found:.2f}"
        lines.append(
            f"{r.harts:5} {r.concurrency:4} | {r.kind:13} | {r.cycles:14.0f} {r.traps:6.2f} "
            f"{r.user_interrupts:16.2f} | {ratio:>10}  {published:>9}"
        )
    return "\n".join(lines)
