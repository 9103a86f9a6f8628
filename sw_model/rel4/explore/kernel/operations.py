"""What threads do when they meet: kernel operations of root on the victim, and the victim's own."""

from collections.abc import Awaitable, Callable
from typing import Any

from rel4.abi.numbers import AsyncLabel, SeL4Error
from rel4.abi.syscall_buffer import Item, SyscallBuffer
from rel4.machine.ops import CsrRead, CsrWrite, Load, Uipi
from rel4.machine.ops_intel import Clui, Stui, Testui
from uintr.registers import Csr, Flavour, UipiFunction

from .world import (
    ANY,
    BUFFER_ADDRESS,
    SIGNAL_VECTOR,
    SPARE_BUFFER,
    Actor,
    Cap,
    Operation,
)

__all__ = ["INTEL_ONLY", "RISCV_ONLY", "ROOT", "THIRD", "VICTIM"]

NOWHERE = 0x7777_0000
Run = Callable[[Actor], Awaitable[Any]]

ROOT: dict[str, Operation] = {}
"""Operations of root, most of them on the victim."""
VICTIM: dict[str, Operation] = {}
"""Operations of the victim."""
THIRD: dict[str, Operation] = {}
"""Operations of a third thread."""
RISCV_ONLY = {"read", "write", "activate", "deactivate", "csr", "own_registers"}
INTEL_ONLY = {"stui", "clui", "own_flag"}


def _of(*tables: dict[str, Operation], stranger: bool = False) -> Callable[[Run], Run]:
    """An operation of these threads, under its function's name."""

    def add(run: Run) -> Run:
        name = run.__name__.strip("_")
        for table in tables:
            table[name] = Operation(name, run, stranger)
        return run

    return add


# --- root on the victim ---------------------------------------------------------------------------


@_of(ROOT)
async def read_registers(actor: Actor) -> Any:
    return (await actor.kernel.tcb_read_registers(Cap.VICTIM_TCB, 4)).error.name


@_of(ROOT)
async def write_registers(actor: Actor) -> Any:
    """A register that no system call and no program looks at."""
    return (await actor.kernel.tcb_copy_registers(Cap.VICTIM_TCB, actor.world.task.tcb, 0)).name


@_of(ROOT)
async def suspend(actor: Actor) -> Any:
    return (await actor.kernel.tcb_suspend(Cap.VICTIM_TCB)).name


@_of(ROOT)
async def resume(actor: Actor) -> Any:
    return (await actor.kernel.tcb_resume(Cap.VICTIM_TCB)).name


@_of(ROOT)
async def move_here(actor: Actor) -> Any:
    await actor.kernel.tcb_set_priority(Cap.VICTIM_TCB, actor.world.task.tcb, 255)
    return (await actor.kernel.tcb_set_affinity(Cap.VICTIM_TCB, 0)).name


@_of(ROOT)
async def move_third(actor: Actor) -> Any:
    return (await actor.kernel.tcb_set_affinity(Cap.THIRD_TCB, 1)).name


@_of(ROOT)
async def move_away(actor: Actor) -> Any:
    return (await actor.kernel.tcb_set_affinity(Cap.VICTIM_TCB, 1)).name


@_of(ROOT)
async def set_priority(actor: Actor) -> Any:
    return (await actor.kernel.tcb_set_priority(Cap.VICTIM_TCB, actor.world.task.tcb, 7)).name


@_of(ROOT)
async def set_space(actor: Actor) -> Any:
    task = actor.world.task
    return (await actor.kernel.tcb_set_space(Cap.VICTIM_TCB, 0, task.cnode, 0, task.vspace)).name


@_of(ROOT)
async def set_ipc_buffer(actor: Actor) -> Any:
    error = await actor.kernel.tcb_set_ipc_buffer(Cap.VICTIM_TCB, SPARE_BUFFER, Cap.SPARE_FRAME)
    return error.name


@_of(ROOT)
async def delete_victim(actor: Actor) -> Any:
    task = actor.world.task
    await actor.kernel.cnode_revoke(task.cnode, actor.world.first_tcb)
    return (await actor.kernel.cnode_delete(task.cnode, actor.world.first_tcb)).name


@_of(ROOT)
async def unbind_victim(actor: Actor) -> Any:
    return (await actor.kernel.tcb_unbind_notification(Cap.VICTIM_TCB)).name


