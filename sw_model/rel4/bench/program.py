"""Run a small program of one's own: each function a thread, on any device."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from rel4.abi.numbers import ObjectType
from rel4.kernel.boot import boot_initial_thread
from rel4.kernel.kernel import Kernel
from rel4.machine.device import Device, DeviceConfig, find_device
from rel4.machine.events import Event, Trap, UserTrap
from rel4.machine.machine import Machine
from rel4.trace.reader import parse_events
from rel4.user.root_task import RootTask, check
from rel4.user.syscalls import SystemCalls
from rel4.user.threads import Thread as MadeThread
from rel4.user.threads import ThreadMaker
from rel4.user.user_thread import UserThread
from uintr.registers import Flavour

from .policies import find_policy

__all__ = ["ProgramRun", "run_program"]

Body = Callable[[UserThread], Awaitable[None]]


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
    flavour: str = Flavour.RISCV,
) -> ProgramRun:
    """Run each of ``bodies`` as a thread of its own, until the first of them ends.

    All threads share one address space and one CSpace. Thread *i* runs on hart *i* modulo the
    number of harts. The first is the initial thread: it makes the notifications and the other
    threads by system calls, and only then they begin.

    Parameters
    ----------
    harts : number of harts; default: one for each thread
    notifications : notifications to be made for the program, see `UserThread.notifications`
    device : name of a device; another than the reference wants module-level functions
    timer_period : cycles between timer interrupts
    flavour : family of user interrupts, ``riscv`` or ``intel``

    Raises
    ------
    ValueError : there is no thread, or a number is out of range.
    SyscallError : a system call that the program relies on failed.
    """
    if not bodies:
        raise ValueError("bodies must be at least one thread, not none")
    config = DeviceConfig(harts=len(bodies) if harts is None else harts, flavour=Flavour(flavour))
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
    return kernel.state.console, list(machine.log.lines())


async def _initial(kernel: Kernel, bodies: Sequence[Body], notifications: int) -> None:
    task = RootTask(kernel.state.machine)
    harts = kernel.state.machine.device.config.harts
    made = list(await task.allocate(ObjectType.NOTIFICATION, notifications))
    maker = ThreadMaker(task)
    threads: list[MadeThread] = []

    def own(number: int, name: str, calls: SystemCalls, tcb: int) -> UserThread:
        return UserThread(
            machine=kernel.state.machine,
            number=number,
            name=name,
            kernel=calls,
            tcb=tcb,
            cnode=task.cnode,
            notifications=made,
        )

    for number, body in enumerate(bodies[1:], start=1):
        name = f"thread{number}"

        async def program(
            calls: SystemCalls, number: int = number, name: str = name, body: Body = body
        ) -> None:
            await body(own(number, name, calls, threads[number - 1].tcb))

        thread = await maker.make(program, hart=number % harts, name=name, resume=False)
        threads.append(thread)
    for thread in threads:
        check("TCB_Resume", await task.kernel.tcb_resume(thread.tcb))
    await bodies[0](own(0, task.name, task.kernel, task.tcb))
