"""Fixtures: a machine with a kernel on the reference device and a program as initial thread."""

import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rel4.bench.policies import find_policy
from rel4.kernel.boot import boot_initial_thread
from rel4.kernel.kernel import Kernel
from rel4.machine.device import DeviceConfig, run_sync
from rel4.machine.machine import Machine
from rel4.reference.device import reference_device
from rel4.user.root_task import RootTask
from uintr.registers import ALL_FEATURES, Feature, Flavour

# What a shell starts in the background ignores Ctrl-C, and so would whatever the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_HERE = Path(__file__).resolve().parent
# What tests share, the contract of every device, and what makes pages, which is tested too.
sys.path += [str(_HERE), *(str(_HERE.parents[1] / folder) for folder in ("cocotb_tests", "docs"))]


@dataclass
class Run:
    """What is left of a run."""

    machine: Machine
    kernel: Kernel
    task: RootTask

    def events(self, kind: type) -> list[Any]:
        """Events of one type, in order."""
        return [event for event in self.machine.log if isinstance(event, kind)]


@pytest.fixture
def run_program() -> Callable[..., Run]:
    """``run_program(body, harts=1, policy="tick", prepare=None)``: run ``await body(task)`` as the
    initial thread. ``prepare(kernel)`` may add threads before boot."""

    def run(
        body: Callable[[RootTask], Awaitable[None]],
        *,
        harts: int = 1,
        policy: str = "tick",
        timer_period: int = 20_000,
        receivers: int = 64,
        features: Feature = ALL_FEATURES,
        flavour: Flavour = Flavour.RISCV,
        prepare: Callable[[Kernel], None] | None = None,
    ) -> Run:
        config = DeviceConfig(harts=harts, receivers=receivers, features=features, flavour=flavour)
        machine = Machine(reference_device(config))
        kernel = Kernel(
            machine,
            policies=[find_policy(policy).kernel()],
            timer_period=timer_period,
            timer_phase=[timer_period] * harts,
        )
        task = RootTask(machine)

        async def program() -> None:
            await body(task)

        boot_initial_thread(kernel, program)
        if prepare is not None:
            prepare(kernel)
        machine.boot(kernel)
        run_sync(machine.run())
        return Run(machine, kernel, task)

    return run
