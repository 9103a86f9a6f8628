"""What must hold in every run: nothing lost, nothing invented. Checked from the event log alone."""

from collections import Counter
from collections.abc import Iterable

from rel4.machine import events as ev
from uintr.registers import CSRS, Csr, UipiFunction

__all__ = ["ConservationError", "check_conservation"]


class ConservationError(Exception):
    """A run lost or invented a request, a reply or a user interrupt."""


def check_conservation(log: Iterable[ev.Event], pending_at_end: dict[int, int]) -> None:
    """Check one run.

    * Every request that was submitted was handled once and replied to once, and nothing else was.
    * Every bit that UIPI READ took had been posted since it was taken before; bits that were posted
      and not taken are pending at the end, no others; and at the end nothing is pending.
    * Every user interrupt found a bit to take, and every handler returned.

    Parameters
    ----------
    log : the run's events
    pending_at_end : pending word of each receiver, read from the hardware after the run

    Raises
    ------
    ConservationError : with the first violation, its cycle, and what was expected.
    """
    submitted: Counter[tuple[str, int]] = Counter()
    handled: Counter[tuple[str, int]] = Counter()
    pending: Counter[int] = Counter()
    entries: dict[tuple[int, int], tuple[int, int]] = {}
    in_handler: dict[str, bool] = {}
    took_something: dict[int, bool] = {}

    def fail(event: ev.Event, what: str) -> None:
        raise ConservationError(f"cycle {event.cycle}, hart {event.hart}: {what}")

    for event in log:
        match event:
            case ev.AsyncSubmitted():
                submitted[event.thread, event.cid] += 1
            case ev.AsyncHandled():
                whose = event.thread, event.cid
                handled[whose] += 1
                if handled[whose] > submitted[whose]:
                    fail(event, f"a request of coroutine {event.cid} was handled twice")
            case ev.AsyncReplied():
                whose = event.thread, event.cid
                handled[whose] -= 1
                submitted[whose] -= 1
                if handled[whose] < 0:
                    fail(event, f"coroutine {event.cid} got a reply that nobody made")
            case ev.SenderEntryWritten():
                entries[event.table, event.index] = (event.receiver, event.vector)
            case ev.ReceiverChanged():
                pending[event.receiver] |= event.posted
                invented = event.cleared & ~pending[event.receiver]
                if invented:
                    fail(event, f"receiver {event.receiver} had bits {invented:#x} nobody posted")
                pending[event.receiver] &= ~event.cleared
            case ev.UipiDone() if event.status == "OK":
                receiver = CSRS[Csr.SUIRS].field("index").get(event.receiver)
                if event.function == UipiFunction.SEND.name:
                    key = (event.table, event.operand)
                    if key not in entries:
                        fail(event, f"a post through sender entry {event.operand} nobody wrote")
                    receiver, vector = entries[key]
                    pending[receiver] |= 1 << vector
                elif event.function == UipiFunction.READ.name:
                    invented = event.data & ~pending[receiver]
                    if invented:
                        fail(event, f"receiver {receiver} had bits {invented:#x} nobody posted")
                    pending[receiver] &= ~event.data
                    took_something[event.hart] = bool(event.data)
                elif event.function == UipiFunction.WRITE.name:
                    pending[receiver] |= event.operand
            case ev.UserTrap():
                if in_handler.get(event.thread):
                    fail(event, f"{event.thread} took a user interrupt inside its handler")
                in_handler[event.thread] = True
                took_something[event.hart] = False
            case ev.UserReturn():
                in_handler[event.thread] = False
                if not took_something.get(event.hart):
                    fail(event, "a user interrupt came without a post")
            case _:
                pass

    for name, open_requests in (
        ("was not handled and replied", +submitted),
        ("got no reply", +handled),
    ):
        if open_requests:
            (thread, cid), count = next(iter(open_requests.items()))
            raise ConservationError(f"{count} request(s) of {thread}'s coroutine {cid}: {name}")
    for thread, inside in in_handler.items():
        if inside:
            raise ConservationError(f"{thread} never returned from its user-interrupt handler")
    for receiver in pending.keys() | pending_at_end.keys():
        found = pending_at_end.get(receiver, 0)
        if found != pending[receiver]:
            raise ConservationError(
                f"receiver {receiver} has {found:#x} pending at the end, the log says "
                f"{pending[receiver]:#x}"
            )
        if found:
            raise ConservationError(f"receiver {receiver} still has {found:#x} pending at the end")
