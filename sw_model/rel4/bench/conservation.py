"""What must hold in every run: nothing lost, nothing invented. Checked from the event log alone."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rel4.machine import events as ev
from uintr.intel.registers import Instruction
from uintr.registers import CSRS, Csr, Flavour, UipiFunction

__all__ = ["ConservationError", "PendingAtEnd", "check_conservation"]


class ConservationError(Exception):
    """A run lost or invented a request, a reply or a user interrupt."""


@dataclass
class PendingAtEnd:
    """What the hardware holds after a run: the pending ``words`` of the receivers in use, by
    number, and which of these are the ``kernel``'s."""

    words: dict[int, int] = field(default_factory=dict)
    kernel: set[int] = field(default_factory=set)


class _Words:
    """Pending words of RISC-V receivers: a post of a vector that is pending adds nothing."""

    def __init__(self) -> None:
        self.sure: Counter[int] = Counter()

    def post(self, receiver: int, bits: int) -> None:
        """``bits`` were posted."""
        self.sure[receiver] |= bits

    def take(self, receiver: int, bits: int) -> int:
        """``bits`` were taken; returns those that nobody posted."""
        invented = bits & ~self.sure[receiver]
        self.sure[receiver] &= ~bits
        return invented

    def clear(self, receiver: int, bits: int) -> int:
        """The kernel took the word ``bits``; returns those that nobody posted."""
        return self.take(receiver, bits)


class _Twofold(_Words):
    """Pending vectors of Intel receivers: those that are ``sure``, and those of which there ``may``
    be one more, because they were posted while they were pending.

    A post is in PIR until notification processing, which leaves no event, moves it to UIRR. So a
    second post of a pending vector may become one interrupt with the first, or one of its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.may: Counter[int] = Counter()

    def post(self, receiver: int, bits: int) -> None:
        self.may[receiver] |= self.sure[receiver] & bits
        super().post(receiver, bits)

    def take(self, receiver: int, bits: int) -> int:
        extra = super().take(receiver, bits)
        invented = extra & ~self.may[receiver]
        self.may[receiver] &= ~extra
        return invented

    def clear(self, receiver: int, bits: int) -> int:
        return super().take(receiver, bits) & ~self.may.pop(receiver, 0)


def check_conservation(
    log: Iterable[ev.Event], pending_at_end: PendingAtEnd, flavour: Flavour = Flavour.RISCV
) -> None:
    """Check one run.

    * Every request that was submitted was handled once and replied to once, and nothing else was.
    * Every bit that UIPI READ took had been posted since it was taken before; bits that were posted
      and not taken are pending at the end, no others; and at the end nothing is pending. A hart
      that is tired of others' calls looks at its next tick alone, so what tells the kernel of a
      request that is answered by then may still be pending.
    * Every user interrupt found a bit to take, and every handler returned.
    * Intel: the same of every delivered vector, and of what the kernel took of its descriptors. A
      post of a vector that is pending may be an interrupt of its own there.

    Parameters
    ----------
    log : the run's events
    pending_at_end : read from the hardware after the run
    flavour : family of user interrupts

    Raises
    ------
    ConservationError : with the first violation, its cycle, and what was expected.
    """
    submitted: Counter[tuple[str, int]] = Counter()
    handled: Counter[tuple[str, int]] = Counter()
    words = _Words() if flavour is Flavour.RISCV else _Twofold()
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
                words.post(event.receiver, event.posted)
                invented = words.clear(event.receiver, event.cleared) if event.cleared else 0
                if invented:
                    fail(event, f"receiver {event.receiver} had bits {invented:#x} nobody posted")
            case ev.UipiDone() if event.status == "OK":
                receiver = CSRS[Csr.SUIRS].field("index").get(event.receiver)
                if event.function in (UipiFunction.SEND.name, Instruction.SENDUIPI.name):
                    key = (event.table, event.operand)
                    if key not in entries:
                        fail(event, f"a post through sender entry {event.operand} nobody wrote")
                    receiver, vector = entries[key]
                    words.post(receiver, 1 << vector)
                elif event.function == UipiFunction.READ.name:
                    invented = words.take(receiver, event.data)
                    if invented:
                        fail(event, f"receiver {receiver} had bits {invented:#x} nobody posted")
                    took_something[event.hart] = bool(event.data)
                elif event.function == UipiFunction.WRITE.name:
                    words.post(receiver, event.operand)
            case ev.Delivered():
                if words.take(event.receiver, 1 << event.vector):
                    fail(event, f"{event.thread} got vector {event.vector}, which nobody posted")
                took_something[event.hart] = True
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
    for receiver in words.sure.keys() | pending_at_end.words.keys():
        found = pending_at_end.words.get(receiver, 0)
        if found != words.sure[receiver]:
            raise ConservationError(
                f"receiver {receiver} has {found:#x} pending at the end, the log says "
                f"{words.sure[receiver]:#x}"
            )
        if found and receiver not in pending_at_end.kernel:
            raise ConservationError(f"receiver {receiver} still has {found:#x} pending at the end")