# --- capabilities and user interrupts -------------------------------------------------------------


@_of(ROOT)
async def delete_victims_sender(actor: Actor) -> Any:
    """The badged capability through which the victim sends to root."""
    return (await actor.kernel.cnode_delete(actor.world.task.cnode, Cap.TO_ROOT)).name


@_of(ROOT, VICTIM)
async def delete_roots_sender(actor: Actor) -> Any:
    """The badged capability through which root sends to the victim."""
    return (await actor.kernel.cnode_delete(actor.world.task.cnode, Cap.TO_VICTIM)).name


@_of(ROOT)
async def revoke_victims_notification(actor: Actor) -> Any:
    return (await actor.kernel.cnode_revoke(actor.world.task.cnode, Cap.VICTIM_NOTIFICATION)).name


@_of(ROOT, VICTIM)
async def register_sender(actor: Actor) -> Any:
    return (await actor.kernel.uintr_register_sender(Cap.VICTIM_BADGED))[0].name


@_of(ROOT, VICTIM, THIRD)
async def send(actor: Actor) -> Any:
    """A user interrupt, without the kernel."""
    await actor.world.task.interrupts.send(actor.sender)


@_of(ROOT, THIRD)
async def signal_victim(actor: Actor) -> Any:
    await actor.kernel.signal(Cap.VICTIM_BADGED)


@_of(ROOT, VICTIM, THIRD)
async def signal_plain(actor: Actor) -> Any:
    await actor.kernel.signal(Cap.PLAIN_BADGED)


@_of(VICTIM)
async def unbind(actor: Actor) -> Any:
    return (await actor.kernel.tcb_unbind_notification(Cap.VICTIM_TCB)).name


@_of(VICTIM)
async def register_receiver(actor: Actor) -> Any:
    """Anew, by the notification that it had; refused while it has it."""
    task, own, ntfn = actor.world.task, actor.kernel, Cap.VICTIM_NOTIFICATION
    error = await own.tcb_bind_notification(Cap.VICTIM_TCB, ntfn)
    if error is SeL4Error.NO_ERROR:
        handler = task.machine.place(actor.handler)
        error = await task.interrupts.register(own, ntfn, Cap.VICTIM_TCB, handler)
    return error.name


@_of(VICTIM)
async def read(actor: Actor) -> Any:
    vectors = await Uipi(UipiFunction.READ)
    actor.taken |= vectors


@_of(VICTIM)
async def write(actor: Actor) -> Any:
    await Uipi(UipiFunction.WRITE, 1 << 7)


@_of(VICTIM)
async def activate(actor: Actor) -> Any:
    await Uipi(UipiFunction.ACTIVATE)


@_of(VICTIM)
async def deactivate(actor: Actor) -> Any:
    await Uipi(UipiFunction.DEACTIVATE)


@_of(VICTIM)
async def csr(actor: Actor) -> Any:
    """A register that is the thread's own is as it was written, whatever happens in between."""
    await CsrWrite(Csr.USCRATCH, 0x5C)
    await actor.kernel.yield_()
    return await CsrRead(Csr.USCRATCH)


@_of(THIRD, stranger=True)
async def own_registers(actor: Actor) -> Any:
    """What a thread wrote that never registered is there again, and nothing before."""
    before = await CsrRead(Csr.USCRATCH)
    await CsrWrite(Csr.USCRATCH, 0x77)
    await actor.kernel.yield_()
    after = await CsrRead(Csr.USCRATCH)
    if (before, after) != (0, 0x77):
        actor.complaints.append(f"third finds {before:#x} and {after:#x} in its registers")


@_of(THIRD, stranger=True)
async def own_flag(actor: Actor) -> Any:
    """The same of Intel's flag."""
    before = await Testui()
    await Stui()
    await actor.kernel.yield_()
    after = await Testui()
    if (before, after) != (0, 1):
        actor.complaints.append(f"third finds {before} and {after} in its flag")


@_of(VICTIM)
async def stui(actor: Actor) -> Any:
    await Stui()


@_of(VICTIM)
async def clui(actor: Actor) -> Any:
    await Clui()
    await Stui()


@_of(ROOT)
async def unbind_self(actor: Actor) -> Any:
    return (await actor.kernel.tcb_unbind_notification(actor.world.task.tcb)).name


