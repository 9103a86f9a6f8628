"""The second and the third stage: decode and read registers; compute, and find out where to go."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rv64.alu import AluUnit
from rv64.decode import Decoder
from rv64.divide import Divider
from rv64.encoding import DECODED, FAULT, Kind
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
    waits in the second stage for one cycle.

    Jumps, and branches backwards, are followed in the second stage: the target is there a cycle
    after what would have come. In the third stage a branch that went the wrong way, and every JALR,
    costs two.

    Nothing moves while ``hold``; multiplications and divisions hold the second and third stage.

    Members
    -------
    fetched, ready : from `Fetch`
    hold, flush : the last stage is not done; it goes elsewhere, and all behind it is void
    write, rd, value : the last stage's result: written in this cycle if ``write``
    last_valid : an instruction with that ``rd`` is there
    executed : to the fourth stage; a register
    sum : address of the access in the third stage
    redirect, target : a branch, jump or prediction goes there
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
                "last_valid": In(1),
                "rd": In(5),
                "value": In(XLEN),
                "executed": Out(EXECUTED),
                "sum": Out(XLEN),
                "redirect": Out(1),
                "target": Out(XLEN),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Decode; forward; execute; redirect."""
        m = Module()
        fetched, executed = self.fetched, self.executed
        m.submodules.decoder = decoder = Decoder()
        m.submodules.registers = registers = self.registers

        x = Signal(_DECODED)  # in the third stage
        x_done, x_leaves, x_wrong = Signal(), Signal(), Signal()

        # Second stage.
        decoded = decoder.decoded
        late, waits, d_leaves, follows = Signal(), Signal(), Signal(), Signal()
        target = Signal(XLEN)
        m.d.comb += [
            decoder.word.eq(fetched.word),
            decoder.illegal.eq(fetched.illegal | fetched.fault.valid),
            registers.rs1.eq(decoded.rs1),
            registers.rs2.eq(decoded.rs2),
            registers.rd.eq(self.rd),
            registers.write.eq(self.write),
            registers.data.eq(self.value),
            late.eq(x.decoded.kind.matches(*_LATE)),
            waits.eq(
                x.valid
                & late
                & x.decoded.rd.any()
                & (
                    (decoded.use_rs1 & (decoded.rs1 == x.decoded.rd))
                    | (decoded.use_rs2 & (decoded.rs2 == x.decoded.rd))
                )
            ),
            d_leaves.eq(fetched.valid & ~waits & ~self.hold & (~x.valid | x_done)),
            self.ready.eq(~fetched.valid | d_leaves),
            target.eq(
                fetched.pc + Cat(decoded.immediate, decoded.immediate[-1].replicate(XLEN - 32))
            ),
            follows.eq(
                (decoded.kind == Kind.JAL) | ((decoded.kind == Kind.BRANCH) & decoded.immediate[-1])
            ),
        ]
        with m.If(~self.hold & (~x.valid | x_done)):
            m.d.sync += [
                x.valid.eq(d_leaves & ~x_wrong),
                x.pc.eq(fetched.pc),
                x.raw.eq(fetched.raw),
                x.decoded.eq(decoded),
                x.a.eq(registers.a),
                x.b.eq(registers.b),
                x.next.eq(fetched.next),
                x.target.eq(target),
                x.taken.eq(follows),
                x.fault.eq(fetched.fault),
            ]
            with m.If(fetched.fault.valid):  # the sum becomes the address at fault
                m.d.sync += [
                    x.decoded.from_pc.eq(1),
                    x.decoded.use_immediate.eq(1),
                    x.decoded.immediate.eq(Mux(fetched.fault_above, 2, 0)),
                ]
        with m.If(self.flush):
            m.d.sync += x.valid.eq(0)

        # Third stage: operands.
        def forward(number: Any, value: Any) -> Any:
            fourth = executed.valid & (executed.rd == number) & number.any()
            last = self.last_valid & (self.rd == number) & number.any()
            return Mux(fourth, executed.result, Mux(last, self.value, value))

        kind = x.decoded.kind
        a, b = Signal(XLEN), Signal(XLEN)
        immediate = Cat(x.decoded.immediate, x.decoded.immediate[-1].replicate(XLEN - 32))
        m.submodules.alu = alu = AluUnit()
        m.d.comb += [
            a.eq(forward(x.decoded.rs1, x.a)),
            b.eq(forward(x.decoded.rs2, x.b)),
            alu.a.eq(Mux(x.decoded.from_pc, x.pc, Mux(x.decoded.from_zero, 0, a))),
            alu.b.eq(Mux(x.decoded.use_immediate, immediate, b)),
            alu.alu.eq(x.decoded.alu),
            alu.alternative.eq(x.decoded.alternative),
            alu.word.eq(x.decoded.word),
            alu.compare.eq(x.decoded.compare),
            alu.funct3.eq(x.decoded.funct3),
            self.sum.eq(alu.sum),
        ]

        # Units of several cycles begin when their operands are sure, and then hold their result.
        begun, finished = Signal(), Signal()
        done = Const(0)
        slow = kind.matches(Kind.MULTIPLY, Kind.DIVIDE)
        result = Signal(XLEN)
        m.d.comb += result.eq(alu.result)
        for what, name, unit in (
            (Kind.MULTIPLY, "multiplier", Multiplier()),
            (Kind.DIVIDE, "divider", Divider()),
        ):
            m.submodules[name] = unit
            m.d.comb += [
                unit.start.eq(x.valid & (kind == what) & ~begun & ~self.hold),
                unit.cancel.eq(self.flush),
                unit.a.eq(a),
                unit.b.eq(b),
                unit.funct3.eq(x.decoded.funct3),
                unit.word.eq(x.decoded.word),
            ]
            done = done | unit.done
            with m.If(kind == what):
                m.d.comb += result.eq(unit.result)
        with m.If(kind.matches(Kind.JAL, Kind.JALR)):
            m.d.comb += result.eq(x.next)
        m.d.comb += x_done.eq(~slow | finished | done)
        m.d.comb += x_leaves.eq(x.valid & x_done & ~self.hold)
        with m.If(self.flush | x_leaves):
            m.d.sync += [begun.eq(0), finished.eq(0)]
        with m.Else():
            with m.If(x.valid & slow & ~self.hold):
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
                executed.late.eq(late),
                executed.result.eq(result),
                executed.b.eq(b),
                executed.fault.eq(x.fault),
                executed.rs1.eq(Mux(x.decoded.use_rs1, x.decoded.rs1, 0)),
                executed.rs2.eq(Mux(x.decoded.use_rs2, x.decoded.rs2, 0)),
                executed.a.eq(a),
            ]
        with m.If(self.flush):
            m.d.sync += executed.valid.eq(0)

        # Where to go on: what the third stage knows overrides what the second one guesses.
        jump = Cat(Const(0, 1), alu.sum[1:])
        m.d.comb += [
            x_wrong.eq(
                x_leaves & (((kind == Kind.BRANCH) & (alu.taken != x.taken)) | (kind == Kind.JALR))
            ),
            self.redirect.eq(x_wrong | (d_leaves & follows)),
            self.target.eq(
                Mux(
                    x_wrong,
                    Mux(kind == Kind.JALR, jump, Mux(x.taken, x.next, x.target)),
                    target,
                )
            ),
        ]
        with m.If(~self.hold):
            m.d.sync += executed.next.eq(x.next)
            with m.If((kind == Kind.JAL) | ((kind == Kind.BRANCH) & alu.taken)):
                m.d.sync += executed.next.eq(x.target)
            with m.Elif(kind == Kind.JALR):
                m.d.sync += executed.next.eq(jump)
        return m
