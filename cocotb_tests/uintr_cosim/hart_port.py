"""A hart port of any top, under cocotb: one who drives it, and one who watches it."""

from typing import Any, NamedTuple

import cocotb
from cocotb.triggers import RisingEdge

from rel4.machine.device import Request, Response
from uintr.registers import CsrFunction, Privilege, RequestKind, Status, UipiFunction

__all__ = ["Exchange", "HartDriver", "HartMonitor", "HartPins", "HartSample", "hart_prefix"]


def hart_prefix(hart: int | None) -> str:
    """What the ports of hart ``hart`` of a system begin with; None: those of a hart unit alone."""
    return "hart__" if hart is None else f"hart__{hart}__"


class HartSample(NamedTuple):
    """A hart port in one cycle."""

    privilege: int
    request: Request | None  #: that is presented
    ready: bool
    response: Response | None  #: that is there
    interrupt: bool
    supervisor_interrupt: bool


class HartPins:
    """The signals of a hart port.

    Parameters
    ----------
    dut : the module that has the port
    hart : number of the port; None if it is the only one and has none
    prefix : what the names begin with, if it is another one than that of generated Verilog
    """

    def __init__(self, dut: Any, hart: int | None = 0, *, prefix: str | None = None) -> None:
        self.prefix = hart_prefix(hart) if prefix is None else prefix

        def pin(name: str) -> Any:
            return getattr(dut, self.prefix + name)

        self.privilege = pin("privilege")
        self.valid, self.ready = pin("request__valid"), pin("request__ready")
        self.kind, self.function, self.address, self.data = (
            pin(f"request__payload__{name}") for name in ("kind", "function", "address", "data")
        )
        self.answered = pin("response__valid")
        self.answer, self.status = pin("response__payload__data"), pin("response__payload__status")
        self.interrupt = pin("interrupt")
        self.supervisor_interrupt = pin("supervisor_interrupt")

    def sample(self) -> HartSample:
        """The port as it is; right behind a clock edge, as it was in the cycle before it."""

        def number(pin: Any) -> int:
            return int(pin.value)

        request = response = None
        if number(self.valid):
            fields = (self.kind, self.function, self.address, self.data)
            kind, function, address, data = map(number, fields)
            known = kind in set(RequestKind)
            # No type fits: a port may carry a kind that does not exist.
            request = Request(RequestKind(kind) if known else kind, function, address, data)  # type: ignore[arg-type]
        if number(self.answered):
            response = Response(number(self.answer), Status(number(self.status)))
        return HartSample(
            number(self.privilege),
            request,
            bool(number(self.ready)),
            response,
            bool(number(self.interrupt)),
            bool(number(self.supervisor_interrupt)),
        )


class HartDriver:
    """Makes a hart's requests, one at a time, and waits for each answer.

    Parameters
    ----------
    dut, hart, prefix : as for `HartPins`
    clock : of the port; by default the module's ``clk``
    privilege : of the hart, until it is changed
    """

    def __init__(
        self,
        dut: Any,
        hart: int | None = 0,
        *,
        prefix: str | None = None,
        clock: Any = None,
        privilege: Privilege = Privilege.S,
    ) -> None:
        self.pins = HartPins(dut, hart, prefix=prefix)
        self.clock = dut.clk if clock is None else clock
        self.pins.valid.value = 0
        self.privilege = privilege

    @property
    def privilege(self) -> Privilege:
        """Level of the code that the hart runs. What is set is there from now on."""
        return self._privilege

    @privilege.setter
    def privilege(self, level: Privilege) -> None:
        self._privilege = level
        self.pins.privilege.value = int(level)

    @property
    def interrupt(self) -> bool:
        """A user interrupt can be taken."""
        return bool(int(self.pins.interrupt.value))

    @property
    def supervisor_interrupt(self) -> bool:
        """A receiver of supervisor kind wants this hart."""
        return bool(int(self.pins.supervisor_interrupt.value))

    async def ask(self, kind: int, function: int = 0, address: int = 0, data: int = 0) -> Response:
        """Make a request; returns behind the edge at the end of the cycle of the response."""
        pins = self.pins
        pins.kind.value, pins.function.value = int(kind), int(function)
        pins.address.value, pins.data.value = int(address), int(data)
        pins.valid.value = 1
        while True:
            await RisingEdge(self.clock)
            if int(pins.ready.value):
                break
        pins.valid.value = 0
        while True:
            await RisingEdge(self.clock)
            if int(pins.answered.value):
                return Response(int(pins.answer.value), Status(int(pins.status.value)))

    async def good(self, kind: int, function: int = 0, address: int = 0, data: int = 0) -> int:
        """The data of the response, whose status must be OK."""
        response = await self.ask(kind, function, address, data)
        assert response.status is Status.OK, f"request must be OK, not {response}"
        return response.data

    async def csr_read(self, number: int) -> int:
        """Read a CSR."""
        return await self.good(RequestKind.CSR, CsrFunction.READ, number)

    async def csr_write(self, number: int, word: int) -> int:
        """Write a CSR; returns the word before."""
        return await self.good(RequestKind.CSR, CsrFunction.WRITE, number, word)

    async def load(self, address: int) -> int:
        """Load eight bytes."""
        return await self.good(RequestKind.LOAD, 0, address)

    async def store(self, address: int, word: int) -> None:
        """Store eight bytes."""
        await self.good(RequestKind.STORE, 0, address, word)

    async def uipi(self, function: UipiFunction, operand: int = 0) -> Response:
        """One UIPI instruction, refused or not."""
        return await self.ask(RequestKind.UIPI, function, 0, operand)

    async def trap(self, pc: int) -> Response:
        """Take the user interrupt at ``pc``; returns the handler's address."""
        return await self.ask(RequestKind.TRAP, data=pc)

    async def uret(self) -> int:
        """Return from the handler; returns where to."""
        return await self.good(RequestKind.URET)


class Exchange(NamedTuple):
    """A request and its response."""

    request: Request
    privilege: int
    accepted: int  #: cycle
    response: Response
    answered: int  #: cycle


class HartMonitor:
    """Watches a hart port and holds it to its protocol.

    A request stays as it is until it is accepted; there is one at a time, with one response each,
    and ``ready`` is low until then.

    Parameters
    ----------
    pins : what to watch
    clock, reset : of the port

    Members
    -------
    exchanges : what was asked and answered, in order
    cycle : clock edges so far
    """

    def __init__(self, pins: HartPins, *, clock: Any, reset: Any) -> None:
        self.exchanges: list[Exchange] = []
        self.cycle = 0
        self._pins = pins
        cocotb.start_soon(self._watch(clock, reset))

    async def _watch(self, clock: Any, reset: Any) -> None:
        waiting: Request | None = None
        under_way: tuple[Request, int, int] | None = None
        while True:
            await RisingEdge(clock)
            self.cycle += 1
            if int(reset.value):
                waiting = under_way = None
                continue
            now = self._pins.sample()
            where = f"{self._pins.prefix} in cycle {self.cycle}"
            if now.response is not None:
                assert under_way is not None, f"{where}: nobody asked for {now.response}"
                self.exchanges.append(Exchange(*under_way, now.response, self.cycle))
                under_way = None
            assert waiting in (None, now.request), (
                f"{where}: a request must stay until it is accepted, not become {now.request}"
            )
            waiting = now.request
            assert not (now.ready and under_way), f"{where}: ready while a request is under way"
            if now.request is not None and now.ready:
                under_way = now.request, now.privilege, self.cycle
                waiting = None