@_of(ROOT)
async def register_buffer(actor: Actor) -> Any:
    return (await actor.kernel.uintr_register_async_syscall(Cap.BY_BUFFER, Cap.BUFFER))[0].name


@_of(ROOT)
async def delete_by_buffer(actor: Actor) -> Any:
    """The badged capability by which the kernel answers root: its handler ends."""
    return (await actor.kernel.cnode_delete(actor.world.task.cnode, Cap.BY_BUFFER)).name


@_of(ROOT)
async def call_by_buffer(actor: Actor) -> Any:
    """A request, and the trap that has it served."""
    buffer = SyscallBuffer(BUFFER_ADDRESS, 2)
    await buffer.requests.put(Item(1, AsyncLabel.PUT_CHAR, words=(33,)))
    return (await actor.kernel.wake_syscall_handler()).name


# --- messages and signals -------------------------------------------------------------------------


@_of(ROOT, VICTIM)
async def send_message(actor: Actor) -> Any:
    await actor.kernel.send(Cap.ENDPOINT, (actor.role + 1, 2, 3, 4, 5))


@_of(ROOT)
async def send_if_awaited(actor: Actor) -> Any:
    await actor.kernel.nb_send(Cap.ENDPOINT, (77,))


@_of(ROOT, VICTIM)
async def receive_message(actor: Actor) -> Any:
    message = await actor.kernel.recv(Cap.ENDPOINT)
    if not message.badge:
        return (message.words[0], message.info.length)
    # A signal: its badge, or if it came as this thread was about to block, all that was pending,
    # which the interrupt handler takes too.
    _take(actor, message.badge)
    return "signal"


@_of(ROOT, VICTIM)
async def receive_if_sent(actor: Actor) -> Any:
    message = await actor.kernel.nb_recv(Cap.ENDPOINT)
    return (message.badge, message.words[0], message.info.length)


@_of(VICTIM)
async def call(actor: Actor) -> Any:
    message = await actor.kernel.call(Cap.ENDPOINT, (11, 12))
    return (message.words[0], message.info.length)


@_of(ROOT)
async def answer(actor: Actor) -> Any:
    message = await actor.kernel.recv(Cap.ENDPOINT)
    await actor.kernel.reply((99,))
    return (message.words[0], message.info.length)


@_of(ROOT)
async def delete_endpoint(actor: Actor) -> Any:
    return (await actor.kernel.cnode_delete(actor.world.task.cnode, Cap.ENDPOINT)).name


@_of(VICTIM)
async def poll_plain(actor: Actor) -> Any:
    return await actor.kernel.poll(Cap.PLAIN)


@_of(VICTIM)
async def wait_plain(actor: Actor) -> Any:
    return await actor.kernel.wait(Cap.PLAIN)


@_of(VICTIM)
async def wait_own(actor: Actor) -> Any:
    """The badge is that of a signal, or the pending word, which the interrupt handler takes too."""
    _take(actor, await actor.kernel.wait(Cap.VICTIM_NOTIFICATION))


def _take(actor: Actor, badge: int) -> None:
    actor.taken |= 1 << SIGNAL_VECTOR if badge == SIGNAL_VECTOR else badge


# --- the rest -------------------------------------------------------------------------------------


@_of(ROOT, VICTIM, THIRD)
async def yield_(actor: Actor) -> Any:
    await actor.kernel.yield_()


@_of(ROOT, VICTIM)
async def mint(actor: Actor) -> Any:
    cnode, place = actor.world.task.cnode, Cap.FREE + actor.role
    return (await actor.kernel.cnode_mint(cnode, place, Cap.PLAIN, ANY, 0x22)).name


@_of(VICTIM)
async def fault(actor: Actor) -> Any:
    return await Load(NOWHERE)


@_of(VICTIM)
async def suspend_self(actor: Actor) -> Any:
    return (await actor.kernel.tcb_suspend(Cap.VICTIM_TCB)).name


@_of(VICTIM)
async def move_self(actor: Actor) -> Any:
    return (await actor.kernel.tcb_set_affinity(Cap.VICTIM_TCB, 0)).name


def suits(name: str, flavour: Flavour) -> bool:
    """True if the hardware has what the operation needs."""
    return name not in (INTEL_ONLY if flavour is Flavour.RISCV else RISCV_ONLY)
