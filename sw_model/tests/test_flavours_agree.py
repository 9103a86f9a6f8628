"""Cross-check of the flavours: one random trace of sends, switches, masks and migrations gives the
same multiset of delivered vectors per thread on both, and it is the multiset that was sent.

A vector is sent again only after it was delivered: two posts of one that is pending may be one
interrupt or two on Intel, and are one on RISC-V, so their number would depend on the timing.
"""

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from root_bench import run_program

from rel4.abi.numbers import ObjectType, SeL4Error
from rel4.machine.events import ContextSwitch, UserTrap
from rel4.machine.ops import Compute
from rel4.user.root_task import RootTask
from rel4.user.syscalls import SystemCalls
from rel4.user.threads import ThreadMaker
from uintr.registers import Flavour

OK, ANY = SeL4Error.NO_ERROR, 0b1111
RECEIVERS, HARTS, STEPS = 3, 3, 40
PLENTY = 60_000
"""Cycles in which a receiver of the least luck is scheduled again."""


@dataclass(frozen=True)
class Step:
    """One step of the root task: ``what`` with receiver ``who``."""

    what: str
    who: int
    number: int


def trace_of(seed: int) -> tuple[list[Step], list[list[tuple[str, int]]]]:
    """Steps of the root task, and what each receiver does in turn, for ever."""
    source = random.Random(f"flavours {seed}")
    scripts = [
        [
            (source.choice(["compute", "mask", "yield", "wait"]), source.randrange(1, 700))
            for _ in range(6)
        ]
        for _ in range(RECEIVERS)
    ]
    steps = []
    for _ in range(STEPS):
        what = source.choice(["send", "send", "send", "signal", "migrate", "compute", "yield"])
        who = source.randrange(RECEIVERS)
        if what == "signal" and any(name == "wait" for name, _ in scripts[who]):
            what = "send"  # who waits gets a signal as seL4 says, without an interrupt
        bound = {"migrate": HARTS, "compute": 900}.get(what, 8)
        steps.append(Step(what, who, source.randrange(bound)))
    return steps, scripts


def play(seed: int, flavour: Flavour) -> tuple[Any, list[Counter[int]]]:
    """Run the trace; returns what each receiver's handler took."""
    steps, scripts = trace_of(seed)
    taken: list[Counter[int]] = [Counter() for _ in range(RECEIVERS)]

    async def receive(task: RootTask, own: SystemCalls, who: int, ntfn: int, tcb: int) -> None:
        interrupts = task.interrupts

        async def handler() -> None:
            vectors = await interrupts.take()
            taken[who].update(vector for vector in range(64) if vectors >> vector & 1)
            await interrupts.leave()

        place = task.machine.place(handler)
        assert await interrupts.register(own, ntfn, tcb, place) is OK
        ready.append(who)
        while True:
            for what, number in scripts[who]:
                match what:
                    case "compute":
                        await Compute(number)
                    case "mask":
                        await interrupts.disable()
                        await Compute(number)
                        await interrupts.enable()
                    case "yield":
                        await own.yield_()
                        await Compute(50)
                    case _:
                        await own.wait(ntfn)
                        await Compute(50)

    ready: list[int] = []

    async def body(task: RootTask) -> None:
        kernel = task.kernel
        notifications = await task.allocate(ObjectType.NOTIFICATION, RECEIVERS)
        maker, tcbs = ThreadMaker(task), []
        for who, ntfn in enumerate(notifications):

            async def program(own: SystemCalls, who: int = who, ntfn: int = ntfn) -> None:
                await receive(task, own, who, ntfn, own.tcb)

            made = await maker.make(
                program, hart=who % HARTS, name=f"receiver{who}", notification=ntfn
            )
            tcbs.append(made.tcb)
        while len(ready) < RECEIVERS:
            await kernel.yield_()
            await Compute(100)
        operands = {}
        for who, ntfn in enumerate(notifications):
            for vector in range(8):
                slot = 1_000 + 8 * who + vector
                assert await kernel.cnode_mint(task.cnode, slot, ntfn, ANY, 8 * vector) is OK
                error, operands[who, vector] = await kernel.uintr_register_sender(slot)
                assert error is OK
        sent: Counter[tuple[int, int]] = Counter()

        async def delivered(who: int, vector: int) -> None:
            while taken[who][8 * vector] < sent[who, vector]:
                await kernel.yield_()
                await Compute(100)

        for step in steps:
            who, number = step.who, step.number
            match step.what:
                case "send" | "signal":
                    await delivered(who, number)
                    sent[who, number] += 1
                    if step.what == "send":
                        await task.interrupts.send(operands[who, number])
                    else:
                        await kernel.signal(1_000 + 8 * who + number)
                case "migrate":
                    assert await kernel.tcb_set_affinity(tcbs[who], number) is OK
                case "compute":
                    await Compute(number)
                case _:
                    await kernel.yield_()
        for who, vector in sent:
            await delivered(who, vector)
        await Compute(PLENTY)  # whatever was invented would come now

    return run_program(body, flavour=flavour, harts=HARTS), taken


@pytest.mark.parametrize(
    "seed", [pytest.param(n, marks=() if n < 10 else pytest.mark.long) for n in range(40)]
)
def test_both_flavours_deliver_the_same_vectors(seed: int) -> None:
    steps, _ = trace_of(seed)
    wanted = [
        Counter(8 * s.number for s in steps if s.what in ("send", "signal") and s.who == who)
        for who in range(RECEIVERS)
    ]
    for flavour in Flavour:
        run, taken = play(seed, flavour)
        assert taken == wanted, f"{flavour} delivered {taken} of {wanted}"
        assert {e.thread for e in run.events(UserTrap)} == {
            f"receiver{who}" for who in range(RECEIVERS) if wanted[who]
        }
        assert run.events(ContextSwitch)
