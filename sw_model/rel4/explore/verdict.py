"""What can be wrong with a run, and why in words."""

from collections import Counter
from dataclasses import dataclass

from rel4.machine.ops import Load, SpinWhile, Store, Swap

from .actors import End, Failure
from .program import AwaitWake, WrongItemError
from .state import Actor, State
from .system import System
from .trace import Line

__all__ = ["Verdict", "judge_end", "judge_state"]

EVENTS = ("AsyncSubmitted", "AsyncHandled", "AsyncReplied")


@dataclass
class Verdict:
    """``kind``: "lost wake-up", "deadlock", "lost item", "duplicated or corrupted item" or
    "broken buffer"; ``reason`` says it in sentences. Of a lost wake-up, ``flag`` and ``tail`` are
    the addresses of the words by which it should have been noticed."""

    kind: str
    reason: str
    flag: int = -1
    tail: int = -1

    def explain(self, lines: list[Line]) -> None:
        """Add which lines of the run did it."""
        if self.flag < 0:
            return
        cleared = max((n for n, line in _at(lines, self.flag) if _clears(line)), default=0)
        if not cleared:
            return
        sleeper = lines[cleared - 1].who
        found = max(
            (n for n, line in _at(lines, self.flag) if _finds_set(line, sleeper)), default=0
        )
        if found:
            self.reason += (
                f" The {lines[found - 1].who} found the flag set in line {found}, and so made no "
                "wake-up."
            )
        looks = [n for n, line in _at(lines, self.tail) if n > cleared and line.who == sleeper]
        self.reason += f" The {sleeper} cleared the flag in line {cleared} and went to sleep, " + (
            f"though it looked at the ring again in line {looks[-1]}: it did not see the item yet."
            if looks
            else "without another look at the ring."
        )


def _at(lines: list[Line], address: int) -> list[tuple[int, Line]]:
    numbered = enumerate(lines, start=1)
    return [(number, line) for number, line in numbered if line.address == address]


def _clears(line: Line) -> bool:
    return isinstance(line.op, Store) and line.op.value == 0 and line.who != "buffer"


def _finds_set(line: Line, sleeper: str) -> bool:
    return isinstance(line.op, Load | Swap) and line.result == 1 and line.who != sleeper


def judge_state(system: System, state: State) -> Verdict | None:
    """What has gone wrong already in ``state``."""
    for actor in Actor:
        if state.at[actor] in system.bad[actor]:
            node = system.node(state, actor)
            assert node is not None
            if not isinstance(node.op, Failure):
                return Verdict("duplicated or corrupted item", f"{node.plan.bad}.")
            wrong = WrongItemError.__name__ in node.plan.bad
            kind = "duplicated or corrupted item" if wrong else "broken buffer"
            who = ("thread", "interrupt handler", "kernel handler")[actor]
            return Verdict(kind, f"The {who} stopped: {node.plan.bad}.")
    return None


def judge_end(system: System, state: State) -> Verdict | None:
    """What is wrong with ``state``, in which nobody can go on."""
    thread, kernel = system.node(state, Actor.USER), system.node(state, Actor.KERNEL)
    assert thread is not None
    assert kernel is not None
    if isinstance(thread.op, End):
        ledgers: dict[str, Counter[int]] = {name: Counter() for name in EVENTS}
        for node in (thread, kernel):
            for kind, cid, count in node.ledger:
                ledgers[kind][cid] += count
        complaint = system.program.complaint(thread.outcome, ledgers)
        return Verdict("lost item", f"{complaint}.") if complaint else None

    memory = system.settled(state)

    def word(name: str) -> int:
        slot = system.slot(name)
        return memory[slot] if slot >= 0 else 0

    requests = word("requests.tail") - word("requests.head")
    replies = word("replies.tail") - word("replies.head")
    address = system.program.address
    if requests and isinstance(kernel.op, AwaitWake):
        online = word("handler_online")
        return Verdict(
            "lost wake-up",
            f"The request ring holds {_items(requests)}, the handler sleeps with handler_online = "
            f"{online}, and no wake-up is on its way.",
            address("handler_online"),
            address("requests.tail"),
        )
    if replies and isinstance(thread.op, SpinWhile):
        online = word("receiver_online")
        return Verdict(
            "lost wake-up",
            f"The reply ring holds {_items(replies)}, the receiver sleeps with receiver_online = "
            f"{online}, and no user interrupt is pending or on its way.",
            address("receiver_online"),
            address("replies.tail"),
        )
    submitted = Counter({c: n for kind, c, n in thread.ledger if kind == "AsyncSubmitted"})
    replied = Counter({c: n for kind, c, n in thread.ledger if kind == "AsyncReplied"})
    lost = submitted - replied
    if lost and not requests and not replies:
        names = ", ".join(f"caller {cid}" for cid in sorted(lost))
        return Verdict("lost item", f"Both rings are empty, and a call of {names} has no answer.")
    return Verdict(
        "deadlock",
        f"Nobody can go on; the request ring holds {_items(requests)}, the reply ring "
        f"{_items(replies)}.",
    )


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"
