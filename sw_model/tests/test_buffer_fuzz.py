"""A user who writes garbage into its syscall buffer at random moments harms itself alone.

Under every policy one thread, on a hart of its own, overwrites random words of its buffer (indices,
flags, the closed word, labels, lengths, cids, pointers) and wakes the kernel in between, while the
kernel's handler is at work. Another thread makes honest calls through a buffer of its own.
"""

import random
from collections import Counter
from functools import partial
from typing import Any

import pytest

from rel4.abi.numbers import AsyncLabel, ObjectType, SeL4Error
from rel4.abi.syscall_buffer import OnlineFlag, Ring, SyscallBuffer
from rel4.bench.policies import POLICIES
from rel4.kernel.async_runtime import LOOKS, AsyncRuntime, HandlerTask
from rel4.kernel.boot import boot_initial_thread
from rel4.kernel.invariants import violations
from rel4.kernel.kernel import Kernel
from rel4.machine.device import DeviceConfig, run_sync
from rel4.machine.events import AsyncHandled, Fault, TaskRun
from rel4.machine.machine import Machine
from rel4.machine.ops import Compute, Load, Store, Uipi
from rel4.reference.device import ReferenceDevice
from rel4.user.root_task import BUFFER_ADDRESS, RootTask
from uintr.registers import UipiFunction

CAPACITY, WRITES, CALLERS, ROUNDS, SEEDS = 8, 250, 4, 6, 3
FIELDS = {name: address for address, name in SyscallBuffer.fields(BUFFER_ADDRESS, CAPACITY).items()}
SLOTS = [address for name, address in FIELDS.items() if "[" in name]
FIRST_WORDS = [address for name, address in FIELDS.items() if name.endswith(".word0")]
INDICES = [address for name, address in FIELDS.items() if name.endswith(("head", "tail"))]
REST = sorted(set(FIELDS.values()) - set(SLOTS) - set(INDICES))
TAIL, HEAD = FIELDS["requests.tail"], FIELDS["requests.head"]


def word(chance: random.Random) -> int:
    """Small, large, or an item's first word with a random label and length."""
    kind = chance.randrange(4)
    if kind == 0:
        return chance.randrange(32)
    if kind == 1:
        return chance.getrandbits(64)
    label: int = chance.choice((*AsyncLabel, chance.getrandbits(8)))
    length = chance.choice((0, 1, 2, 5, 7, 8, 15, 16, 255))
    return chance.getrandbits(16) << 48 | length << 40 | int(label) << 32 | chance.getrandbits(32)


async def vandal(task: RootTask, policy: str, chance: random.Random) -> None:
    """Garbage in the buffer, at random moments; most of it leaves the indices believable, so that
    the handler lives to see it."""
    calls = await task.start_async_syscalls(CAPACITY, POLICIES[policy].style)
    for _ in range(WRITES):
        kind = chance.randrange(100)
        if kind < 45:
            await Store(chance.choice(SLOTS), word(chance))
        elif kind < 60:
            await Store(chance.choice(FIRST_WORDS), word(chance))
        elif kind < 85:
            # Publish what is there, as far as the kernel can believe it, and take every reply.
            await Store(FIELDS["replies.head"], await Load(FIELDS["replies.tail"]))
            await Store(TAIL, await Load(HEAD) + chance.randrange(1, CAPACITY + 1))
        elif kind < 98:
            await Store(chance.choice(REST), chance.choice((0, 0, 1, chance.getrandbits(64))))
        else:
            await Store(chance.choice(INDICES), chance.choice((0, 1, 9, chance.getrandbits(64))))
        if chance.randrange(3) == 0:
            if calls.sender is None:
                await task.kernel.wake_syscall_handler()
            else:
                await Uipi(UipiFunction.SEND, calls.sender)
        await Compute(chance.choice((0, 0, 3, 40, 700, 3_000)))


