"""Which post became which user interrupt: the arrows of a timeline."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from rel4.machine.events import (
    Event,
    ReceiverChanged,
    SenderEntryWritten,
    Trap,
    UipiDone,
    UserTrap,
)
from uintr.registers import CSRS, Csr, UipiFunction

__all__ = ["Delivery", "deliveries"]


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One post that reached its receiver.

    Parameters
    ----------
    receiver, vector : what was posted
    sent, sender : cycle and hart of the UIPI SEND
    taken, taker : cycle and hart of the trap that it caused or joined (into the user's handler or,
        from a receiver of supervisor kind, into the kernel), or of the UIPI READ that took it where
        there was no such trap
    read : cycle in which the receiver's pending bits were taken
    """

    receiver: int
    vector: int
    sent: int
    sender: int
    taken: int
    taker: int
    read: int


def deliveries(events: Iterable[Event]) -> list[Delivery]:
    """Every post that was taken, in the order in which they were.

    A UIPI READ takes all pending vectors of its receiver, and so does the kernel for one of
    supervisor kind. A post of a vector that is pending already adds nothing to the receiver's word;
    both posts are then taken together. A post that was never taken, or that the kernel cleared
    outside a trap for it, is no delivery.
    """
    entries: dict[tuple[int, int], tuple[int, int]] = {}
    waiting: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    trapped: dict[int, int] = {}
    kernel: dict[int, int] = {}
    found: list[Delivery] = []

    def take(event: Event, receiver: int, bits: int, trap: int) -> None:
        for vector in _bits(bits):
            for sent, sender in waiting.pop((receiver, vector), ()):
                delivery = Delivery(
                    receiver=receiver,
                    vector=vector,
                    sent=sent,
                    sender=sender,
                    taken=max(trap, sent),
                    taker=event.hart,
                    read=event.cycle,
                )
                found.append(delivery)

    for event in events:
        match event:
            case SenderEntryWritten():
                entries[event.table, event.index] = (event.receiver, event.vector)
            case UserTrap():
                trapped[event.hart] = event.cycle
            case Trap():
                kernel.pop(event.hart, None)
                if event.cause == "uipi":
                    kernel[event.hart] = event.cycle
            case ReceiverChanged() if event.cleared:
                if event.hart in kernel:
                    take(event, event.receiver, event.cleared, kernel[event.hart])
                for vector in _bits(event.cleared):
                    waiting.pop((event.receiver, vector), None)
            case UipiDone(function=UipiFunction.SEND.name, status="OK"):
                target = entries.get((event.table, event.operand))
                if target is not None:
                    waiting[target].append((event.cycle, event.hart))
            case UipiDone(function=UipiFunction.READ.name, status="OK"):
                receiver = CSRS[Csr.SUIRS].field("index").get(event.receiver)
                take(event, receiver, event.data, trapped.pop(event.hart, event.cycle))
            case _:
                pass
    return found


def _bits(word: int) -> list[int]:
    return [bit for bit in range(word.bit_length()) if word >> bit & 1]
