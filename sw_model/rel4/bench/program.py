"""Run a small program of one's own: each function a thread, on any device."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from rel4.abi.layout import DATA_ADDRESS, IPC_BUFFER_ADDRESS
from rel4.abi.numbers import ObjectType
from rel4.kernel.boot import boot_initial_thread
from rel4.kernel.capability import ThreadCap
from rel4.kernel.kernel import Kernel
from rel4.kernel.objects import TCB
from rel4.kernel.scheduler import TIME_SLICE
from rel4.machine.device import Device, DeviceConfig, find_device
from rel4.machine.events import Event, Trap, UserTrap
from rel4.machine.hart import Context
from rel4.machine.machine import Machine
from rel4.trace.reader import parse_events
from rel4.user.root_task import RootTask, check
from rel4.user.syscalls import Kernel as SystemCalls
from rel4.user.thread import Thread

from .policies import find_policy

__all__ = ["ProgramRun", "run_program"]

Body = Callable[[Thread], Awaitable[None]]

_PRIORITY = 255
_TCB_SLOTS = 1 << 19


@dataclass(frozen=True)
class ProgramRun:
    """What a run leaves.

    Parameters
    ----------
    console : what threads printed with ``kernel.put_char``
    events : the event log
    """

    console: str
    events: list[Event]

    @property
    def cycles(self) -> int:
        """Cycle of the last event."""
        return self.events[-1].cycle

    @property
    def user_interrupts(self) -> int:
        """User interrupts delivered."""
        return sum(isinstance(event, UserTrap) for event in self.events)

    def traps(self, cause: str = "ecall") -> int:
        """Traps into the kernel of one cause."""
        return sum(isinstance(event, Trap) and event.cause == cause for event in self.events)


def run_program(
    *bodies: Body,
    harts: int | None = None,
    notifications: int = 0,
    device: str = "reference",
    timer_period: int = 20_000,
) -> ProgramRun:
    """Run each of ``bodies`` as a thread of its own, until the first of them ends.

    All threads share one address space and one CSpace. Thread *i* runs on hart *i* modulo the
    number of harts. The first is the initial thread: it makes the notifications and the others' IPC
    buffers by system calls, and only then the others begin.

    Parameters
    ----------
    harts : number of harts; default: one for each thread
    notifications : notifications to be made for the program, see `Thread.notifications`
    device : name of a device; another than the reference wants module-level functions
    timer_period : cycles between timer interrupts

    Raises
    ------
    ValueError : there is no thread, or a number is out of range.
    SyscallError : a system call that the program relies on failed.
    """
    if not bodies:
        raise ValueError("bodies must be at least one thread, not none")
    config = DeviceConfig(harts=len(bodies) if harts is None else harts)
    job = partial(_run, tuple(bodies), notifications, timer_period)
    console, lines = find_device(device)(config, job)
    return ProgramRun(console, list(parse_events(lines)))


async def _run(
    bodies: Sequence[Body], notifications: int, timer_period: int, device: Device
) -> tuple[str, list[str]]:
    machine = Machine(device)
    harts = device.config.harts
    kernel = Kernel(
        machine,
        policies=[find_policy("tick").kernel()],
        timer_period=timer_period,
        timer_phase=[timer_period * (hart + 1) // harts for hart in range(harts)],
    )
    boot_initial_thread(kernel, partial(_initial, kernel, bodies, notifications))
    machine.boot(kernel)
    await machine.run()
    return kernel.console, list(machine.log.lines())


async def _initial(kernel: Kernel, bodies: Sequence[Body], notifications: int) -> None:
    task = RootTask(kernel.machine)
    made = list(await task.allocate(ObjectType.NOTIFICATION, notifications))
    for number, body in enumerate(bodies[1:], start=1):
        virtual = DATA_ADDRESS + (number << 12)
        (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
        error = await task.kernel.page_map(frame, task.vspace, virtual)
        check(f"Page_Map of the IPC buffer of thread {number}", error)
        physical = (await task.kernel.page_get_address(frame)).words[0]
        tcb = _make_thread(kernel, number, physical)
        thread = Thread(
            machine=kernel.machine,
            number=number,
            name=tcb.name,
            kernel=SystemCalls(virtual),
            tcb=_TCB_SLOTS + number,
            cnode=task.cnode,
            notifications=made,
        )
        assert kernel.root is not None  # it runs
        assert kernel.root.vspace is not None
        root = kernel.root.vspace.table.address
        tcb.context = Context(tcb.name, partial(_call, body, thread), root=root)
        kernel.make_runnable(tcb)
    first = Thread(
        machine=kernel.machine,
        number=0,
        name="root",
        kernel=SystemCalls(IPC_BUFFER_ADDRESS),
        tcb=task.tcb,
        cnode=task.cnode,
        notifications=made,
    )
    await bodies[0](first)


async def _call(body: Body, thread: Thread) -> None:
    await body(thread)


def _make_thread(kernel: Kernel, number: int, ipc_buffer: int) -> TCB:
    """A thread with the initial thread's CSpace, and a capability to its TCB in it.

    Done by the boot loader, as it were: no invocation makes threads yet.
    """
    root = kernel.root
    assert root is not None
    assert root.cspace is not None
    harts = kernel.machine.device.config.harts
    tcb = TCB(
        0,
        f"thread{number}",
        None,
        _PRIORITY,
        number % harts,
        TIME_SLICE,
        cspace=root.cspace,
        ipc_buffer=ipc_buffer,
    )
    root.cspace.cnode.slot(_TCB_SLOTS + number).cap = ThreadCap(tcb)
    return tcb