async def oversteps(task: RootTask, policy: str, chance: random.Random) -> None:
    """More than the ring can hold."""
    await task.start_async_syscalls(CAPACITY, POLICIES[policy].style)
    await Store(TAIL, await Load(HEAD) + CAPACITY + 1)
    await task.kernel.wake_syscall_handler()


async def honest(task: RootTask, policy: str, errors: list[SeL4Error]) -> None:
    """Calls that must all succeed."""
    (frame, *others) = await task.allocate(ObjectType.RISCV_4K_PAGE, CALLERS)
    await task.map_page_tables(0x200_0000, 4096 * CALLERS)
    calls = await task.start_async_syscalls(16, POLICIES[policy].style)

    async def caller(number: int, frame: int) -> None:
        for _ in range(ROUNDS):
            address = 0x200_0000 + 4096 * number
            errors.append(await calls.page_map(frame, task.vspace, address))
            errors.append(await calls.page_unmap(frame))

    for number, page in enumerate((frame, *others)):
        task.executor.spawn(partial(caller, number, page), priority=2)
    await task.executor.run_until_complete()


class Watch:
    """Loads of the vandal's requests by the kernel, counted between two that it takes."""

    def __init__(self, machine: Machine, kernel: Kernel) -> None:
        self.loads: Counter[tuple[int, int]] = Counter()
        self.twice: list[str] = []
        self._names: dict[int, str] = {}
        self._kernel = kernel
        plain_load, plain_store = machine.memory.load, machine.memory.store

        def load(address: int) -> int:
            name = self._name(address)
            if name is not None and name.startswith("requests["):
                # A second handler (`spread`) is on a hart of its own.
                self.loads[kernel.state.harts.here, address] += 1
                if self.loads[kernel.state.harts.here, address] > 1:
                    self.twice.append(name)
            return plain_load(address)

        def store(address: int, value: int) -> None:
            if self._name(address) == "requests.head":
                self.loads.clear()
            plain_store(address, value)

        machine.memory.load = load  # type: ignore[method-assign]
        machine.memory.store = store  # type: ignore[method-assign]

    def _name(self, address: int) -> str | None:
        if not self._names:
            for task in self._kernel.state.runtime.tasks:
                if task.tcb.name == "root":
                    base = task.buffer.requests.tail - 0x100
                    self._names = SyscallBuffer.fields(base, CAPACITY)
        return self._names.get(address)


def made(policy: str, phase: list[int]) -> tuple[Machine, Kernel]:
    """With a hart for each phase of the timer."""
    machine = Machine(ReferenceDevice(DeviceConfig(harts=len(phase))))
    policies = [POLICIES[policy].kernel()]
    return machine, Kernel(machine, policies=policies, timer_period=9_000, timer_phase=phase)


def run(
    policy: str, seed: int, vandal: Any = vandal
) -> tuple[Machine, Kernel, list[SeL4Error], Watch]:
    machine, kernel = made(policy, [1_000 + 2_000 * hart for hart in range(4)])
    errors: list[SeL4Error] = []
    bad, good = RootTask(machine), RootTask(machine, name="root1")
    chance = random.Random(f"vandal/{seed}")
    boot_initial_thread(kernel, partial(vandal, bad, policy, chance), hart=0)
    boot_initial_thread(kernel, partial(honest, good, policy, errors), hart=1)
    watch = Watch(machine, kernel)
    machine.boot(kernel)
    run_sync(machine.run())
    return machine, kernel, errors, watch


@pytest.mark.parametrize("policy", [name for name, info in POLICIES.items() if info.asynchronous])
def test_garbage_harms_its_writer_alone(policy: str) -> None:
    served: Counter[Any] = Counter()
    for seed in range(SEEDS):
        machine, kernel, errors, watch = run(policy, seed)
        assert errors == [SeL4Error.NO_ERROR] * (2 * CALLERS * ROUNDS)
        assert violations(kernel) == []
        assert watch.twice == []
        for event in machine.log:
            if isinstance(event, AsyncHandled) and event.thread == "root":
                served[event.label, event.error] += 1
            elif isinstance(event, Fault):
                assert event.thread == "root"
                served["fault"] += 1
    # Not for want of trying: requests were served, refused, and the buffer given up.
    assert served.pop("fault") >= 1
    assert served.total() > 10
    assert len({error for _, error in served}) >= 2


