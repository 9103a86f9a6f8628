"""Which post became which user interrupt: the arrows of a timeline."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from rel4.machine.events import Event, ReceiverChanged, SenderEntryWritten, UipiDone, UserTrap
from uintr.registers import CSRS, Csr, UipiFunction

__all__ = ["Delivery", "deliveries"]


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One post that reached its receiver.

    Parameters
    ----------
    receiver, vector : what was posted
    sent, sender : cycle and hart of the UIPI SEND
    taken, taker : cycle and hart of the user trap that it caused or joined, or of the UIPI READ
        that took it where there was no such trap
    read : cycle of the UIPI READ that took it
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

    A UIPI READ takes all pending vectors of its receiver. A post of a vector that is pending
    already adds nothing to the receiver's word; both posts are then taken by the same READ. A post
    that no READ took is no delivery.
    """
    entries: dict[tuple[int, int], tuple[int, int]] = {}
    waiting: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    trapped: dict[int, int] = {}
    found: list[Delivery] = []
    for event in events:
        match event:
            case SenderEntryWritten():
                entries[event.table, event.index] = (event.receiver, event.vector)
            case UserTrap():
                trapped[event.hart] = event.cycle
            case ReceiverChanged():
                for vector in _bits(event.cleared):
                    waiting.pop((event.receiver, vector), None)
            case UipiDone(function=UipiFunction.SEND.name, status="OK"):
                target = entries.get((event.table, event.operand))
                if target is not None:
                    waiting[target].append((event.cycle, event.hart))
            case UipiDone(function=UipiFunction.READ.name, status="OK"):
                receiver = CSRS[Csr.SUIRS].field("index").get(event.receiver)
                trap = trapped.pop(event.hart, event.cycle)
                for vector in _bits(event.data):
                    found += [
                        Delivery(
                            receiver=receiver,
                            vector=vector,
                            sent=sent,
                            sender=sender,
                            taken=max(trap, sent),
                            taker=event.hart,
                            read=event.cycle,
                        )
                        for sent, sender in waiting.pop((receiver, vector), ())
                    ]
            case _:
                pass
    return found


def _bits(word: int) -> list[int]:
    return [bit for bit in range(word.bit_length()) if word >> bit & 1]
