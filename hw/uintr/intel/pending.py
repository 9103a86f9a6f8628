"""The interrupts that are pending at a hart: what is needed of its local APIC."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from uintr.intel.registers import FIRST_VECTOR

__all__ = ["VECTOR_COUNT", "PendingInterrupts"]

VECTOR_COUNT = 0x100 - FIRST_VECTOR


class PendingInterrupts(wiring.Component):
    """IRR: a bit for each interrupt vector from FIRST_VECTOR on.

    While ``enabled``, ``notification_vector`` stands for a user-interrupt notification; all other
    vectors, and without it all, are ordinary interrupts. What is taken is gone in the next cycle.
    When the same vector arrives in that very cycle, the new one stays.

    Members
    -------
    arrive, vector : an interrupt comes in this cycle; vectors below FIRST_VECTOR are dropped
    enabled, notification_vector : CR4.UINTR and UINV
    take_notification, take_ordinary : the notification, or the highest ordinary interrupt, is taken
    requests : IRR, lowest vector first
    notification : one is pending
    ordinary : an ordinary interrupt is pending
    highest : its vector, the highest; 0 if there is none
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "arrive": In(1),
                "vector": In(8),
                "enabled": In(1),
                "notification_vector": In(8),
                "take_notification": In(1),
                "take_ordinary": In(1),
                "requests": Out(VECTOR_COUNT),
                "notification": Out(1),
                "ordinary": Out(1),
                "highest": Out(8),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Identification, priority, then the register."""
        m = Module()
        is_notification = Signal(VECTOR_COUNT)
        ordinary = Signal(VECTOR_COUNT)
        first = Signal(VECTOR_COUNT)
        for place in range(VECTOR_COUNT):
            m.d.comb += [
                is_notification[place].eq(
                    self.enabled & (self.notification_vector == FIRST_VECTOR + place)
                ),
                first[place].eq(ordinary[place] & ~ordinary[place + 1 :].any()),
            ]
            with m.If(ordinary[place]):  # the last, and so the highest, wins
                m.d.comb += self.highest.eq(FIRST_VECTOR + place)
        m.d.comb += [
            ordinary.eq(self.requests & ~is_notification),
            self.ordinary.eq(ordinary.any()),
            self.notification.eq((self.requests & is_notification).any()),
        ]

        taken = Signal(VECTOR_COUNT)
        new = Signal(VECTOR_COUNT)
        m.d.comb += taken.eq(
            Mux(self.take_notification, is_notification, 0) | Mux(self.take_ordinary, first, 0)
        )
        with m.If(self.arrive & (self.vector >= FIRST_VECTOR)):
            m.d.comb += new.eq(1 << self.vector[: (VECTOR_COUNT - 1).bit_length()])
        m.d.sync += self.requests.eq(self.requests & ~taken | new)
        return m
