"""Time stays its owner's: what a client of the kernel's handlers can take of a thread's time.

A victim counts its turns while an attacker keeps the kernel busy on its own behalf, as fast as it
can. The share is the victim's turns in parts of what it makes without the attack.
"""

from typing import Any

import pytest
from root_bench import run_program
from storm_bench import CAPACITY, OURS, Client, turns

from rel4.abi.numbers import AsyncLabel, ObjectType
from rel4.abi.syscall_buffer import Item, SyscallBuffer
from rel4.machine.events import AsyncHandled, Event
from rel4.machine.ops import Compute, ReadTime
from rel4.user.root_task import RootTask
from rel4.user.syscalls import SystemCalls
from rel4.user.threads import ThreadMaker
from uintr.registers import Flavour


@pytest.mark.parametrize(
    ("priority", "least", "flavour"),
    [
        (200, 0.95, Flavour.RISCV),
        (100, 0.45, Flavour.RISCV),
        pytest.param(200, 0.95, Flavour.INTEL, marks=pytest.mark.long),
        pytest.param(100, 0.45, Flavour.INTEL, marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("policy", OURS)
def test_whoever_lives_on_a_helping_hart(
    policy: str, flavour: Flavour, priority: int, least: float
) -> None:
    """The attacker runs on hart 0 and its handler on hart 1, where the victim is, or in its own
    time under `inline`."""
    if policy == "inline":
        places: dict[str, Any] = {"attacker": (0, 100), "victim": (0, priority)}
    else:
        places = {"attacker": (0, 100), "victim": (1, priority)}
    alone = turns(policy, flavour, attack=None, **places)
    for attack in ("attack", "storm"):
        assert turns(policy, flavour, attack=attack, **places) / alone >= least, attack


@pytest.mark.parametrize(
    ("policy", "flavour"),
    [
        ("uipi", Flavour.RISCV),
        ("poll", Flavour.INTEL),
        ("adaptive", Flavour.RISCV),
        *(
            pytest.param(policy, flavour, marks=pytest.mark.long)
            for policy, flavour in (
                ("uipi", Flavour.INTEL),
                ("poll", Flavour.RISCV),
                ("adaptive", Flavour.INTEL),
            )
        ),
    ],
)
def test_clients_of_one_helper_have_their_turns(policy: str, flavour: Flavour) -> None:
    """Two clients on harts 0 and 1 of a helper on hart 2. One keeps its ring full; the other makes
    a call at a time, and waits for few calls of the other at worst."""
    waited: list[int] = []

    async def body(task: RootTask) -> None:
        maker = ThreadMaker(task)
        clients = [await Client.make(task, number) for number in range(2)]
        thread = await maker.make(clients[0].attack, hart=0, priority=100, resume=False)
        clients[0].tcb = thread.tcb

        async def single(own: SystemCalls) -> None:
            client = clients[1]
            await client.register(own)
            buffer = SyscallBuffer(client.base, CAPACITY)
            for _ in range(100):
                begin = await ReadTime()
                await buffer.requests.put(Item(1, AsyncLabel.PUT_CHAR, 0, (65,)))
                await client.wake(own)
                while await buffer.replies.take() is None:
                    await Compute(20)
                waited.append(await ReadTime() - begin)
            task.machine.stop()

        other = await maker.make(single, hart=1, priority=100, resume=False)
        clients[1].tcb = other.tcb
        (endpoint,) = await task.allocate(ObjectType.ENDPOINT)
        for client in clients:
            await task.kernel.tcb_resume(client.tcb)
        await task.kernel.recv(endpoint)

    run = run_program(body, harts=3, policy=policy, flavour=flavour, orderly=False)
    log: list[Event] = list(run.machine.log)
    assert len(waited) == 100
    assert sum(isinstance(event, AsyncHandled) for event in log) > 150  # both were served
    call = run.machine.costs["kernel.async_call"]
    # Its own call and one of each client, and the lock while other harts have their ticks. The
    # first ones meet registrations, which are calls of another kind.
    assert max(waited[10:]) <= 4 * call, sorted(waited)[-5:]