@pytest.mark.parametrize("policy", ["tick-smp", "uipi", "poll"])
def test_an_activation_is_bounded_whatever_the_user_writes(policy: str) -> None:
    """A thread on another hart keeps the request tail ahead of the handler for as long as honest
    calls are made; the handler lets go, and whoever waits for the kernel gets it."""
    machine, kernel = made(policy, [9_000] * 3)
    errors: list[SeL4Error] = []
    honest_calls_are_over: list[bool] = []

    async def flood(task: RootTask) -> None:
        calls = await task.start_async_syscalls(CAPACITY, POLICIES[policy].style)
        while not honest_calls_are_over:
            await Store(FIELDS["replies.head"], await Load(FIELDS["replies.tail"]))
            await Store(TAIL, await Load(HEAD) + 1)
            if calls.sender is not None:
                await Uipi(UipiFunction.SEND, calls.sender)
            else:
                await task.kernel.wake_syscall_handler()

    async def other(task: RootTask) -> None:
        await honest(task, policy, errors)
        honest_calls_are_over.append(True)

    boot_initial_thread(kernel, partial(flood, RootTask(machine)), hart=0)
    boot_initial_thread(kernel, partial(other, RootTask(machine, name="root1")), hart=1)
    machine.boot(kernel)
    run_sync(machine.run())
    assert errors == [SeL4Error.NO_ERROR] * (2 * CALLERS * ROUNDS)
    flooder = next(task for task in kernel.state.runtime.tasks if task.tcb.name == "root")
    batches = [0]
    for event in machine.log:
        if isinstance(event, TaskRun) and event.where == "kernel" and event.cid == flooder.cid:
            batches.append(0)
        elif isinstance(event, AsyncHandled) and event.thread == "root":
            batches[-1] += 1
    assert sum(batches) > 10
    assert max(batches) <= LOOKS * CAPACITY


@pytest.mark.parametrize("policy", ["tick-smp", "uipi", "poll"])
def test_an_index_that_cannot_be_gives_the_buffer_up(policy: str) -> None:
    machine, _, errors, _ = run(policy, 0, oversteps)
    (fault,) = (event for event in machine.log if isinstance(event, Fault))
    assert fault.reason == "syscall buffer: ring indices are 9 apart, capacity is 8"
    assert errors == [SeL4Error.NO_ERROR] * (2 * CALLERS * ROUNDS)


@pytest.mark.parametrize("policy", ["tick-smp", "uipi", "poll"])
def test_an_activation_is_bounded_however_often_there_is_more(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if a request came each time between the last look and the retirement of the flag."""
    looks: list[int] = []
    handlers: list[Ring] = []
    activate, retire = AsyncRuntime._activation, OnlineFlag.retire

    async def activation(runtime: AsyncRuntime, task: HandlerTask) -> None:
        looks.append(0)
        handlers.append(task.buffer.requests)
        await activate(runtime, task)

    async def refuse(flag: OnlineFlag, ring: Ring) -> bool:
        if ring not in handlers or len(looks) > 3:
            return await retire(flag, ring)
        looks[-1] += 1
        assert looks[-1] <= LOOKS
        return False

    monkeypatch.setattr(AsyncRuntime, "_activation", activation)
    monkeypatch.setattr(OnlineFlag, "retire", refuse)
    machine, kernel = made(policy, [9_000] * 2)
    errors: list[SeL4Error] = []
    boot_initial_thread(kernel, partial(honest, RootTask(machine), policy, errors), hart=0)
    machine.boot(kernel)
    run_sync(machine.run())
    assert errors == [SeL4Error.NO_ERROR] * (2 * CALLERS * ROUNDS)
    assert max(looks) > LOOKS // 2
