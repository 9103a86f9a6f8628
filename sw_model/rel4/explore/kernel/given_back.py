"""``rel4 explore --kernel --pairs``: whatever is registered and deregistered leaves nothing behind.

One kernel with every policy lives through all pairs. A pair takes a resource and gives it back, by
system calls; the kinds take turns. Afterwards the kernel knows exactly what it knew before (a
snapshot), and there are as many objects of every class as before, so that also what no book lists
is noticed.
"""

import gc
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import perf_counter

from rel4.abi.numbers import CapSlot, ObjectType, SeL4Error
from rel4.abi.syscall_buffer import SyscallBuffer
from rel4.kernel import policies
from rel4.kernel.boot import boot_initial_thread
from rel4.kernel.invariants import violations
from rel4.kernel.kernel import Kernel
from rel4.kernel.snapshot import snapshot
from rel4.machine.device import DeviceConfig, run_sync
from rel4.machine.machine import Machine
from rel4.machine.ops import Compute
from rel4.reference.device import reference_device
from rel4.user.root_task import RootTask
from rel4.user.syscalls import SystemCalls
from uintr.registers import Flavour

from .hardware import free_violations

__all__ = ["RESOURCES", "GivenBack", "explore_pairs", "run_pairs"]

FOUND = 1
HARTS, RECEIVERS, TABLES, TICK = 2, 6, 6, 20_000
POLICIES = (
    policies.Inline,
    policies.Uipi,
    policies.Tick,
    policies.Poll,
    policies.TickSmp,
    policies.Spread,
    policies.Ipi,
    policies.Adaptive,
)
BUFFER_ADDRESS, PAGE_ADDRESS, IPC_ADDRESS = 0x10_0000_0000, 0x3000_0000, 0x3000_1000
BADGED, MADE, FURTHER = 0x1000, 0x1001, 0x1002
"""CSpace slots of what comes and goes."""
SPARE_BITS, ITEMS = 16, 4
SETTLE = 3_000
"""Cycles after which no hart is on its way into the kernel any more."""
ANY = 0b1111
LOOK_EVERY = 50
"""Rounds of all kinds between two comparisons; each pair of the first two is compared."""


@dataclass
class GivenBack:
    """What came of a run.

    Parameters
    ----------
    pairs : that were made, by kind
    kept : what was not as before, in sentences
    """

    flavour: Flavour
    pairs: Counter[str] = field(default_factory=Counter)
    kept: list[str] = field(default_factory=list)
    seconds: float = 0.0


class _Bench:
    """The initial thread, and what the pairs use that stays.

    ``round`` counts; a kind may do a pair in several ways.
    """

    def __init__(self, task: RootTask) -> None:
        self.task, self.kernel = task, task.kernel
        self.round = 0
        self.handler = task.machine.place(self._take)
        self.program = task.machine.place(self._other)
        self.own_kernel = SystemCalls(IPC_ADDRESS)

    async def prepare(self) -> None:
        """Make what stays; root is a receiver then."""
        task, kernel = self.task, self.kernel
        notifications = await task.allocate(ObjectType.NOTIFICATION, 4)
        self.own, self.others, self.plain, self.done = notifications
        (self.frame,) = await task.allocate(ObjectType.RISCV_MEGA_PAGE)
        (table,) = await task.allocate(ObjectType.RISCV_PAGE_TABLE)
        _check(await kernel.page_table_map(table, task.vspace, BUFFER_ADDRESS))
        await task.map_page_tables(PAGE_ADDRESS, 1)
        _check(await kernel.page_map(self.frame, task.vspace, BUFFER_ADDRESS))
        await SyscallBuffer.create(BUFFER_ADDRESS, ITEMS)
        self.page, self.ipc = await task.allocate(ObjectType.RISCV_4K_PAGE, 2)
        _check(await kernel.page_map(self.ipc, task.vspace, IPC_ADDRESS))
        (self.spare,) = await task.allocate(ObjectType.UNTYPED, size_bits=SPARE_BITS)
        await self.become_receiver()
        await _sender(self)  # its table stays with a thread

    async def become_receiver(self) -> None:
        task = self.task
        _check(await self.kernel.tcb_bind_notification(task.tcb, self.own))
        register = task.interrupts.register
        _check(await register(self.kernel, self.own, task.tcb, self.handler))

    async def mint(self, source: int, badge: int = 3) -> None:
        _check(await self.kernel.cnode_mint(self.task.cnode, BADGED, source, ANY, badge))

    async def make(self, kind: ObjectType, place: int = MADE, size_bits: int = 0) -> None:
        root = self.task.cnode
        _check(await self.kernel.untyped_retype(self.spare, kind, size_bits, root, place))

    async def delete(self, *places: int) -> None:
        for place in places:
            _check(await self.kernel.cnode_delete(self.task.cnode, place))

    async def rest(self) -> None:
        """Let the spare memory be as after any other pair, and every hart leave the kernel."""
        await self.make(ObjectType.ENDPOINT)
        await self.delete(MADE)
        await Compute(SETTLE)

    async def _take(self) -> None:
        await self.task.interrupts.take()
        await self.task.interrupts.leave()

    async def _other(self) -> None:
        """The thread that comes and goes: a receiver, and a sender to root."""
        own, interrupts = self.own_kernel, self.task.interrupts
        _check(await own.tcb_bind_notification(MADE, self.others))
        _check(await interrupts.register(own, self.others, MADE, self.handler))
        _check((await own.uintr_register_sender(BADGED))[0])
        await own.signal(self.done)
        await own.wait(self.plain)


