"""The controller: every receiver's record, and the interrupt lines of every hart."""

from typing import Any, NamedTuple

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from uintr.arbiter import RoundRobin, select
from uintr.checks import check_range
from uintr.claim_queue import ClaimQueue
from uintr.interfaces import OPERATION, OperationFunction, OperationPort
from uintr.lines import LineCounters
from uintr.record import Decoder, Record
from uintr.registers import ALL_FEATURES, DEFAULT_LATENCY, MAX_HARTS, MAX_RECEIVERS, XLEN, Feature

__all__ = ["Controller", "Inside"]


class Inside(NamedTuple):
    """What the properties of a controller speak of."""

    records: memory.Memory
    swept: Signal
    sweep: Signal
    operation: Any  #: whose record is changed in this cycle
    executing: Signal
    before: Any
    counters: LineCounters


class Controller(wiring.Component):
    """Operates on receivers, one operation a cycle, and keeps the lines.

    An operation accepted in cycle p shows in the lines, and is answered, in p + ``latency``. Its
    record is read and written back in between; operations take effect in the order of acceptance,
    back-to-back ones on the same receiver too.

    ======== ================ =============== ================ ===================
    latency  record is there  written back    counters change  line and response
    ======== ================ =============== ================ ===================
    2        p+1              end of p+1      end of p+1       p+2
    3        p+1              end of p+1      end of p+2       p+3
    4        p+2              end of p+2      end of p+3       p+4
    ======== ================ =============== ================ ===================

    ``line[h]`` is high exactly when some receiver of user kind has pending bits that are not
    masked, is active and belongs to hart h; ``supervisor_line[h]`` the same for receivers of
    supervisor kind. They are never searched for: a counter for each line counts such receivers.
    When one operation takes a receiver away from a line and gives it to another, both counters
    change in that cycle.

    A receiver whose ``notify`` is set and that is not active is put into the queue when an
    operation leaves unmasked pending bits where there were none. ``supervisor_line[notify_hart]``
    is high, too, while receivers stand there; they come and go with the same latency.

    After reset the records are cleared, receiver 0 first, one a cycle; no operation is accepted
    until all are.

    Parameters
    ----------
    harts : number of lines of each kind
    receivers : number of records
    ports : number of operation ports; all are equal, the round robin begins at port 0
    features : extensions; an operation of one that is left out must not be presented
    latency : 2, 3 or 4

    Members
    -------
    ports : array of `OperationPort`
    notify_hart : hart that is told of absent receivers; any other number: none
    line, supervisor_line : one bit a hart
    idle : the records are cleared and no operation was accepted in the last ``latency`` cycles

    Raises
    ------
    ValueError : a parameter is out of range.
    """

    def __init__(
        self,
        *,
        harts: int,
        receivers: int,
        ports: int,
        features: Feature = ALL_FEATURES,
        latency: int = DEFAULT_LATENCY,
    ) -> None:
        check_range("harts", harts, 1, MAX_HARTS)
        check_range("receivers", receivers, 1, MAX_RECEIVERS)
        check_range("ports", ports, 1, MAX_HARTS + 1)
        check_range("latency", latency, 2, 4)
        self._harts = harts
        self._receivers = receivers
        self._count = ports
        self._record = Record(harts=harts, features=features)
        self._latency = latency
        super().__init__(
            {
                "ports": In(OperationPort()).array(ports),
                "notify_hart": In(range(harts + 1)),
                "line": Out(harts),
                "supervisor_line": Out(harts),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """The pipeline, one stage a step."""
        m = Module()
        shape = self._record.shape

        # A block RAM with one read and one write port.
        # (A depth of 1 would be a memory without address bits, which Verilog does not have.)
        m.submodules.records = records = memory.Memory(
            shape=shape, depth=max(2, self._receivers), init=[]
        )
        write = records.write_port()
        slow = self._latency == 4
        read = records.read_port(transparent_for=() if slow else (write,))

        # Sweep: after reset, clear one record a cycle.
        swept = Signal()
        sweep = Signal(range(self._receivers))
        with m.If(~swept):
            m.d.sync += [
                sweep.eq(sweep + 1),
                swept.eq(sweep == self._receivers - 1),
            ]

        # p: grant one port, address the memory. A claim is for the receiver at the queue's head.
        accepted, granted, port = self._grant(m, swept)
        if self._record.notify:
            m.submodules.queue = queue = ClaimQueue(receivers=self._receivers)
            claiming = granted.function == OperationFunction.CLAIM
            chosen = Signal(OPERATION)
            m.d.comb += [
                chosen.eq(granted),
                queue.pop.eq(accepted & claiming),
            ]
            with m.If(claiming):
                m.d.comb += chosen.receiver.eq(queue.head)
                with m.If(~queue.valid):  # nothing to claim: any read without effect that answers 0
                    m.d.comb += [chosen.function.eq(OperationFunction.SEND), chosen.data.eq(~0)]
        else:
            chosen = granted
        m.d.comb += [read.addr.eq(chosen.receiver), read.en.eq(accepted)]

        # The next stage holds the operation; with a latency of 4 one more does, while the memory's
        # output is put into a register.
        operation, executing, executing_port = self._next(m, chosen, accepted, port, "")
        decoder = Decoder(m, operation)
        bits, some = decoder.bits, decoder.some
        before = read.data
        after = Signal(shape)
        if slow:
            fetched, ahead = operation, executing
            operation, executing, executing_port = self._next(
                m, fetched, ahead, executing_port, "_late"
            )
            bits, some = Signal.like(bits), Signal.like(some)
            m.d.sync += [bits.eq(decoder.bits), some.eq(decoder.some)]
            before = self._forward(m, write, read, fetched, operation, executing, after)

        # Change the record.
        answer = Signal(XLEN)
        self._record.execute(m, operation, bits, some, before, after, answer)
        m.d.comb += [
            write.en.eq(executing | ~swept),
            write.addr.eq(Mux(swept, operation.receiver, sweep)),
            write.data.eq(Mux(swept, after, 0)),
        ]
        if self._record.notify:
            m.d.comb += [
                queue.push.eq(executing & after.listed & ~before.listed),
                queue.number.eq(operation.receiver),
            ]

        counters = self._count_lines(m, executing, before, after)
        busy = self._respond(m, executing, executing_port, answer)
        stages = executing | busy
        if slow:
            stages |= ahead
        m.d.comb += self.idle.eq(swept & ~stages)
        self._observe(m, Inside(records, swept, sweep, operation, executing, before, counters))
        return m

    def _observe(self, m: Module, inside: Inside) -> None:
        """A specification that needs to see the inside overrides this."""

    def _grant(self, m: Module, swept: Value) -> tuple[Value, Any, Value]:
        m.submodules.round_robin = round_robin = RoundRobin(count=self._count)
        accepted = Signal()
        granted = Signal(OPERATION)
        m.d.comb += [
            round_robin.requests.eq(Cat(port.operation.valid & swept for port in self.ports)),
            round_robin.advance.eq(1),
            accepted.eq(round_robin.requests.any()),
            granted.eq(select(round_robin.grant, (port.operation.payload for port in self.ports))),
        ]
        for port, bit in zip(self.ports, round_robin.grant, strict=True):
            m.d.comb += port.operation.ready.eq(bit)
        return accepted, granted, round_robin.grant

    def _next(
        self, m: Module, operation: Any, valid: Any, port: Any, suffix: str
    ) -> tuple[Any, Any, Any]:
        """The registers of the next stage."""
        later = Signal(OPERATION, name=f"operation{suffix}")
        executing = Signal(name=f"executing{suffix}")
        executing_port = Signal(self._count, name=f"executing_port{suffix}")
        m.d.sync += executing.eq(valid)
        with m.If(valid):
            m.d.sync += [later.eq(operation), executing_port.eq(port)]
        return later, executing, executing_port

    def _forward(
        self, m: Module, write: Any, read: Any, fetched: Any, operation: Any, executing: Any,
        after: Any,
    ) -> Any:  # fmt: skip
        """The record of the operation that is executed next, in registers.

        What the memory reads is too old if one of the two operations ahead is for the same
        receiver. Then the later of the two is held instead, and the memory's word, whatever it may
        be after reading and writing one place at once, goes unused.
        """
        stored = Signal.like(after, name="stored")
        held = Signal.like(after, name="held")
        use_held = Signal()
        written = Signal.like(after, name="written")
        written_to = Signal.like(operation.receiver)
        was_written = Signal()
        one_ahead = Signal()
        two_ahead = Signal()
        m.d.comb += [
            one_ahead.eq(executing & (operation.receiver == fetched.receiver)),
            two_ahead.eq(was_written & (written_to == fetched.receiver)),
        ]
        m.d.sync += [
            was_written.eq(executing),
            written_to.eq(operation.receiver),
            written.eq(after),
            stored.eq(read.data),
            use_held.eq(one_ahead | two_ahead),
            held.eq(Mux(one_ahead, after, written)),
        ]
        before = Signal.like(after, name="before")
        m.d.comb += before.eq(Mux(use_held, held, stored))
        return before

    def _count_lines(self, m: Module, executing: Any, before: Any, after: Any) -> LineCounters:
        """Tell the counters who left and who joined: at once, or a cycle later."""
        kinds = [("user", False, self.line)]
        if self._record.supervisor:
            kinds.append(("supervisor", True, self.supervisor_line))
        lines = [
            (f"{name}_{hart}", supervisor, hart)
            for name, supervisor, _ in kinds
            for hart in range(self._harts)
        ]
        names = tuple(name for name, *_ in lines) + ("queue",) * self._record.notify
        m.submodules.counters = counters = LineCounters(receivers=self._receivers, names=names)
        contributed, contributes = (
            Cat(
                *(
                    self._record.contributes(record, hart, supervisor=supervisor)
                    for _, supervisor, hart in lines
                ),
                *((record.queued,) if self._record.notify else ()),
            )
            for record in (before, after)
        )
        leave = Mux(executing, contributed & ~contributes, 0)
        join = Mux(executing, contributes & ~contributed, 0)
        if self._latency == 2:
            m.d.comb += [counters.leave.eq(leave), counters.join.eq(join)]
        else:
            leaving, joining = Signal(len(names)), Signal(len(names))
            m.d.sync += [leaving.eq(leave), joining.eq(join)]
            m.d.comb += [counters.leave.eq(leaving), counters.join.eq(joining)]

        m.d.comb += self.line.eq(counters.line[: self._harts])
        told = Signal(self._harts)
        if self._record.notify:
            m.d.comb += told.eq(
                Cat(counters.line[-1] & (self.notify_hart == hart) for hart in range(self._harts))
            )
        raised = counters.line[self._harts : 2 * self._harts] if self._record.supervisor else 0
        m.d.comb += self.supervisor_line.eq(raised | told)
        return counters

    def _respond(self, m: Module, executing: Any, executing_port: Any, answer: Any) -> Value:
        """The answer travels with its port beside the counters. Answers that it is on its way."""
        port = Mux(executing, executing_port, 0)
        valid: Any = executing
        busy: Any = 0
        for number in range(1 if self._latency == 2 else 2):
            to = Signal(self._count, name=f"answer_port_{number}")
            word = Signal(XLEN, name=f"answer_{number}")
            m.d.sync += to.eq(port)
            with m.If(valid):
                m.d.sync += word.eq(answer)
            port, answer, valid = to, word, to.any()
            busy |= valid
        for each, bit in zip(self.ports, port, strict=True):
            m.d.comb += [each.response.valid.eq(bit), each.response.payload.eq(answer)]
        return busy
