"""Hostile programs: nothing goes wrong, and what would go wrong is seen.

Each broken design is the kernel, or the machine, with one mend taken out; the monitor must say so.
"""

from inspect import CORO_CLOSED, getcoroutinestate
from typing import Any

import pytest

from rel4.cli import main
from rel4.explore.hostile.attack import Attack, attack
from rel4.kernel import asid, notification, tcb, uintr_invocations, vspace
from rel4.kernel.account import Account, Charge
from rel4.kernel.async_runtime import HandlerTask
from rel4.kernel.capability import FrameCap, NotificationCap, Slot, ThreadCap
from rel4.kernel.cspace import derive_from
from rel4.kernel.errors import invalid_capability
from rel4.kernel.objects import Frame, PageTable
from rel4.kernel.state import State
from rel4.machine.core import Steps
from rel4.machine.intel_instructions import IntelInstructions
from rel4.machine.ops import Compute, SfenceVma
from rel4.machine.riscv_instructions import RiscvInstructions
from uintr.registers import Csr


@pytest.mark.parametrize("programs", [4, pytest.param(20, marks=pytest.mark.long)])
def test_nothing_is_wrong(programs: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--hostile", str(programs), "--jobs", "1"]) == 0
    assert f"nothing is wrong in {programs} programs" in capsys.readouterr().out


def test_the_same_seed_is_the_same_program() -> None:
    assert attack(Attack.of(3)) == attack(Attack.of(3))


def any_offset(source: Slot, address: int) -> Any:
    """An IPC buffer anywhere in its frame."""
    return derive_from(source, tcb.ALL_RIGHTS)


async def nothing_released(handler: HandlerTask) -> None:
    """A handler outlives its buffer."""


DETACH = HandlerTask.detach


async def not_told(handler: HandlerTask) -> None:
    """A handler that ends by itself, with a broken index, stays its thread's."""
    if handler.coroutine is None or getcoroutinestate(handler.coroutine) is not CORO_CLOSED:
        await DETACH(handler)


async def nobody_stopped(state: State, tables: list[PageTable]) -> None:
    """An address space goes while harts run in it."""
    for table in tables:
        table.asid = 0


async def owners_stopped(state: State, tables: list[PageTable]) -> None:
    """Of the harts that run in a space those are stopped whose thread still may."""
    for table in tables:
        table.asid = 0
    for scheduler in state.harts.schedulers:
        space = scheduler.current.vspace
        if space is not None and space.table in tables:
            await state.harts.stall(scheduler.hart)
    await SfenceVma()


def any_rights(source: Slot) -> Frame:
    """A syscall buffer by whatever right."""
    if not isinstance(source.cap, FrameCap):
        raise invalid_capability(1, "no frame")
    return source.cap.frame


def bind_anyones(thread: Any, cap: Any) -> None:
    """Whose user interrupts the notification's are is not asked."""
    if not isinstance(thread, ThreadCap) or not isinstance(cap, NotificationCap):
        raise invalid_capability(1, "no notification")
    if thread.tcb.bound_notification is None and cap.notification.bound_tcb is None:
        notification.bind(cap.notification, thread.tcb)


def known_csr(unit: RiscvInstructions, op: Any, frame: object) -> Steps:
    """Every number is thought to be one of a register."""
    Csr(op.csr)
    return CSR(unit, op, frame)


CSR = RiscvInstructions._csr
CHARGE = Account.charge


def without_limit(account: Account) -> Charge:
    """A quota is counted and not kept."""
    chain = [account]
    while chain[-1].parent is not None:
        chain.append(chain[-1].parent)
    for each in chain:
        each.used += 1
    return Charge(chain)


BROKEN: dict[str, tuple[int, Any, str, Any, str]] = {
    "an IPC buffer longer than its frame": (13, tcb, "_frame", any_offset, "longer than its frame"),
    "a handler that outlives its buffer": (6, HandlerTask, "release", nothing_released, ""),
    "a translation that outlives its page": (
        5,
        vspace,
        "SfenceVma",
        lambda *_: Compute(1),
        "is translated as it was before",
    ),
    "a hart in a space that has gone": (3, asid, "_void", nobody_stopped, "that has gone"),
    "a hart whose thread lost its space": (58, asid, "_void", owners_stopped, "that has gone"),
    "a buffer by any right": (15, uintr_invocations, "_frame", any_rights, "without the rights to"),
    "a registration of another": (
        4,
        tcb,
        "bind_notification",
        bind_anyones,
        "of what the victim has registered was taken away",
    ),
    "a handler that failed and stays": (6, HandlerTask, "detach", not_told, "is not told"),
    "registers of microcode": (
        7,
        IntelInstructions,
        "_no_user",
        lambda *_: None,
        "invalid opcode",
    ),
    "an unknown CSR": (27, RiscvInstructions, "_csr", known_csr, "ValueError"),
    "a quota that is not kept": (
        1,
        Account,
        "charge",
        without_limit,
        "units were taken on a quota",
    ),
    "a unit that is not given back": (
        1,
        Charge,
        "release",
        lambda charge: None,
        "were taken on it",
    ),
}
"""A seed whose program finds it; place, name and broken design; what the monitor says."""


@pytest.mark.parametrize("design", BROKEN)
def test_a_broken_design_is_found(monkeypatch: pytest.MonkeyPatch, design: str) -> None:
    seed, place, name, broken, reason = BROKEN[design]
    assert attack(Attack.of(seed), every=1).wrong == []
    monkeypatch.setattr(place, name, broken)
    assert any(reason in sentence for sentence in attack(Attack.of(seed), every=1).wrong)
