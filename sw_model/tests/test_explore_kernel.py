"""Kernel operations that meet at every boundary: ours, and designs that were broken once.

Each broken design is the kernel with one mend taken out, as it stood; the explorer must say so.
"""

from dataclasses import replace
from typing import Any

import pytest

from rel4.abi.syscall_buffer import Item, Ring, SyscallBuffer
from rel4.explore.kernel.operations import ROOT, VICTIM
from rel4.explore.kernel.schedule import play_all
from rel4.explore.kernel.search import Program, explore_program
from rel4.explore.kernel.world import BUFFER_ADDRESS, Actor, Cap, Operation, World
from rel4.kernel.account import Account, Charge
from rel4.kernel.async_runtime import AsyncRuntime, HandlerTask
from rel4.kernel.capability import FrameCap, Slot
from rel4.kernel.harts import STALL_POLL, Harts
from rel4.kernel.objects import TCB
from rel4.kernel.policies import Inline, Uipi
from rel4.kernel.uintr_context import HartContexts, UserInterruptState
from rel4.kernel.uintr_intel import IntelUserInterrupts
from rel4.kernel.uintr_riscv import RiscvUserInterrupts
from rel4.machine.device import run_sync
from rel4.machine.ops import Compute, SendIpi, Store
from uintr.registers import LOW, Feature, Flavour

MEETINGS = [
    Program(root=("read_registers",), victim=("poll_plain",)),
    Program(root=("read_registers",), victim=("poll_plain",), flavour=Flavour.INTEL),
    Program(
        root=("receive_message", "read_registers", "receive_if_sent"), victim=("send_message",)
    ),
    Program(root=("unbind_victim",), victim=("activate", "write")),
    Program(root=("register_buffer", "unbind_self", "call_by_buffer"), victim=("send",)),
    Program(root=("register_buffer",), victim=("yield",), policy=Uipi, receivers=2),
]
QUOTA = Program(root=("register_buffer",), victim=("unbind", "register_receiver"), quota=0)


LONGER = (*MEETINGS[1:3], *MEETINGS[4:], QUOTA)
"""Most have tens of thousands of states; what is wrong in others' designs is found in them anyway.
"""


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(each, marks=pytest.mark.long if each in LONGER else (), id=each.title())
        for each in (*MEETINGS, QUOTA)
    ],
)
def test_ours_is_right_whenever_operations_meet(program: Program) -> None:
    found = explore_program(program)
    assert found.reasons == []
    assert found.coarse > 1
    assert found.fine > 10
    assert found.states > found.fine


async def pushes_back(harts: Harts, hart: int) -> None:
    """Whatever the hart waits for the lock with, its thread's system call begins again."""
    if hart == harts.here:
        return
    if not harts._inside[hart]:
        await SendIpi(hart)
        while not harts._inside[hart]:
            await Compute(STALL_POLL)
    context = harts.schedulers[hart].current.context
    assert context is not None
    context.restart()
    if harts._waits_with[hart]:
        harts._aborted.add(hart)


async def frees_first(own: RiscvUserInterrupts, tcb: TCB, state: UserInterruptState) -> None:
    """The receiver is free before its owner is stopped."""
    receiver, state.receiver = state.receiver, None
    assert receiver is not None
    own.parked.pop(receiver, None)
    await own._clear(receiver)
    own.receivers.remove(receiver)
    own._freed(receiver)
    for hart, owner in enumerate(own.owner):
        if owner is tcb:
            await own._harts.stall(hart)
            own._stale.add(hart)


async def rearms_blindly(own: RiscvUserInterrupts, receiver: int, tcb: TCB) -> int:
    """The notify bit is cleared, the pending word looked at, the bit set again: a post in between
    is no transition, and nobody is told of it."""
    low = LOW.pack(active=0, mode=1, hartid=tcb.affinity)
    await Store(own._slot(receiver, LOW.address), low)
    pending = await own.pending(receiver)
    if not pending and own._notifies:
        low = LOW.pack(active=0, mode=1, notify=1, hartid=tcb.affinity)
        await Store(own._slot(receiver, LOW.address), low)
    return pending


