"""What the gateware's unit tests share: a simulator with an end, a hart's verbs, surroundings."""

import functools
import gc
import inspect
import warnings
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from amaranth.hdl import ClockDomain, Module, UnusedElaboratable
from amaranth.sim import Simulator

from uintr.interfaces import OperationFunction
from uintr.registers import (
    CsrFunction,
    Privilege,
    RequestKind,
    Status,
    UipiFunction,
)

__all__ = [
    "ONES",
    "End",
    "Hart",
    "Posted",
    "Result",
    "Surroundings",
    "drive",
    "present",
    "pulse",
    "refused",
    "run_by",
    "simulate",
    "simulated",
    "transfer",
    "unused_components",
    "withdraw",
]

ONES = 2**64 - 1

Testbench = Callable[[Any], Awaitable[None]]
Job = Callable[..., Awaitable[None]]


def simulate(
    dut: Any,
    *testbenches: Testbench,
    limit: int = 20_000,
    domain: ClockDomain | None = None,
    background: Iterable[Testbench] = (),
) -> None:
    """Run until all testbenches have returned; fail if that takes more than ``limit`` cycles.

    ``domain`` is that of the clock, so that its reset may be driven. In the background are
    testbenches that never return. They come first: what they set is there when others look.
    """
    m = Module()
    m.domains.sync = domain or ClockDomain()
    m.submodules.dut = dut
    simulator = Simulator(m)
    simulator.add_clock(1e-8)
    for testbench in background:
        simulator.add_testbench(testbench, background=True)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    for _ in range(2 * limit):  # one step a clock edge
        if not simulator.advance():
            return
    raise AssertionError(f"not done after {limit} cycles")


GIVEN = ("ctx", "dut", "bench", "hart", "bus", "around", "reset")
"""What a bench may hand a test: the simulation, the block, what wraps or surrounds them, and the
signal of the reset."""


def run_by(
    run: Callable[..., None], *names: str, **options: Any
) -> Callable[[Job], Callable[..., None]]:
    """The decorator of a test that is a job: ``run(job, **options)`` hands it what it names.

    Its other arguments are pytest's; those called ``names`` are options of ``run`` too.
    """

    def decorate(job: Job) -> Callable[..., None]:
        parameters = inspect.signature(job).parameters.values()

        @functools.wraps(job)
        def test(**arguments: Any) -> None:
            async def named(**given: Any) -> None:
                chosen = {each.name: given[each.name] for each in parameters if each.name in given}
                await job(**chosen, **arguments)

            run(named, **options, **{name: arguments[name] for name in names})

        own = [each for each in parameters if each.name not in GIVEN]
        wrapped: Any = test
        wrapped.__signature__ = inspect.Signature(own)  # what pytest looks at
        return test

    return decorate


def simulated(
    make: Callable[..., Any],
    *names: str,
    bench: Callable[[Any, Any], Any] | None = None,
    limit: int = 20_000,
    **parameters: Any,
) -> Callable[[Job], Callable[..., None]]:
    """The decorator of a test of ``dut = make(**parameters)``, and of ``bench(ctx, dut)`` on it.

    The test's arguments called ``names`` are parameters too, and win over those given.
    """

    def run(job: Job, **more: Any) -> None:
        dut = make(**parameters | more)
        domain = ClockDomain("sync")

        async def testbench(ctx: Any) -> None:
            wrapped = {} if bench is None else {"bench": bench(ctx, dut)}
            await job(ctx=ctx, dut=dut, reset=domain.rst, **wrapped)

        simulate(dut, testbench, limit=limit, domain=domain)

    return run_by(run, *names)


