"""A test that is a program: of the initial thread, or of another that some function runs."""

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from rel4.bench.policies import find_policy
from rel4.kernel.boot import boot_initial_thread
from rel4.kernel.invariants import violations
from rel4.kernel.kernel import Kernel
from rel4.machine import sv39
from rel4.machine.device import DeviceConfig, run_sync
from rel4.machine.machine import Machine
from rel4.reference.device import reference_device
from rel4.user.root_task import RootTask
from uintr.registers import ALL_FEATURES, Feature, Flavour

__all__ = ["Program", "Run", "initial_thread", "performed", "program_of", "run_program"]

Program = AsyncGenerator[None, Any]


@dataclass
class Run:
    """What is left of a run."""

    machine: Machine
    kernel: Kernel
    task: RootTask

    def events(self, kind: type) -> list[Any]:
        """Events of one type, in order."""
        return [event for event in self.machine.log if isinstance(event, kind)]

    def leaf(self, virtual: int) -> sv39.Leaf | None:
        """What a table walk of the initial thread's address space finds."""
        vspace: Any = self.kernel.state.initial[0].vspace
        return sv39.walk(self.machine.memory.load, vspace.table.address, virtual)


def run_program(
    body: Callable[[RootTask], Awaitable[None]],
    *,
    harts: int = 1,
    policy: str = "tick",
    timer_period: int = 20_000,
    receivers: int = 64,
    features: Feature = ALL_FEATURES,
    flavour: Flavour = Flavour.RISCV,
    prepare: Callable[[Kernel], None] | None = None,
    orderly: bool = True,
) -> Run:
    """Run ``await body(task)`` as the initial thread, with a kernel on the reference device.

    ``prepare(kernel)`` may add threads before boot. When the machine has stopped, the kernel's
    invariants hold; they need not where its end is not ``orderly``, in the midst of a system call.
    """
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
    assert violations(kernel) == [] or not orderly
    return Run(machine, kernel, task)


def performed(coroutine: Any, perform: Callable[[Any], Any]) -> Any:
    """Run a coroutine without a machine: ``perform`` answers each of its operations."""
    value: Any = None
    while True:
        try:
            op = coroutine.send(value)
        except StopIteration as stop:
            return stop.value
        value = perform(op)


def program_of(
    run: Callable[..., Any], *names: str, **options: Any
) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """The decorator of a test that ``run`` runs as a program: to its end, or up to its ``yield``.

    Its ``task`` or ``linux`` comes from ``run``, its other arguments from pytest. ``run = yield``
    returns when the machine has stopped, with what is left of the run; what comes behind judges it.
    ``run`` gets the options, and the test's arguments called ``names`` as options too.
    """

    def decorate(test: Callable[..., Any]) -> Callable[..., None]:
        @functools.wraps(test)
        def run_test(**arguments: Any) -> None:
            ended: list[Any] = []

            async def body(*given: Any) -> None:
                program = test(*given, **arguments)
                await (anext(program) if inspect.isasyncgen(program) else program)
                ended.append(program)

            left = run(body, **options, **{name: arguments[name] for name in names})
            assert ended, "the program did not come to the end of the test"
            if inspect.isasyncgen(ended[0]):
                with pytest.raises(StopAsyncIteration):
                    ended[0].asend(left).send(None)

        parameters = inspect.signature(test).parameters.values()
        own = [each for each in parameters if each.name not in ("task", "linux")]
        wrapped: Any = run_test
        wrapped.__signature__ = inspect.Signature(own)  # what pytest looks at
        return run_test

    return decorate


initial_thread = functools.partial(program_of, run_program)
"""The decorator of a test that is the program of the initial thread."""
