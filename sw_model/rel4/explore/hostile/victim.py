"""Whom the attackers beside it must not reach, and how one sees that nobody did."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from rel4.explore.kernel.hardware import hardware_books
from rel4.kernel.invariants import violations
from rel4.kernel.kernel import Kernel
from rel4.kernel.objects import TCB
from rel4.kernel.uintr_context import UserInterruptState
from rel4.machine.ops import Compute, CsrRead, CsrWrite, Load, Store
from rel4.machine.ops_intel import Testui
from rel4.user.root_task import RootTask, check
from rel4.user.syscalls import SystemCalls
from uintr.registers import Csr, Flavour

from .threads import DATA, Own

__all__ = ["Monitor", "Outcome", "Victim"]

TURN = 200
"""Cycles of a turn."""
LOOK_EVERY = 8
"""Turns between two interrupts that the victim sends to itself."""
PATTERN = 0x5C5C


@dataclass
class Outcome:
    """What a monitor saw; all is well with an empty ``wrong``."""

    wrong: list[str] = field(default_factory=list)
    looks: int = 0
    steps: int = 0
    faults: int = 0
    victim_turns: int = 0
    cycles: int = 0


class Victim:
    """Counts in a page of its own, sends user interrupts to itself, and says what it has.

    Members
    -------
    page : physical address of its page
    written, about : the word that it wrote there last, and the one that it is writing
    sent, taken : user interrupts
    """

    def __init__(self, task: RootTask, outcome: Outcome) -> None:
        self._task, self._outcome = task, outcome
        self._intel = task.machine.device.config.flavour is Flavour.INTEL
        self.page = 0
        self.written = self.about = 0
        self.sent = self.taken = 0

    async def run(self, own: SystemCalls) -> None:
        """The victim's program: two notifications of one receiver, the second one unbound."""
        interrupts = self._task.interrupts
        handler = self._task.machine.place(self._handler)
        check("Bind", await own.tcb_bind_notification(Own.TCB, Own.NOTIFICATION))
        for ntfn in (Own.NOTIFICATION, Own.SECOND):
            check("Register", await interrupts.register(own, ntfn, Own.TCB, handler))
        error, sender = await own.uintr_register_sender(Own.BADGED)
        check("UintrRegisterSender", error)
        if not self._intel:
            await CsrWrite(Csr.USCRATCH, PATTERN)
        await own.send(Own.ENDPOINT)
        await own.recv(Own.ENDPOINT)  # until the attackers are ready, too
        while True:
            self.about = self.written + 1
            await Store(DATA, self.about)
            self.written = self.about
            if await Load(DATA) != self.written:
                self._wrong("reads another word than it wrote")
            await Compute(TURN)
            if self.written % LOOK_EVERY == 0:
                self.sent += 1
                await interrupts.send(sender)
                await Compute(TURN)
                await self._look()
            self._outcome.victim_turns += 1

    async def _look(self) -> None:
        if self.taken != self.sent:
            self._wrong(f"took {self.taken} interrupts of {self.sent}")
        if self._intel:
            if not await Testui():
                self._wrong("finds its flag cleared")
        elif await CsrRead(Csr.USCRATCH) != PATTERN:
            self._wrong("finds another value in its register")

    def _wrong(self, what: str) -> None:
        self._outcome.wrong.append(f"the victim {what}")

    async def _handler(self) -> None:
        await self._task.interrupts.take()
        self.taken += 1
        await self._task.interrupts.leave()


class Monitor:
    """Looks at the whole state from outside; it costs no time.

    Parameters
    ----------
    every : looks at what concerns the victim, to one at everything
    """

    def __init__(self, kernel: Kernel, victim: Victim, outcome: Outcome, every: int) -> None:
        self._kernel, self._victim, self._outcome, self._every = kernel, victim, outcome, every
        self._tcb: TCB | None = None
        self._had: tuple[object, ...] = ()

    def arm(self, tcb: TCB) -> None:
        """The victim is ready: what it has must stay."""
        self._tcb = tcb
        self._had = self._has()

    def _has(self) -> tuple[object, ...]:
        """What the victim has of the hardware."""
        assert self._tcb is not None
        state = self._tcb.find(UserInterruptState)
        if state is None or state.table is None:
            return ()
        return (
            state.receiver,
            tuple(state.notifications),
            tuple((n.uintr_flag, n.uintr_tcb, n.recv_idx) for n in state.notifications),
            tuple((entry, entry.live) for entry in state.table.entries.values()),
            self._tcb.bound_notification,
            (self._tcb.priority, self._tcb.affinity, self._tcb.vspace, self._tcb.cspace),
        )

    def look(self) -> None:
        """After a trap; nothing while somebody is in the kernel."""
        if self._tcb is None or self._kernel.state.harts.somebody_inside:
            return
        outcome, victim = self._outcome, self._victim
        outcome.looks += 1
        if self._kernel.state.machine.memory.load(victim.page) not in (
            victim.written,
            victim.about,
        ):
            outcome.wrong.append("the victim's memory was written")
        if self._has() != self._had:
            outcome.wrong.append("something of what the victim has registered was taken away")
        if outcome.looks % self._every == 0:
            outcome.wrong.extend(self._everything())
        if outcome.wrong:
            self._kernel.state.machine.stop()

    def _everything(self) -> Iterator[str]:
        yield from violations(self._kernel)
        yield from hardware_books(self._kernel)

    def end(self) -> None:
        """The attackers are gone, with all that was theirs."""
        state, outcome = self._kernel.state, self._outcome
        outcome.wrong.extend(self._everything())
        kernels = state.uintr.kernel_receivers
        own = self._tcb.find(UserInterruptState) if self._tcb is not None else None
        left = [
            receiver
            for receiver in state.uintr.receivers
            if receiver not in kernels and (own is None or receiver != own.receiver)
        ]
        if left:
            outcome.wrong.append(f"receivers {left} belong to nobody")
        if state.runtime.tasks:
            outcome.wrong.append(f"{len(state.runtime.tasks)} handlers belong to nobody")
        self._tcb = None
