"""The controller: every receiver's record, and the interrupt lines of every hart."""

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from uintr.arbiter import RoundRobin, select
from uintr.checks import check_range
from uintr.claim_queue import ClaimQueue
from uintr.interfaces import OperationFunction, OperationPort
from uintr.lines import LineCounters
from uintr.record import Record
from uintr.registers import ALL_FEATURES, DEFAULT_LATENCY, MAX_HARTS, MAX_RECEIVERS, XLEN, Feature

__all__ = ["Controller", "Inside", "Stage"]

_PUBLISHED = OperationFunction.WRITE_ACTIVE
"""The last operation that no extension adds."""


class Stage(NamedTuple):
    """An operation in a stage of the pipeline, when ``valid``."""

    valid: Any
    port: Any  #: one-hot, who asked
    receiver: Any
    what: Any  #: the operation, or what it was decoded to


class Inside(NamedTuple):
    """What the properties of a controller speak of."""

    records: memory.Memory
    swept: Signal
    sweep: Signal
    addressing: Stage
    fetching: Stage
    executing: Stage
    before: Any
    after: Any
    counters: LineCounters
    queue: ClaimQueue | None


class Controller(wiring.Component):
    """Operates on receivers, one operation a cycle, and keeps the lines.

    An operation accepted in cycle p shows in the lines, and is answered, in p + ``latency``. Its
    record is read, changed and written back in between; operations take effect in the order of
    acceptance, back-to-back ones on the same receiver too.

    ======== ============ ============= ==================== =================
    latency  granted      RAM addressed changed and written  line and response
    ======== ============ ============= ==================== =================
    2        p            p             p+1                  p+2
    3        p            p             p+2                  p+3
    4        p            p+1           p+3                  p+4
    ======== ============ ============= ==================== =================

    From latency 3 on the RAM's output goes into a register before it is changed; with 4 there is
    one behind the arbiter, too.

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
        self._arbiter: Any = RoundRobin(count=ports)
        narrow = features & (Feature.SLOT_RESET | Feature.MASK | Feature.NOTIFY) == Feature(0)
        last = max(each for each in OperationFunction if not narrow or each <= _PUBLISHED)
        self._operation = data.StructLayout(
            {
                "function": last.bit_length(),
                "receiver": max(1, (receivers - 1).bit_length()),
                "data": XLEN,
            }
        )
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

        # A block RAM with one read and one write port. What it reads from a place that is being
        # written goes unused (`_forward`).
        # (A depth of 1 would be a memory without address bits, which Verilog does not have.)
        m.submodules.records = records = memory.Memory(
            shape=shape, depth=max(2, self._receivers), init=[]
        )
        write = records.write_port()
        read = records.read_port()

        # Sweep: after reset, clear one record a cycle.
        swept = Signal()
        sweep = Signal(range(self._receivers))
        with m.If(~swept):
            m.d.sync += [
                sweep.eq(sweep + 1),
                swept.eq(sweep == self._receivers - 1),
            ]

        # Grant one port.
        stages = []
        addressing = self._grant(m, swept)
        if self._latency == 4:
            stages.append(addressing)

        # Address the memory; a claim is for the receiver at the queue's head.
        queue = self._claim(m, addressing) if self._record.notify else None
        receiver = addressing.receiver
        if queue is not None:
            claims = addressing.what.function == OperationFunction.CLAIM
            receiver = Signal(self._operation["receiver"].shape)
            m.d.comb += receiver.eq(Mux(claims, queue.head, addressing.receiver))
            addressing = addressing._replace(receiver=receiver)
            nothing = Signal()
            with m.If(addressing.valid):
                m.d.sync += nothing.eq(claims & ~queue.valid)
        m.d.comb += [read.addr.eq(receiver), read.en.eq(addressing.valid)]

        # Fetch the record, and decode the operation meanwhile. With latency 2 it is executed in
        # the same cycle.
        fetching = self._next(m, addressing, "fetching")
        stages.append(fetching)
        change = Signal(self._record.change)
        self._record.decode(m, fetching.what, self._look_ahead(m, addressing, fetching), change)
        if queue is not None:
            with m.If(nothing):
                # Any change that keeps all and answers 0.
                m.d.comb += change.eq(self._record.change.const(self._record.keeps_all()))
        executing = fetching._replace(what=change)
        if self._latency == 2:
            with m.If(~swept):
                m.d.comb += change.eq(self._record.change.const(self._record.erases()))
        else:
            executing = self._next(m, executing, "executing", init=self._record.erases())
            stages.append(executing)

        # Change the record.
        before, after = Signal(shape), Signal(shape)
        m.d.comb += before.eq(self._forward(m, read.data, addressing, fetching, executing, after))
        self._record.execute(m, executing.what, before, after)
        m.d.comb += [
            write.en.eq(executing.valid | ~swept),
            write.addr.eq(Mux(swept, executing.receiver, sweep)),
            write.data.eq(after),  # erased while the sweep runs: nothing was decoded yet
        ]
        if queue is not None:
            m.d.comb += [
                queue.push.eq(executing.valid & after.listed & ~before.listed),
                queue.number.eq(executing.receiver),
            ]

        counters = self._count_lines(m, executing.valid, before, after)
        answers = self._record.answers(m, executing.what, executing.receiver, before)
        busy = self._respond(m, executing, answers)
        m.d.comb += self.idle.eq(swept & ~busy & ~Cat(stage.valid for stage in stages).any())
        self._observe(
            m,
            Inside(records, swept, sweep, addressing, fetching, executing, before, after,
                   counters, queue),
        )  # fmt: skip
        return m

    def _observe(self, m: Module, inside: Inside) -> None:
        """A specification that needs to see the inside overrides this."""

    def _grant(self, m: Module, swept: Value) -> Stage:
        m.submodules.round_robin = round_robin = self._arbiter
        accepted = Signal()
        granted = Signal(self._operation)
        narrow = self._operation.members
        payloads = [
            Cat(
                Value.cast(getattr(port.operation.payload, name))[: Shape.cast(member).width]
                for name, member in narrow.items()
            )
            for port in self.ports
        ]
        m.d.comb += [
            # Nothing is taken before the sweep is over; what is chosen need not wait to hear that.
            round_robin.requests.eq(Cat(port.operation.valid for port in self.ports)),
            round_robin.advance.eq(swept),
            accepted.eq(swept & round_robin.requests.any()),
        ]
        for each, bit in zip(self.ports, round_robin.grant, strict=True):
            m.d.comb += each.operation.ready.eq(bit & swept)
        if self._latency < 4:
            m.d.comb += granted.eq(select(round_robin.grant, payloads))
            return Stage(accepted, round_robin.grant, granted.receiver, granted)

        # With latency 4 a register follows, in the midst of the multiplexer. There is one for each
        # port, cleared unless the port is its group's nominee: so an OR is left for the next cycle.
        valid = Signal(name="granted_valid")
        port = Signal(self._count, name="granted_port")
        chosen = Signal.like(round_robin.chosen, name="granted_group")
        held = [
            Signal(len(payload), name=f"granted_{number}")
            for number, payload in enumerate(payloads)
        ]
        m.d.sync += [
            valid.eq(accepted),
            port.eq(round_robin.grant),
            chosen.eq(round_robin.chosen),
            *(
                register.eq(Mux(nominee, payload, 0))
                for register, nominee, payload in zip(
                    held, round_robin.nominees, payloads, strict=True
                )
            ),
        ]
        words = [reduce(or_, held[group]) for group in round_robin.groups]
        m.d.comb += granted.eq(words[0] if len(words) == 1 else select(chosen, words))
        return Stage(valid, port, granted.receiver, granted)

    def _look_ahead(self, m: Module, addressing: Stage, fetching: Stage) -> Any:
        """What decoding an operation's data takes longest to find; with latency 4 found before."""
        ahead = Signal(self._record.ahead)
        if self._latency < 4:
            self._record.look_ahead(m, fetching.what.data, ahead)
            return ahead
        self._record.look_ahead(m, addressing.what.data, ahead)
        registered = Signal.like(ahead)
        with m.If(addressing.valid):
            m.d.sync += registered.eq(ahead)
        return registered

    def _claim(self, m: Module, addressing: Stage) -> ClaimQueue:
        """The queue, and what a claim takes from it.

        With latency 3 a claim meets the operation that was accepted two cycles before in its last
        stage, and what that one pushes must not be missed.
        """
        m.submodules.queue = queue = ClaimQueue(
            receivers=self._receivers, through=self._latency == 3
        )
        claims = addressing.what.function == OperationFunction.CLAIM
        m.d.comb += queue.pop.eq(addressing.valid & claims)
        return queue

    def _next(self, m: Module, stage: Stage, name: str, *, init: Any = None) -> Stage:
        """The registers of the next stage."""
        valid = Signal(name=name)
        port = Signal(self._count, name=f"{name}_port")
        receiver = Signal(self._operation["receiver"].shape, name=f"{name}_receiver")
        what = Signal.like(stage.what, name=f"{name}_what", init=init)
        m.d.sync += valid.eq(stage.valid)
        with m.If(stage.valid):
            m.d.sync += [
                port.eq(stage.port), receiver.eq(stage.receiver), what.eq(stage.what)
            ]  # fmt: skip
        return Stage(valid, port, receiver, what)

    def _forward(
        self, m: Module, word: Any, addressing: Stage, fetching: Stage, executing: Stage,
        after: Any,
    ) -> Any:  # fmt: skip
        """The record of the operation that is executed.

        What the memory reads is too old if an operation ahead, that was not written back when it
        read, is for the same receiver: the one before (*near*), and with a register behind the
        memory the one before that (*far*). Then what that one has written is taken instead.
        """

        def meet(stage: Stage, ahead: Stage) -> Value:
            return stage.valid & ahead.valid & (stage.receiver == ahead.receiver)

        near, far = Signal(), Signal()
        written = Signal.like(after, name="written")
        m.d.sync += written.eq(after)
        if self._latency == 2:
            m.d.sync += near.eq(meet(addressing, executing))
            return Mux(near, written, word)

        was_valid = Signal()
        was = executing._replace(
            valid=was_valid, receiver=Signal.like(executing.receiver, name="written_receiver")
        )
        m.d.sync += [was.valid.eq(executing.valid), was.receiver.eq(executing.receiver)]
        if self._latency == 4 and not self._record.notify:
            m.d.sync += [near.eq(meet(addressing, fetching)), far.eq(meet(addressing, executing))]
        else:
            m.d.comb += [near.eq(meet(fetching, executing)), far.eq(meet(fetching, was))]
        # A register with nothing else to do may be the block RAM's own.
        stored = Signal.like(after, name="stored", reset_less=True)
        is_stored = Signal()
        bypass = Signal.like(after, name="bypass")
        m.d.sync += [
            stored.eq(word),
            is_stored.eq(fetching.valid & ~near & ~far),
            bypass.eq(Mux(near, after, 0) | Mux(far & ~near, written, 0)),
        ]
        return Mux(is_stored, stored, 0) | bypass.as_value()

    def _count_lines(self, m: Module, executing: Any, before: Any, after: Any) -> LineCounters:
        """Tell the counters what the receiver raised and raises."""
        lines = [
            (f"{name}_{hart}", hart, {"supervisor": name == "supervisor"})
            for name in ("user", "supervisor")[: 1 + self._record.supervisor]
            for hart in range(self._harts)
        ]
        names = tuple(name for name, *_ in lines) + ("queue",) * self._record.notify
        m.submodules.counters = counters = LineCounters(receivers=self._receivers, names=names)
        had = [self._record.contributes(before, hart, **kind) for _, hart, kind in lines]
        may = [self._record.may_contribute(after, hart, **kind) for _, hart, kind in lines]
        wants = [after.wants] * len(lines)
        if self._record.notify:
            had, may, wants = [*had, before.queued], [*may, Const(1)], [*wants, after.queued]
        m.d.comb += [
            counters.before.eq(Mux(executing, Cat(had), 0)),
            counters.after.eq(Mux(executing, Cat(may), 0)),
            counters.wants.eq(Mux(executing, Cat(wants), 0)),
        ]
        m.d.comb += self.line.eq(counters.line[: self._harts])
        told = Signal(self._harts)
        if self._record.notify:
            m.d.comb += told.eq(
                Cat(counters.line[-1] & (self.notify_hart == hart) for hart in range(self._harts))
            )
        raised = counters.line[self._harts : 2 * self._harts] if self._record.supervisor else 0
        m.d.comb += self.supervisor_line.eq(raised | told)
        return counters

    def _respond(self, m: Module, executing: Stage, answers: Iterable[tuple[Any, Any]]) -> Value:
        """The answer, beside the lines. Answers that there is one."""
        port = Signal(self._count, name="answer_port")
        m.d.sync += port.eq(Mux(executing.valid, executing.port, 0))
        word: Any = 0
        for number, (taken, value) in enumerate(answers):
            part = Signal(len(value), name=f"answer_{number}")
            m.d.sync += part.eq(value)
            with m.If(~(executing.valid & taken)):
                m.d.sync += part.eq(0)
            word |= part
        for each, bit in zip(self.ports, port, strict=True):
            m.d.comb += [each.response.valid.eq(bit), each.response.payload.eq(word)]
        return port.any()
