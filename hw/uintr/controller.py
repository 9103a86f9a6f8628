"""The controller: every receiver's record, and the interrupt line of every hart."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from uintr.arbiter import RoundRobin, select
from uintr.checks import check_range
from uintr.interfaces import OPERATION, OperationFunction, OperationPort, layout
from uintr.registers import (
    ACTIVE,
    ALL_FEATURES,
    HIGH,
    LOW,
    MAX_HARTS,
    MAX_RECEIVERS,
    VECTORS,
    XLEN,
    Feature,
)

__all__ = ["Controller"]


class Controller(wiring.Component):
    """Operates on receivers, one operation a cycle, and keeps the lines.

    An operation accepted in cycle p reads its record in p+1 and writes it back at the end of p+1;
    the line counters follow at the end of p+2; ``line`` and the response are there in p+3.
    Operations take effect in the order of acceptance, back-to-back ones on the same receiver too.

    ``line[h]`` is high exactly when some receiver of user kind has pending bits, is active and
    belongs to hart h; ``supervisor_line[h]`` the same for receivers of supervisor kind. They are
    never searched for: a counter for each line counts such receivers. When one operation takes a
    receiver away from a line and gives it to another, both counters change in that cycle.

    After reset the records are cleared, receiver 0 first, one a cycle; no operation is accepted
    until all are.

    Parameters
    ----------
    harts : number of lines of each kind
    receivers : number of records
    ports : number of operation ports; all are equal, the round robin begins at port 0
    features : extensions; without SUPERVISOR every receiver is of user kind

    Members
    -------
    ports : array of `OperationPort`
    line, supervisor_line : one bit a hart
    idle : the records are cleared and no operation was accepted in the last three cycles

    Raises
    ------
    ValueError : a parameter is out of range.
    """

    def __init__(
        self, *, harts: int, receivers: int, ports: int, features: Feature = ALL_FEATURES
    ) -> None:
        check_range("harts", harts, 1, MAX_HARTS)
        check_range("receivers", receivers, 1, MAX_RECEIVERS)
        check_range("ports", ports, 1, MAX_HARTS + 1)
        self._harts = harts
        self._receivers = receivers
        self._count = ports
        self._supervisor = Feature.SUPERVISOR in features
        # `harts` itself is a value too: it stands for every hart there is not.
        self._record = data.StructLayout(
            {
                "pending": VECTORS,
                "active": 1,
                "mode": 1,
                **({"supervisor": 1} if self._supervisor else {}),
                "hartid": range(harts + 1),
            }
        )
        super().__init__(
            {
                "ports": In(OperationPort()).array(ports),
                "line": Out(harts),
                "supervisor_line": Out(harts),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """The pipeline, one stage a step."""
        m = Module()

        # A block RAM with one read and one write port. Its transparency is the forwarding between
        # neighbours: an operation reads in the cycle in which the one before it writes.
        # (A depth of 1 would be a memory without address bits, which Verilog does not have.)
        m.submodules.records = records = memory.Memory(
            shape=self._record, depth=max(2, self._receivers), init=[]
        )
        write = records.write_port()
        read = records.read_port(transparent_for=(write,))

        # Sweep: after reset, clear one record a cycle.
        swept = Signal()
        sweep = Signal(range(self._receivers))
        with m.If(~swept):
            m.d.sync += [
                sweep.eq(sweep + 1),
                swept.eq(sweep == self._receivers - 1),
            ]

        # p: grant one port, address the memory.
        m.submodules.round_robin = round_robin = RoundRobin(count=self._count)
        accepted = Signal()
        granted = Signal(OPERATION)
        m.d.comb += [
            round_robin.requests.eq(Cat(port.operation.valid & swept for port in self.ports)),
            round_robin.advance.eq(1),
            accepted.eq(round_robin.requests.any()),
            granted.eq(select(round_robin.grant, (port.operation.payload for port in self.ports))),
            read.addr.eq(granted.receiver),
            read.en.eq(accepted),
        ]
        for port, bit in zip(self.ports, round_robin.grant, strict=True):
            m.d.comb += port.operation.ready.eq(bit)

        # p+1: change the record.
        operation = Signal(OPERATION)
        executing = Signal()
        executing_port = Signal(self._count)
        m.d.sync += executing.eq(accepted)
        with m.If(accepted):
            m.d.sync += [operation.eq(granted), executing_port.eq(round_robin.grant)]
        before = read.data
        after = Signal(self._record)
        answer = Signal(XLEN)
        self._execute(m, operation, before, after, answer)
        m.d.comb += [
            write.en.eq(executing | ~swept),
            write.addr.eq(Mux(swept, operation.receiver, sweep)),
            write.data.eq(Mux(swept, after, 0)),
        ]

        # p+2: count. What a receiver contributes to is one line, or none at all.
        lines = [("user", hart, self.line[hart]) for hart in range(self._harts)]
        if self._supervisor:
            lines += [
                ("supervisor", hart, self.supervisor_line[hart]) for hart in range(self._harts)
            ]
        leaving = Signal(len(lines))
        joining = Signal(len(lines))
        m.d.sync += [leaving.eq(0), joining.eq(0)]
        for place, (kind, hart, line) in enumerate(lines):
            contributed = self._contributes(before, kind, hart)
            contributes = self._contributes(after, kind, hart)
            with m.If(executing):
                m.d.sync += [
                    leaving[place].eq(contributed & ~contributes),
                    joining[place].eq(contributes & ~contributed),
                ]
            count = Signal(range(self._receivers + 1), name=f"count_{kind}_{hart}")
            with m.If(joining[place]):
                m.d.sync += count.eq(count + 1)
            with m.Elif(leaving[place]):
                m.d.sync += count.eq(count - 1)
            m.d.comb += line.eq(count.any())

        # p+3: answer. The answer travels with its port beside the counters.
        counting_port = Signal(self._count)
        counting_answer = Signal(XLEN)
        answered_port = Signal(self._count)
        answered = Signal(XLEN)
        m.d.sync += [
            counting_port.eq(Mux(executing, executing_port, 0)),
            answered_port.eq(counting_port),
        ]
        with m.If(executing):
            m.d.sync += counting_answer.eq(answer)
        with m.If(counting_port.any()):
            m.d.sync += answered.eq(counting_answer)
        for port, bit in zip(self.ports, answered_port, strict=True):
            m.d.comb += [port.response.valid.eq(bit), port.response.payload.eq(answered)]

        m.d.comb += self.idle.eq(swept & ~(executing | counting_port.any() | answered_port.any()))
        return m

    def _contributes(self, record: Any, kind: str, hart: int) -> Any:
        contributes = record.pending.any() & record.active & (record.hartid == hart)
        if self._supervisor:
            contributes &= record.supervisor == (kind == "supervisor")
        return contributes

    def _execute(self, m: Module, operation: Any, before: Any, after: Any, answer: Any) -> None:
        """What each function makes of a record, and what it answers."""
        low = data.View(layout(LOW), operation.data)
        high = data.View(layout(HIGH), operation.data)
        active = data.View(layout(ACTIVE), operation.data)
        low_answer = data.View(layout(LOW), answer)
        high_answer = data.View(layout(HIGH), answer)
        active_answer = data.View(layout(ACTIVE), answer)

        m.d.comb += after.eq(before)
        with m.Switch(operation.function):
            with m.Case(OperationFunction.SEND), m.If(operation.data < VECTORS):
                m.d.comb += after.pending.eq(
                    before.pending | (1 << operation.data[: (VECTORS - 1).bit_length()])
                )
            with m.Case(OperationFunction.READ_LOW):
                m.d.comb += [
                    low_answer.active.eq(before.active),
                    low_answer.mode.eq(before.mode),
                    low_answer.hartid.eq(before.hartid),
                ]
                if self._supervisor:
                    m.d.comb += low_answer.supervisor.eq(before.supervisor)
            with m.Case(OperationFunction.WRITE_LOW):
                m.d.comb += [
                    after.active.eq(low.active),
                    after.mode.eq(low.mode),
                    after.hartid.eq(Mux(low.hartid < self._harts, low.hartid, self._harts)),
                ]
                if self._supervisor:
                    m.d.comb += after.supervisor.eq(low.supervisor)
            with m.Case(OperationFunction.READ_HIGH):
                m.d.comb += [high_answer.pending.eq(before.pending), after.pending.eq(0)]
            with m.Case(OperationFunction.WRITE_HIGH):
                m.d.comb += after.pending.eq(before.pending | high.pending)
            with m.Case(OperationFunction.READ_ACTIVE):
                m.d.comb += active_answer.active.eq(before.active)
            with m.Case(OperationFunction.WRITE_ACTIVE):
                m.d.comb += after.active.eq(active.active)