class _RefusedError(Exception):
    """A system call failed that must not."""


def _check(error: SeL4Error) -> None:
    if error is not SeL4Error.NO_ERROR:
        raise _RefusedError(error.name)


Pair = Callable[[_Bench], Awaitable[None]]
RESOURCES: dict[str, Pair] = {}
"""What is taken and given back, by name."""


def _resource(pair: Pair) -> Pair:
    RESOURCES[pair.__name__.strip("_").replace("_", " ")] = pair
    return pair


@_resource
async def _receiver(bench: _Bench) -> None:
    _check(await bench.kernel.tcb_unbind_notification(bench.task.tcb))
    await bench.become_receiver()


@_resource
async def _shared_receiver(bench: _Bench) -> None:
    """A second notification of root's receiver."""
    task = bench.task
    await bench.make(ObjectType.NOTIFICATION)
    _check(await task.interrupts.register(bench.kernel, MADE, task.tcb, bench.handler))
    await bench.delete(MADE)


@_resource
async def _sender(bench: _Bench) -> None:
    await bench.mint(bench.own)
    _check((await bench.kernel.uintr_register_sender(BADGED))[0])
    await bench.delete(BADGED)


async def _register_buffer(bench: _Bench) -> None:
    await bench.mint(bench.own)
    number = bench.round % len(POLICIES)
    register = bench.kernel.uintr_register_async_syscall
    _check((await register(BADGED, bench.frame, number))[0])
    if not await SyscallBuffer(BUFFER_ADDRESS, ITEMS).handler_online.claim():
        raise _RefusedError("its handler is thought to be awake before it was woken")


@_resource
async def _handler(bench: _Bench) -> None:
    """With the kernel's sender entry and, as its policy has it, a kernel's receiver and vector."""
    await _register_buffer(bench)
    await bench.delete(BADGED)


@_resource
async def _handler_that_cannot_answer(bench: _Bench) -> None:
    """The receiver goes by which the handler answers, and the handler with it."""
    await _register_buffer(bench)
    _check(await bench.kernel.tcb_unbind_notification(bench.task.tcb))
    await bench.become_receiver()
    await bench.delete(BADGED)


@_resource
async def _thread(bench: _Bench) -> None:
    """A thread on the other hart, with receiver, table, entry and all that hangs on it."""
    task, kernel = bench.task, bench.kernel
    await bench.mint(bench.own)
    await bench.make(ObjectType.TCB)
    configured = await kernel.tcb_configure(
        MADE, 0, task.cnode, 0, task.vspace, 0, IPC_ADDRESS, bench.ipc
    )
    _check(configured)
    _check(await kernel.tcb_set_sched_params(MADE, task.tcb, 255, 255))
    _check(await kernel.tcb_set_affinity(MADE, 1))
    _check(await kernel.tcb_write_registers(MADE, (bench.program,), resume=True))
    await kernel.wait(bench.done)
    await bench.delete(*((MADE, BADGED) if bench.round % 2 else (BADGED, MADE)))


@_resource
async def _mapping(bench: _Bench) -> None:
    _check(await bench.kernel.page_map(bench.page, bench.task.vspace, PAGE_ADDRESS))
    _check(await bench.kernel.page_unmap(bench.page))


@_resource
async def _page_table(bench: _Bench) -> None:
    await bench.make(ObjectType.RISCV_PAGE_TABLE)
    address = BUFFER_ADDRESS + (1 << 30)
    _check(await bench.kernel.page_table_map(MADE, bench.task.vspace, address))
    await bench.delete(MADE)


@_resource
async def _address_space(bench: _Bench) -> None:
    await bench.make(ObjectType.RISCV_PAGE_TABLE)
    _check(await bench.kernel.asid_pool_assign(CapSlot.INIT_THREAD_ASID_POOL, MADE))
    await bench.delete(MADE)


@_resource
async def _pool_of_address_spaces(bench: _Bench) -> None:
    await bench.make(ObjectType.UNTYPED, size_bits=12)
    make_pool = bench.kernel.asid_control_make_pool
    _check(await make_pool(CapSlot.ASID_CONTROL, MADE, bench.task.cnode, FURTHER))
    await bench.delete(FURTHER, MADE)