def without_limit(account: Account) -> Charge:
    """A quota is counted and not kept."""
    account.used += 1
    return Charge([account])


class LooksAgain(Inline):
    """Whenever root wakes its handler, the kernel is told of a receiver with nothing pending."""

    async def on_wake(self, runtime: AsyncRuntime, task: HandlerTask) -> None:
        for receiver in list(runtime.uintr.parked):
            await runtime.uintr.absent_post(receiver)


LOOKS = Program(
    root=("register_buffer", "call_by_buffer"),
    victim=("wait_own",),
    third=("send",),
    policy=LooksAgain,
)


def depends_on_slots_alone(handler: HandlerTask, *slots: Slot) -> None:
    """A handler is not told when the entry goes by which it answers."""
    handler.tcb.attached.append(handler)
    handler.slots.extend(slots)
    for slot in slots:
        slot.attached.append(handler)


DETACH = HandlerTask.detach


async def stays_when_refused(handler: HandlerTask) -> None:
    """A registration that finds no receiver for the kernel answers an error, and the entry, the
    handler and what they are attached to stay."""
    if handler.sender is not None:
        await DETACH(handler)


@pytest.mark.parametrize(
    ("place", "name", "broken", "program", "reason"),
    [
        (
            Harts,
            "stall",
            pushes_back,
            Program(root=("read_registers",), victim=("poll_plain",)),
            "unknown system call 0",
        ),
        (
            Harts,
            "stall",
            pushes_back,
            Program(root=("read_registers",), victim=("poll_plain",), flavour=Flavour.INTEL),
            "unknown system call 0",
        ),
        (
            RiscvUserInterrupts,
            "_free_receiver",
            frees_first,
            Program(root=("unbind_victim",), victim=("write", "activate")),
            "is free and active",
        ),
        pytest.param(
            RiscvUserInterrupts,
            "_absent",
            rearms_blindly,
            LOOKS,
            "nobody will be told",
            marks=pytest.mark.long,
        ),
        (
            HandlerTask,
            "depend",
            depends_on_slots_alone,
            Program(root=("register_buffer", "unbind_self"), victim=("yield",)),
            "answers by an entry that has gone",
        ),
        *(
            (
                HandlerTask,
                "detach",
                stays_when_refused,
                replace(MEETINGS[-1], flavour=flavour),
                "answers NOT_ENOUGH_MEMORY and changed",
            )
            for flavour in Flavour
        ),
        (
            RiscvUserInterrupts,
            "reaches_kernel",
            True,  # whatever the hardware has
            replace(MEETINGS[-1], receivers=16, features=Feature.SLOT_RESET),
            "which cannot tell it",
        ),
        (Account, "charge", without_limit, QUOTA, "units were taken on a quota"),
        (Charge, "release", lambda charge: None, QUOTA, "were taken on it"),
    ],
    ids=[
        "pushed back",
        "pushed back, Intel",
        "freed before it is stopped",
        "re-armed blindly",
        "bare index",
        "error not undone",
        "error not undone, Intel",
        "a feature that is not there",
        "a quota that is not kept",
        "a unit that is not given back",
    ],
)
def test_a_broken_design_is_found(
    monkeypatch: pytest.MonkeyPatch,
    place: type,
    name: str,
    broken: Any,
    program: Program,
    reason: str,
) -> None:
    monkeypatch.setattr(place, name, broken)
    results = play_all(program.world(), coarse=False, deviations=1, first=True)
    assert any(reason in sentence for result in results for sentence in result.faults)


def registers(flavour: Flavour) -> Program:
    """A thread that has not registered leaves something in the registers of a hart."""
    own = "own_registers" if flavour is Flavour.RISCV else "own_flag"
    return Program(root=("move_third",), victim=("yield",), third=(own,), flavour=flavour)


