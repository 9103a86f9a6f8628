"""The proofs of the Intel flavour, and the broken designs that they have to notice."""

from functools import partial
from typing import Any

from amaranth.hdl import Mux

from uintr.intel.bus import LockingArbiter
from uintr.intel.descriptor_unit import DescriptorUnit
from uintr.intel.fabric import InterruptFabric
from uintr.intel.hart_unit import HartUnit
from uintr.intel.receiver import Receiver
from uintr.intel.registers import Msr
from uintr.intel.timer import UserTimer
from uintr.registers import Privilege
from uintr_formal.bug import Bug, also, elaborated
from uintr_formal.intel_bus import LockingBusSpec
from uintr_formal.intel_hart import IntelHartSpec
from uintr_formal.intel_parts import FabricSpec, FaultSpec, PendingSpec
from uintr_formal.intel_quiet import HartQuietSpec
from uintr_formal.intel_receiver import IntelReceiverSpec
from uintr_formal.intel_timer import UserTimerSpec
from uintr_formal.intel_update import UpdateSpec
from uintr_formal.prove import Proof

__all__ = ["INTEL_BUGS", "INTEL_PROOFS"]

_COVER = "every case happens"

INTEL_PROOFS: tuple[Proof, ...] = (
    *(
        Proof(
            f"intel bus {count}",
            "under the lock nobody else's transfer; held, ended once and for its owner",
            partial(LockingBusSpec, count=count),
            2,
            quick=count < 9,
        )
        for count in (2, 3, 5, 9)
    ),
    Proof("intel bus 3 cover", _COVER, partial(LockingBusSpec, count=3), 8, "cover"),
    Proof(
        "intel update",
        "atomic; PIR bits conserved; ON = one notification outstanding; none with SN",
        UpdateSpec,
        2,
    ),
    Proof("intel update cover", _COVER, UpdateSpec, 20, "cover", quick=False),
    Proof(
        "intel update narrow",
        "the same of one UPID and one entry, for broken designs",
        partial(UpdateSpec, narrow=True),
        2,
    ),
    Proof(
        "intel receiver",
        "highest vector first; UIRR conserved; faults and users change nothing",
        IntelReceiverSpec,
        2,
    ),
    Proof("intel receiver cover", _COVER, IntelReceiverSpec, 8, "cover"),
    Proof("intel timer", "the event once, when it is due; else quiet", UserTimerSpec, 2),
    Proof("intel timer cover", _COVER, UserTimerSpec, 4, "cover"),
    Proof(
        "intel hart",
        "each request answered once; accepted is posted; notified unless ON or SN",
        IntelHartSpec,
        2,
    ),
    Proof("intel hart cover", _COVER, IntelHartSpec, 26, "cover", quick=False),
    Proof("intel fabric", "one a cycle, to exactly whom it names", partial(FabricSpec, harts=3), 2),
    Proof("intel fabric cover", _COVER, partial(FabricSpec, harts=3), 4, "cover"),
    Proof("intel pending", "a request is set by arriving, cleared by being taken", PendingSpec, 2),
    Proof("intel pending cover", _COVER, PendingSpec, 8, "cover"),
    Proof("intel faults", "each refusal counts, in all bits", FaultSpec, 2),
    Proof("intel faults cover", _COVER, FaultSpec, 8, "cover"),
    Proof("intel quiet", "an idle hart unit stays as it is", HartQuietSpec, 2),
    Proof("intel quiet cover", _COVER, HartQuietSpec, 14, "cover"),
)


@also
def _no_lock(self: Any, m: Any) -> None:
    """The second word is read after the lock was given up."""
    m.d.comb += self.lock.eq(self.state[1])


@also
def _deaf_arbiter(self: Any, m: Any) -> None:
    """The arbiter of a bus without lock."""
    with m.If(self.bus.ack):
        m.d.sync += self.busy.eq(0)


@also
def _stb_alone(self: Any, m: Any) -> None:
    """An owner that has ``stb`` left over, without ``cyc``, keeps the bus."""
    with m.If(self.busy & self.bus.stb & ~self.bus.cyc):
        m.d.sync += self.busy.eq(1)


@also
def _vector_lost(self: Any, m: Any) -> None:
    """What is already in UIRR is forgotten when a notification is processed."""
    with m.If(self.merge):
        m.d.sync += self.words[Msr.UINTR_RR].eq(self.merged)


@also
def _lowest_first(self: Any, m: Any) -> None:
    uirr = self.words[Msr.UINTR_RR]
    with m.If(self.start & self.interrupt & uirr[0]):
        m.d.sync += self.uirrv.eq(0)


@also
def _sn_ignored(self: Any, m: Any) -> None:
    """SN is taken for clear once the UPID was read."""
    with m.If(self.bus.ack & self.state[3]):
        m.d.sync += self.status.eq(Mux(self.posting, self.bus.dat_r & ~2, self.bus.dat_r))


@also
def _vector_never_due(self: Any, m: Any) -> None:
    """The event of one vector never comes."""
    with m.If(self.timer[:6] == 41):
        m.d.comb += self.due.eq(0)


@also
def _timer_ignores_uif(self: Any, m: Any) -> None:
    """The event is processed with UIF clear too."""
    m.d.comb += m.submodules.timer.allowed.eq(self.enabled & (self.privilege == Privilege.U))


@also
def _begins_again(self: Any, m: Any) -> None:
    """A notification whose processing met a bus error is processed once more, for ever."""
    inside = m.submodules
    with m.If(inside.descriptor.lost):
        m.d.comb += [
            inside.pending.arrive.eq(1),
            inside.pending.vector.eq(inside.receiver.misc.uinv),
        ]


@also
def _silent_send(self: Any, m: Any) -> None:
    """The interrupt of a SENDUIPI is taken for sent at once."""
    m.d.comb += self.interrupt.valid.eq(m.submodules.descriptor.posting & self.sending)
    m.d.comb += m.submodules.descriptor.interrupt.ready.eq(1)


@also
def _deaf_last_hart(self: Any, m: Any) -> None:
    """Only the low bit of a destination is compared."""
    m.d.comb += self.arrive[2].eq(self.arrive[0])


INTEL_BUGS: tuple[Bug, ...] = (
    elaborated("intel: no lock between words", "intel update narrow", DescriptorUnit, _no_lock),
    elaborated("intel: SN is ignored", "intel update narrow", DescriptorUnit, _sn_ignored),
    elaborated("intel: an arbiter without lock", "intel bus 3", LockingArbiter, _deaf_arbiter),
    elaborated("intel: stb alone keeps the bus", "intel bus 3", LockingArbiter, _stb_alone),
    elaborated("intel: merging forgets UIRR", "intel receiver", Receiver, _vector_lost),
    elaborated("intel: the lowest vector first", "intel receiver", Receiver, _lowest_first),
    elaborated("intel: processing begins again", "intel hart", HartUnit, _begins_again),
    elaborated("intel: a post that notifies nobody", "intel hart", HartUnit, _silent_send),
    elaborated(
        "intel: a destination is mistaken", "intel fabric", InterruptFabric, _deaf_last_hart
    ),
    elaborated("intel: a timer that ignores UIF", "intel receiver", Receiver, _timer_ignores_uif),
    elaborated("intel: a vector that is never due", "intel timer", UserTimer, _vector_never_due),
)
