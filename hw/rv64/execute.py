"""The second and the third stage: decode and read registers; compute, and find out where to go."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rv64.alu import AluUnit, Comparator
from rv64.decode import Decoder, follow
from rv64.divide import Divider
from rv64.encoding import DECODED, FAULT, Kind
from rv64.expand import Expander
from rv64.fetch import FETCHED
from rv64.multiply import Multiplier
from rv64.register_file import RegisterFile
from uintr.registers import XLEN

__all__ = ["EXECUTED", "Execute"]

_DECODED = data.StructLayout(
    {
        "valid": 1,
        "pc": XLEN,
        "raw": 32,
        "decoded": DECODED,
        "a": XLEN,
        "b": XLEN,
        "next": XLEN,  # address behind it
        "target": XLEN,  # of a branch
        "taken": 1,  # it was followed
        "flip": 1,  # the guess is right if the condition is this
        "branch": 1,
        "jalr": 1,
        "slow": 1,  # multiplies or divides
        "other": 1,  # its result is not the ALU's
        "late": 1,  # a register gets something that is not known here
        "fault": FAULT,
    }
)

EXECUTED = data.StructLayout(
    {
        "valid": 1,
        "pc": XLEN,
        "raw": 32,
        "kind": Kind,
        "funct3": 3,
        "rd": 5,
        "late": 1,  # its result comes later
        "interrupted": 1,  # a user interrupt comes in its place: what follows is its handler
        "result": XLEN,  # or the address of an access, or the operand of what the last stage does
        "b": XLEN,  # what a store stores
        "fault": FAULT,  # the result is then its value
        # For the trace alone:
        "rs1": 5,
        "rs2": 5,
        "a": XLEN,
        "next": XLEN,
    }
)
"""What the fourth stage gets."""

_LATE = (Kind.LOAD, Kind.ATOMIC, Kind.CSR, Kind.UIPI)


class Execute(wiring.Component):
    """Decode, and a cycle later execute.

    An operand comes from the instruction ahead in the fourth or the last stage, or else from the
    register file. Who needs what a load or a last-stage instruction directly ahead of it brings
    waits for one cycle.

    Jumps, and branches backwards, are followed in the second stage: the target is there a cycle
    after what would have come. In the third stage a branch that went the wrong way, and every JALR,
    costs two.

    Nothing moves while ``hold``; multiplications and divisions hold the second and third stage.

    Members
    -------
    fetched, ready : from `Fetch`
    hold, flush : the last stage is not done; it goes elsewhere, and all behind it is void
    write, rd, value : the last stage's result: written in this cycle if ``write``
    executed, leaves : to the fourth stage; a register; it gets something in this cycle
    sum : address of the access in the third stage
    interrupt, handler : the next instruction that leaves the third stage is interrupted; where it
        goes on, as it is guessed. The last stage says whether it was so
    wrong, right : the third stage goes elsewhere than was guessed, and there; known late in a cycle
    follows, target : a jump or prediction of the second stage, which counts unless ``wrong``
    """

    def __init__(self) -> None:
        self.registers = RegisterFile()
        super().__init__(
            {
                "fetched": In(FETCHED),
                "ready": Out(1),
                "hold": In(1),
                "flush": In(1),
                "write": In(1),
                "rd": In(5),
                "value": In(XLEN),
                "executed": Out(EXECUTED),
                "leaves": Out(1),
                "sum": Out(XLEN),
                "interrupt": In(1),
                "handler": In(XLEN),
                "wrong": Out(1),
                "right": Out(XLEN),
                "follows": Out(1),
                "target": Out(XLEN),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Decode; forward; execute; redirect."""
        m = Module()
        fetched, executed = self.fetched, self.executed
        m.submodules.expander = expander = Expander()
        m.submodules.decoder = decoder = Decoder()
        m.submodules.registers = registers = self.registers

        x = Signal(_DECODED)  # in the third stage
        x_done, x_leaves, x_wrong = Signal(), self.leaves, self.wrong

        # Second stage.
        decoded = decoder.decoded
        d_leaves, follows = Signal(), Signal()
        target = self.target
        # Where to go is not told by the decoder: that would come too late.
        offset = Signal(signed(21))
        jumps, distance = follow(fetched.raw)
        m.d.comb += [
            offset.eq(distance),
            expander.half.eq(fetched.raw),
            expander.form.eq(fetched.form),
            decoder.word.eq(expander.word | fetched.raw & fetched.raw[:2].all().replicate(32)),
            decoder.illegal.eq(fetched.fault.valid),
            registers.rs1.eq(decoded.rs1),
            registers.rs2.eq(decoded.rs2),
            registers.rd.eq(self.rd),
            registers.write.eq(self.write),
            registers.data.eq(self.value),
            d_leaves.eq(fetched.valid & ~self.hold & (~x.valid | x_done)),
            self.ready.eq(~fetched.valid | d_leaves),
            target.eq(fetched.pc.as_signed() + offset),
            follows.eq(jumps),
            self.follows.eq(d_leaves & follows),
        ]
        # The first operand, unless it comes from a stage behind.
        first = Mux(decoded.from_pc | fetched.fault.valid, fetched.pc, registers.a)
        with m.If(~self.hold & (~x.valid | x_done)):
            m.d.sync += [
                x.valid.eq(d_leaves & ~x_wrong),
                x.pc.eq(fetched.pc),
                x.raw.eq(fetched.raw),
                x.decoded.eq(decoded),
                x.a.eq(Mux(decoded.from_zero, 0, first)),
                x.b.eq(registers.b),
                x.next.eq(fetched.next),
                x.target.eq(target),
                x.taken.eq(follows),
                x.flip.eq(follows ^ decoded.funct3[0]),
                x.branch.eq(decoded.kind == Kind.BRANCH),
                x.jalr.eq(decoded.kind == Kind.JALR),
                x.slow.eq(decoded.kind.matches(Kind.MULTIPLY, Kind.DIVIDE)),
                x.other.eq(decoded.kind.matches(Kind.MULTIPLY, Kind.DIVIDE, Kind.JAL, Kind.JALR)),
                x.late.eq(decoded.kind.matches(*_LATE)),
                x.fault.eq(fetched.fault),
            ]
            with m.If(fetched.fault.valid):  # the sum becomes the address at fault
                m.d.sync += [
                    x.decoded.use_immediate.eq(1),
                    x.decoded.immediate.eq(Mux(fetched.fault_above, 2, 0)),
                ]
        with m.If(self.flush):
            m.d.sync += x.valid.eq(0)

        # Third stage: operands. Where they will come from is known a cycle before: what is in the
        # fourth stage now is in the last one then, and what is in the last one is in the register,
        # or kept here if the instruction stays. What the fourth stage does not know is waited for.
        waits, needs = Signal(), []
        m.d.comb += registers.take.eq(x.valid & ~x_done)

        def forward(number: Any, value: Any, read: Any, uses: Any) -> Any:
            fourth, last = Signal(), Signal()
            needs.append(executed.late & fourth)
            reads = number.any() & uses
            with m.If(~self.hold):
                with m.If(x_done | ~x.valid):
                    m.d.sync += [
                        fourth.eq(x.valid & (x.decoded.rd == number) & reads),
                        last.eq(executed.valid & (executed.rd == number) & reads),
                    ]
                with m.Else():
                    m.d.sync += [fourth.eq(0), last.eq(fourth)]
                    with m.If(last):
                        m.d.sync += value.eq(read)
            return Mux(fourth, executed.result, Mux(last, self.value, value))

        kind = x.decoded.kind
        a, b = Signal(XLEN), Signal(XLEN)
        immediate = Cat(x.decoded.immediate, x.decoded.immediate[-1].replicate(XLEN - 32))
        m.submodules.alu = alu = AluUnit()
        m.submodules.comparator = comparator = Comparator()
        m.d.comb += [
            a.eq(forward(decoded.rs1, x.a, registers.a, decoded.use_rs1)),
            b.eq(forward(decoded.rs2, x.b, registers.b, decoded.use_rs2)),
            waits.eq(Cat(needs).any()),
            alu.a.eq(a),
            alu.b.eq(Mux(x.decoded.use_immediate, immediate, b)),
            alu.alu.eq(x.decoded.alu),
            alu.alternative.eq(x.decoded.alternative),
            alu.word.eq(x.decoded.word),
            alu.compare.eq(x.decoded.compare),
            comparator.a.eq(a),
            comparator.b.eq(b),
            comparator.funct3.eq(x.decoded.funct3),
            self.sum.eq(alu.sum),
        ]

        # Units of several cycles begin when their operands are sure, and then hold their result.
        begun, finished = Signal(), Signal()
        done = Const(0)
        other = Signal(XLEN)
        m.d.comb += [other.eq(x.next), alu.replaces.eq(x.other), alu.other.eq(other)]
        for what, name, unit in (
            (Kind.MULTIPLY, "multiplier", Multiplier()),
            (Kind.DIVIDE, "divider", Divider()),
        ):
            m.submodules[name] = unit
            m.d.comb += [
                unit.start.eq(x.valid & (kind == what) & ~begun & ~waits & ~self.hold),
                unit.cancel.eq(self.flush),
                unit.a.eq(a),
                unit.b.eq(b),
                unit.funct3.eq(x.decoded.funct3),
                unit.word.eq(x.decoded.word),
            ]
            done = done | unit.done
            with m.If(kind == what):
                m.d.comb += other.eq(unit.result)
        m.d.comb += x_done.eq((~x.slow | finished) & ~waits)
        m.d.comb += x_leaves.eq(x.valid & x_done & ~self.hold)
        with m.If(self.flush | x_leaves):
            m.d.sync += [begun.eq(0), finished.eq(0)]
        with m.Else():
            with m.If(x.valid & x.slow & ~waits & ~self.hold):
                m.d.sync += begun.eq(1)
            with m.If(done):
                m.d.sync += finished.eq(1)

        with m.If(~self.hold):
            m.d.sync += [
                executed.valid.eq(x_leaves),
                executed.pc.eq(x.pc),
                executed.raw.eq(x.raw),
                executed.kind.eq(kind),
                executed.funct3.eq(x.decoded.funct3),
                executed.rd.eq(x.decoded.rd),
                executed.late.eq(x.late),
                executed.interrupted.eq(self.interrupt),
                executed.result.eq(alu.result),
                executed.b.eq(b),
                executed.fault.eq(x.fault),
                executed.rs1.eq(Mux(x.decoded.use_rs1, x.decoded.rs1, 0)),
                executed.rs2.eq(Mux(x.decoded.use_rs2, x.decoded.rs2, 0)),
                executed.a.eq(a),
            ]
        with m.If(self.flush):
            m.d.sync += executed.valid.eq(0)

        # Where to go on: what the third stage knows overrides what the second one guesses. What the
        # comparison says comes last.
        jump = Cat(Const(0, 1), alu.sum[1:])
        goes, branches = Signal(), Signal()
        m.d.comb += [
            goes.eq(x_leaves & ~self.flush & (x.jalr | self.interrupt)),
            branches.eq(x_leaves & ~self.flush & x.branch),
            x_wrong.eq(goes | (branches & (comparator.condition != x.flip))),
            self.right.eq(Mux(x.taken, x.next, x.target)),
        ]
        with m.If(x.jalr):
            m.d.comb += self.right.eq(jump)
        with m.If(self.interrupt):
            m.d.comb += self.right.eq(self.handler)
        with m.If(~self.hold):
            m.d.sync += executed.next.eq(x.next)
            with m.If((kind == Kind.JAL) | (x.branch & comparator.taken)):
                m.d.sync += executed.next.eq(x.target)
            with m.Elif(x.jalr):
                m.d.sync += executed.next.eq(jump)
        return m