@_resource
async def _interrupt(bench: _Bench) -> None:
    get = bench.kernel.irq_control_get
    _check(await get(CapSlot.IRQ_CONTROL, 1 + bench.round % 60, bench.task.cnode, MADE))
    _check(await bench.kernel.irq_handler_set_notification(MADE, bench.plain))
    await bench.delete(MADE)


@_resource
async def _objects(bench: _Bench) -> None:
    """Objects and capabilities to them, which all go at once."""
    await bench.make(ObjectType.ENDPOINT)
    await bench.make(ObjectType.CAP_TABLE, FURTHER, 4)
    _check(await bench.kernel.cnode_copy(bench.task.cnode, BADGED, MADE, ANY))
    _check(await bench.kernel.cnode_revoke(bench.task.cnode, bench.spare))


@_resource
async def _coroutine(bench: _Bench) -> None:
    """Of the user's executor, with a vector."""
    executor = bench.task.executor

    async def nothing() -> None:
        return

    executor.register_vector(executor.spawn(nothing))
    await executor.run_until_complete()


def explore_pairs(
    flavour: Flavour, count: int, resources: dict[str, Pair] | None = None
) -> GivenBack:
    """Make ``count`` pairs of the ``resources`` in turn; stops at the first that keeps something
    or is refused."""
    begin = perf_counter()
    found = GivenBack(flavour)
    kinds = list((resources or RESOURCES).items())
    machine = Machine(
        reference_device(
            DeviceConfig(harts=HARTS, receivers=RECEIVERS, table_pages=TABLES, flavour=flavour)
        )
    )
    kernel = Kernel(
        machine,
        policies=[policy() for policy in POLICIES],
        timer_period=TICK,
        timer_phase=[TICK] * HARTS,
    )
    bench = _Bench(RootTask(machine))

    async def pair(number: int) -> bool:
        name, make = kinds[number % len(kinds)]
        bench.round = number // len(kinds)
        try:
            await make(bench)
        except (_RefusedError, ValueError) as error:  # by the kernel, by the user's executor
            found.kept.append(f"pair {found.pairs[name] + 1} of {name} is refused: {error}")
            return False
        found.pairs[name] += 1
        return True

    async def look(before: dict[str, object], name: str) -> None:
        await bench.rest()
        after = snapshot(kernel)
        changed = [part for part in before if before[part] != after[part]]
        if changed:
            found.kept.append(f"{name}: the kernel's {', '.join(changed)} are not as before")
        found.kept.extend(f"{name}: {sentence}" for sentence in free_violations(kernel))

    async def root() -> None:
        await bench.prepare()
        for number in range(len(kinds)):  # what is made once and for all is made now
            if not await pair(number):
                return
        found.pairs.clear()
        await bench.rest()
        before, objects = snapshot(kernel), _objects_by_class(machine)
        for number in range(count):
            if not await pair(number):
                return
            each, last = divmod(number, len(kinds))
            if each < 2 or (last == len(kinds) - 1 and each % LOOK_EVERY == 0):
                machine.log.events.clear()
                await look(before, f"a pair of {kinds[last][0]}" if each < 2 else f"round {each}")
            if found.kept:
                return
        await look(before, "the end")
        for name, more in (_objects_by_class(machine) - objects).items():
            found.kept.append(f"there are {more} more objects of class {name} than before")

    boot_initial_thread(kernel, root)
    machine.boot(kernel)
    try:
        run_sync(machine.run())
    except _RefusedError as error:  # of the thread that comes and goes
        found.kept.append(f"a call of the other thread is refused: {error}")
    if not found.kept:
        found.kept.extend(violations(kernel))
    found.seconds = perf_counter() - begin
    return found


def _objects_by_class(machine: Machine) -> Counter[str]:
    """How many objects of each class of the kernel's and the user's there are. Those of the machine
    say what the harts are doing just then, and its events tell the past. A class of another
    library, compiled, may have a descriptor where others have their module's name."""
    machine.log.events.clear()
    gc.collect()
    return Counter(
        type(one).__qualname__
        for one in gc.get_objects()
        if str(type(one).__module__).startswith(("rel4.kernel.", "rel4.user."))
    )


def run_pairs(flavours: list[Flavour], count: int) -> int:
    """Make ``count`` pairs, shared among the flavours; returns the exit status."""
    status = 0
    for number, flavour in enumerate(flavours):
        share = count // len(flavours) + (number < count % len(flavours))
        print(f"rel4: {share} pairs, {flavour}", file=sys.stderr, flush=True)
        found = explore_pairs(flavour, share)
        for sentence in found.kept:
            print(f"  {sentence}")
        verdict = "something is kept" if found.kept else "everything is free again"
        print(
            f"{flavour}: {verdict} after {found.pairs.total()} pairs of {len(found.pairs)} kinds "
            f"({found.seconds:.0f} s)",
            flush=True,
        )
        status = FOUND if found.kept else status
    return status