@pytest.mark.long
@pytest.mark.parametrize("flavour", list(Flavour))
def test_ours_shows_no_registers_of_another(flavour: Flavour) -> None:
    results = list(play_all(registers(flavour).world(), coarse=True))
    assert results
    assert not any(result.faults for result in results)


@pytest.mark.parametrize(
    ("flavour", "hardware"),
    [
        (Flavour.RISCV, RiscvUserInterrupts),
        pytest.param(Flavour.INTEL, IntelUserInterrupts, marks=pytest.mark.long),
    ],
)
def test_registers_of_another_are_found(
    monkeypatch: pytest.MonkeyPatch, flavour: Flavour, hardware: Any
) -> None:
    """Only what threads that registered have of a hart is saved and hidden. Whole operations are
    enough to meet that."""
    save = hardware._save

    async def saves_the_registered(own: HartContexts) -> None:
        hart = own._harts.here
        owner = own.owner[hart]
        if owner is not None and owner.find(UserInterruptState) is None:
            own.owner[hart] = None
        else:
            await save(own)

    monkeypatch.setattr(hardware, "_save", saves_the_registered)
    results = play_all(registers(flavour).world(), coarse=True, first=True)
    assert any("third finds" in sentence for result in results for sentence in result.faults)


TAKE = Ring.take


async def takes_what_it_saw(ring: Ring, most: int = 15) -> Item | None:
    """There was a request when it was counted, so there must be one to take."""
    item = await TAKE(ring, most)
    assert item is not None
    return item


async def take_back(actor: Actor) -> None:
    """Another thread of the user's takes the index of its requests back."""
    ring = SyscallBuffer(BUFFER_ADDRESS, 2).requests
    await Store(ring.tail, await ring.last_taken())


def while_an_index_moves(flavour: Flavour) -> list[str]:
    """What is wrong when another thread takes back what is handled. The words of the buffer are
    shared without the lock, so a hart stops before each access."""
    root = [ROOT["register_buffer"], ROOT["call_by_buffer"]]
    other = [Operation("take_back", take_back, stranger=True)]
    world = World([root, [VICTIM["yield"]], other], flavour=flavour)
    run_sync(world.set_up())
    cap = world._cap(Cap.BUFFER)
    assert isinstance(cap, FrameCap)
    indices = range(0xC0, 0x108)
    places = (cap.frame.address, BUFFER_ADDRESS)  # as the kernel and as a user names them
    world.machine.shared = tuple(range(p + indices[0], p + indices[-1]) for p in places)
    run_sync(world.begin())
    results = play_all(world, coarse=False, deviations=1, first=True)
    assert results
    return [sentence for result in results for sentence in result.faults]


@pytest.mark.long
@pytest.mark.parametrize("flavour", list(Flavour))
def test_an_index_that_is_read_twice_is_found(
    monkeypatch: pytest.MonkeyPatch, flavour: Flavour
) -> None:
    monkeypatch.setattr(Ring, "take", takes_what_it_saw)
    assert any("AssertionError" in sentence for sentence in while_an_index_moves(flavour))


@pytest.mark.long
@pytest.mark.parametrize("flavour", list(Flavour))
def test_ours_reads_an_index_once(flavour: Flavour) -> None:
    assert while_an_index_moves(flavour) == []


def test_operations_have_contracts_for_both_threads() -> None:
    assert len(ROOT) > 25
    assert len(VICTIM) > 20


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"root": ("fly",)}, "root must be one of answer, .*, not 'fly'"),
        ({"victim": ("fly",)}, "victim must be one of activate, .*, not 'fly'"),
        ({"deviations": 5}, "deviations must be 0 to 4, not 5"),
    ],
)
def test_programs_are_checked(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        Program(**{"root": ("yield",), "victim": ("yield",), **arguments})