@contextmanager
def unused_components() -> Iterator[None]:
    """Within, components may be left unused.

    Amaranth reminds of every component that nobody used, one that refused to be made too.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedElaboratable)
        yield
        gc.collect()  # the reminder comes when the component is gone


def refused(make: Callable[..., Any], **parameters: Any) -> str:
    """The sentence with which the constructor ``make`` refuses ``parameters``."""
    with unused_components():
        with pytest.raises(ValueError) as caught:
            make(**parameters)
        sentence = str(caught.value)
        del caught
    return sentence


class Result(NamedTuple):
    """How a request ended, and how many cycles after acceptance the response was there."""

    data: int
    status: Status
    cycles: int


class Hart:
    """A hart at its port: one verb for each thing it can ask for."""

    def __init__(self, ctx: Any, port: Any, each_cycle: Callable[[], None] | None = None) -> None:
        self._ctx = ctx
        self._port = port
        self._each_cycle = each_cycle or (lambda: None)
        self.privilege(Privilege.S)

    def privilege(self, level: int) -> None:
        """Present a privilege level from now on."""
        self._ctx.set(self._port.privilege, level)

    @property
    def interrupt(self) -> int:
        """The user interrupt as it is now."""
        return int(self._ctx.get(self._port.interrupt))

    async def tick(self, cycles: int = 1) -> None:
        """Let time pass."""
        for _ in range(cycles):
            self._each_cycle()
            await self._ctx.tick()

    async def ask(
        self, kind: int, function: int = 0, address: int = 0, data: int = 0, *, limit: int = 500
    ) -> Result:
        """Make a request and wait for the response; returns in the cycle of the response."""
        request, response = self._port.request, self._port.response
        self._ctx.set(request.valid, 1)
        drive(self._ctx, request.payload, kind=kind, function=function, address=address, data=data)
        assert self._ctx.get(request.ready) == 1
        for cycles in range(1, limit):
            await self.tick()
            self._ctx.set(request.valid, 0)
            if self._ctx.get(response.valid):
                assert self._ctx.get(request.ready) == 1
                answer = response.payload
                return Result(
                    self._ctx.get(answer.data), Status(self._ctx.get(answer.status)), cycles
                )
            assert self._ctx.get(request.ready) == 0
        raise AssertionError(f"no response in {limit} cycles")

    async def csr(self, function: int, number: int, data: int = 0) -> Result:
        """A CSR request."""
        return await self.ask(RequestKind.CSR, function, number, data)

    async def csr_read(self, number: int) -> int:
        """Read a CSR that can be read."""
        result = await self.csr(CsrFunction.READ, number)
        assert result.status == Status.OK
        return result.data

    async def csr_write(self, number: int, value: int) -> None:
        """Write a CSR that can be written."""
        assert (await self.csr(CsrFunction.WRITE, number, value)).status == Status.OK

    async def uipi(self, function: int, operand: int = 0) -> Result:
        """A UIPI instruction."""
        return await self.ask(RequestKind.UIPI, function, 0, operand)

    async def send(self, index: int) -> Result:
        """UIPI SEND."""
        return await self.uipi(UipiFunction.SEND, index)

    async def trap(self, pc: int = 0) -> Result:
        """Take the user interrupt."""
        return await self.ask(RequestKind.TRAP, data=pc)

    async def uret(self) -> Result:
        """Return from it."""
        return await self.ask(RequestKind.URET)

    async def load(self, address: int) -> Result:
        """Supervisor load."""
        return await self.ask(RequestKind.LOAD, address=address)

    async def store(self, address: int, value: int) -> Result:
        """Supervisor store."""
        return await self.ask(RequestKind.STORE, address=address, data=value)


def drive(ctx: Any, of: Any, **values: Any) -> None:
    """Set members of a record or component, by their names."""
    for name, value in values.items():
        ctx.set(getattr(of, name), value)


async def pulse(ctx: Any, signal: Any) -> None:
    """Set it for one cycle."""
    ctx.set(signal, 1)
    await ctx.tick()
    ctx.set(signal, 0)


def present(ctx: Any, bus: Any, word: int, data: int | None = None, sel: int = 0xFF) -> None:
    """A read of the bus at a word's address from now on, or a write."""
    drive(ctx, bus, cyc=1, stb=1, we=data is not None, adr=word, sel=sel, dat_w=data or 0)


