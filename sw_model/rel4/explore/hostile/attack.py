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
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from rel4.abi.numbers import CapSlot, ObjectType
from rel4.bench.policies import find_policy, policy_names
from rel4.kernel.boot import boot_initial_thread
from rel4.kernel.capability import ThreadCap
from rel4.kernel.kernel import Kernel
from rel4.machine.device import DeviceConfig, run_sync
from rel4.machine.events import Fault, TrapCause
from rel4.machine.hart import Hart
from rel4.machine.machine import Machine
from rel4.machine.ops import Compute
from rel4.reference.device import reference_device
from rel4.user.root_task import RootTask, check
from rel4.user.syscalls import SystemCalls
from uintr.registers import Flavour

from .attacker import Attacker
from .threads import GUARD, Own, arm, give, make_thread
from .victim import Monitor, Outcome, Victim

__all__ = ["Attack", "Outcome", "attack"]

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


class _Watched(Kernel):
    """A kernel whose monitor looks after every trap."""

    look: Callable[[], None]

    async def trap(self, hart: Hart, cause: TrapCause) -> None:
        await super().trap(hart, cause)
        self.look()


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
    victim = Victim(task, outcome)
    monitor = Monitor(kernel, victim, outcome, every)
    kernel.look = monitor.look
    count = draw.randint(2, 3)
    attackers = [Attacker(plan.seed, number, outcome, machine) for number in range(count)]
    left = [count]

    async def play(attacker: Attacker, own: SystemCalls) -> None:
        await attacker.run(own)
        left[0] -= 1
        if not left[0]:
            machine.interrupts.trigger(1)  # nobody is waited for
        while True:  # they are to be found at work when all that is theirs is taken away
            await Compute(1_000)

    async def make_victim() -> tuple[int, int]:
        """The victim, which has registered; answers what it waits for and its second
        notification."""
        own = await make_thread(
            task, "victim", victim.run, priority=100, hart=draw.randrange(plan.harts)
        )
        first, second = await task.allocate(ObjectType.NOTIFICATION, 2)
        (ready,) = await task.allocate(ObjectType.ENDPOINT)
        caps: dict[int, int] = {Own.NOTIFICATION: first, Own.SECOND: second, Own.ENDPOINT: ready}
        await give(task, own, {Own.TCB: own[Own.TCB], **caps})
        victim.page = (await task.kernel.page_get_address(own[Own.DATA_FRAME])).words[0]
        await task.kernel.tcb_resume(own[Own.TCB])
        await task.kernel.recv(ready)
        cspace = kernel.state.initial[0].cspace
        assert cspace is not None  # the boot loader made it
        cap = cspace.cnode.slot(own[Own.TCB]).cap
        assert isinstance(cap, ThreadCap)
        monitor.arm(cap.tcb)
        return ready, second

    async def make_attackers(shared: int) -> list[dict[int, int]]:
        """The attackers; of three, one shares the spaces of the first, so that a buffer is changed
        while its requests are served."""
        (endpoint,) = await task.allocate(ObjectType.ENDPOINT)
        made: list[dict[int, int]] = []
        for number, each in enumerate(attackers):
            thread = await make_thread(
                task,
                f"attacker{number}",
                partial(play, each),
                priority=draw.choice((100, 100, 50)),
                hart=draw.randrange(plan.harts),
                quota=draw.choice((0, 0, 1, 2, 4)),
            )
            await arm(task, thread, endpoint, shared)
            made.append(thread)
        if len(made) > 2:
            spaces = made[0][Own.CNODE], GUARD, made[0][Own.VSPACE]
            check("SetSpace", await task.kernel.tcb_set_space(made[2][Own.TCB], 0, *spaces))
        return made

    async def program() -> None:
        ready, shared = await make_victim()
        made = await make_attackers(shared)
        await task.kernel.send(ready)
        for thread in made:
            await task.kernel.tcb_resume(thread[Own.TCB])
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
            caps = list(thread.values())
            draw.shuffle(caps)
            for cap in caps:
                await task.kernel.cnode_revoke(task.cnode, cap)
                await task.kernel.cnode_delete(task.cnode, cap)
        while kernel.state.harts.somebody_inside:  # what is looked at must be at rest
            await Compute(100)
        monitor.end()
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
    faults = [event.thread for event in machine.log if isinstance(event, Fault)]
    outcome.faults = len(faults)
    if "victim" in faults:
        outcome.wrong.append("the victim got a fault")
    return outcome
