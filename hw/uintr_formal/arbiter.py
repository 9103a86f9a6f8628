"""Properties of round-robin selection.

* *choice*: at most one grant, only to one who asks, and always one if somebody asks;
* *search*: it is the first who asks behind the last grant that was taken, or else the first of all;
* *groups*: each has one nominee at most, and the one of the chosen group is granted;
* *fairness*: while a request is held it is passed over by at most ``count - 1`` grants. With one
  grant a cycle, as in the controller, an operation waits at most ``count - 1`` cycles;
* *quiet*: without a grant that is taken, the order stays.
"""

from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import (
    Assert,
    Assume,
    Cat,
    Const,
    Cover,
    Module,
    Mux,
    Signal,
)

from uintr.arbiter import RoundRobin
from uintr_formal.specification import Specification

__all__ = ["AnyChoice", "ArbiterSpec", "ordered"]


class AnyChoice(RoundRobin):
    """Grants any one request: more runs than round robin has, and no state.

    What holds with it in the place of the arbiter rests only on the first of the properties above.
    """

    def elaborate(self, platform: Any) -> Module:
        """No state at all."""
        m = Module()
        for signal in (self.grant, self.nominees, self.chosen):
            m.d.comb += signal.eq(AnySeq(len(signal)))
        m.d.comb += [*_chooses(Assume, self), *_nominates(Assume, self)]
        return m


def _chooses(claim: Any, dut: RoundRobin) -> list[Any]:
    grant, requests = dut.grant, dut.requests
    return [
        claim((grant & (grant - 1)) == 0),
        claim((grant & ~requests) == 0),
        claim(grant.any() == requests.any()),
    ]


def _nominates(claim: Any, dut: RoundRobin) -> list[Any]:
    """A single group needs nobody to choose it."""
    chosen, nominees = dut.chosen, dut.nominees
    if len(dut.groups) == 1:
        return [claim(nominees == dut.grant)]
    return [
        claim((chosen & (chosen - 1)) == 0),
        *(
            claim(
                ((nominees[group] & (nominees[group] - 1)) == 0)
                & (dut.grant[group] == Mux(bit, nominees[group], 0))
            )
            for bit, group in zip(chosen, dut.groups, strict=True)
        ),
    ]


def _searches(m: Module, dut: RoundRobin) -> None:
    """The grant, as the contract describes it: with a subtraction for the lowest bit."""
    some = Signal(len(dut.requests))
    lowest = Signal(len(dut.requests))
    m.d.comb += some.eq(dut.requests & dut.behind)
    eligible = Mux(some.any(), some, dut.requests)
    m.d.comb += [lowest.eq(eligible & -eligible), Assert(dut.grant == lowest)]
    behind, taken = Signal.like(dut.behind), Signal()
    m.d.sync += [
        behind.eq(~(lowest | (lowest - 1))),
        taken.eq(dut.advance & dut.requests.any()),
    ]
    with m.If(taken):
        m.d.comb += Assert(dut.behind == behind)


def ordered(dut: RoundRobin) -> list[Any]:
    """What the arbiter keeps is an order.

    Proven here, and asserted wherever an arbiter is inside, since induction begins anywhere.
    """
    return [
        # Behind are always the highest requesters, or none.
        Assert((dut.behind & -dut.behind) == (~dut.behind + 1)[: len(dut.behind)] & dut.behind),
        Assert((dut.behind | (dut.behind - 1))[: len(dut.behind)].all()),
        *(
            Assert(bit == (dut.behind[high] & ~dut.behind[low]))
            for (low, high), bit in dut.overtakes.items()
        ),
    ]


class ArbiterSpec(Specification):
    """Parameters
    ----------
    count : number of requesters
    """

    def __init__(self, *, count: int) -> None:
        super().__init__()
        self._count = count

    def specify(self, m: Module) -> None:
        """A symbolic requester, the grants that pass it over, and how many still can."""
        m.submodules.dut = dut = RoundRobin(count=self._count)
        count = self._count
        m.d.comb += [dut.requests.eq(AnySeq(count)), dut.advance.eq(AnySeq(1))]
        who = AnyConst(range(count))
        m.d.comb += Assume(who < count)
        mine = Signal(count)
        m.d.comb += mine.eq(1 << who)

        grant = dut.grant
        m.d.comb += [*_chooses(Assert, dut), *_nominates(Assert, dut), *ordered(dut)]
        _searches(m, dut)
        # Quiet: who is not asked, or not heard, keeps his order.
        order = Cat(dut.behind, *dut.overtakes.values())
        before = Signal.like(order)
        kept = Signal()
        m.d.sync += [before.eq(order), kept.eq(~(dut.advance & dut.requests.any()))]
        with m.If(kept):
            m.d.comb += Assert(order == before)

        # How many others come before ours in the present order.
        width = Const(0, 16)
        higher = sum(
            (
                Cat(dut.behind[n] & (n < who) if count > 1 else Const(0, 1), width)
                for n in range(count)
            ),
            Const(0, 16),
        )
        lower_all = Signal(16)
        m.d.comb += lower_all.eq(who)
        ahead = Signal(16)
        behind_count = sum((Cat(dut.behind[n], width) for n in range(count)), Const(0, 16))
        # If ours is behind the last grant: those behind it with a lower number. Else: all of
        # those behind, and those in front of ours.
        is_behind = (dut.behind & mine).any()
        m.d.comb += ahead.eq(Mux(is_behind, higher, behind_count + lower_all))
        passed = Signal(16)
        with m.If(~(dut.requests & mine).any() | (dut.advance & (grant & mine).any())):
            m.d.sync += passed.eq(0)
        with m.Elif(dut.advance):
            m.d.sync += passed.eq(passed + 1)
        waiting = Signal()
        m.d.sync += waiting.eq((dut.requests & mine).any() & ~(dut.advance & (grant & mine).any()))
        m.d.comb += Assert(Mux(waiting, 1, passed == 0))
        with m.If(waiting):
            m.d.comb += [
                Assert(passed + ahead <= count - 1),
                Assert(passed <= count - 1),
            ]
        m.d.comb += [Cover(passed == count - 1)]