def withdraw(ctx: Any, bus: Any) -> None:
    """No transfer from now on."""
    drive(ctx, bus, cyc=0, stb=0)


class End(NamedTuple):
    """How a transfer ended, and how many cycles after `stb`."""

    error: bool
    data: int
    cycles: int


async def transfer(
    ctx: Any,
    bus: Any,
    address: int,
    data: int | None = None,
    sel: int = 0xFF,
    each_cycle: Callable[[], None] = lambda: None,
) -> End:
    """At the address of a byte, to its end."""
    present(ctx, bus, address // 8, data, sel)
    for cycles in range(200):
        each_cycle()
        if ctx.get(bus.ack) or ctx.get(bus.err):
            assert ctx.get(bus.ack) != ctx.get(bus.err)
            end = End(bool(ctx.get(bus.err)), int(ctx.get(bus.dat_r)), cycles)
            await ctx.tick()
            withdraw(ctx, bus)
            return end
        await ctx.tick()
    raise AssertionError("the transfer does not end")


class Posted(NamedTuple):
    """An operation that was accepted."""

    function: OperationFunction
    receiver: int
    data: int


class Surroundings:
    """Bus and controller as seen by one hart unit or sender, with delays at will.

    `step` is called once in every cycle, after the inputs of that cycle were set.
    """

    def __init__(self, ctx: Any, bus: Any, port: Any) -> None:
        self._ctx = ctx
        self._bus = bus
        self._port = port
        self.memory: dict[int, int] = {}  # by word address
        self.error = False  # the bus answers with an error
        self.bus_delay = 1  # cycles from stb to the end of a transfer
        self.accept_delay = 0  # cycles from valid to acceptance of an operation
        self.answer = 0  # what the controller answers
        self.transfers: list[tuple[int, int | None]] = []  # (word address, data if written)
        self.posted: list[Posted] = []
        self._bus_waited = 0
        self._accept_waited = 0
        self._due: list[int | None] = [None, None, None]

    def step(self) -> None:
        """Answer what is asked in this cycle."""
        self._step_bus()
        self._step_port()

    def _step_bus(self) -> None:
        ctx, bus = self._ctx, self._bus
        drive(ctx, bus, ack=0, err=0, dat_r=0xBAD0_BAD0_BAD0_BAD0)
        assert ctx.get(bus.cyc) == ctx.get(bus.stb)
        if not ctx.get(bus.stb):
            self._bus_waited = 0
            return
        if self._bus_waited < self.bus_delay:
            self._bus_waited += 1
            return
        self._bus_waited = 0
        assert ctx.get(bus.sel) == 0xFF
        address = ctx.get(bus.adr)
        if ctx.get(bus.we):
            self.transfers.append((address, ctx.get(bus.dat_w)))
        else:
            self.transfers.append((address, None))
        if self.error:
            ctx.set(bus.err, 1)
        else:
            if ctx.get(bus.we):
                self.memory[address] = ctx.get(bus.dat_w)
            else:
                ctx.set(bus.dat_r, self.memory.get(address, 0))
            ctx.set(bus.ack, 1)

    def _step_port(self) -> None:
        ctx, operation, response = self._ctx, self._port.operation, self._port.response
        due = self._due.pop(0)
        ctx.set(response.valid, due is not None)
        ctx.set(response.payload, 0xBAD1_BAD1_BAD1_BAD1 if due is None else due)
        ready = ctx.get(operation.valid) and self._accept_waited >= self.accept_delay
        ctx.set(operation.ready, ready)
        if ready:
            self._accept_waited = 0
            payload = operation.payload
            self.posted.append(
                Posted(
                    OperationFunction(ctx.get(payload.function)),
                    ctx.get(payload.receiver),
                    ctx.get(payload.data),
                )
            )
        elif ctx.get(operation.valid):
            self._accept_waited += 1
        self._due.append(self.answer if ready else None)
