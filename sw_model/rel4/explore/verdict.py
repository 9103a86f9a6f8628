"""What can be wrong with a run, and why in words."""

from collections import Counter
from dataclasses import dataclass

from rel4.machine.ops import Load, SpinWhile, Store, Swap

from .actors import End, Failure
from .program import AwaitWake
from .system import Actor, State, System
from .trace import Line

__all__ = ["Verdict", "judge_end", "judge_state"]

EVENTS = ("AsyncSubmitted", "AsyncHandled", "AsyncReplied")


@dataclass
class Verdict:
    """``kind``: "lost wake-up", "deadlock", "lost item", "duplicated or corrupted item" or
    "broken buffer"; ``reason`` is a sentence; ``flag`` is the address of the flag that failed."""

    kind: str
    reason: str
    flag: int = -1

    def explain(self, lines: list[Line]) -> None:
        """Say which lines of the run did it."""
        if self.flag < 0:
            return
        cleared = looked = 0
        for number, line in enumerate(lines, start=1):
            if line.address != self.flag:
                continue
            match line.op:
                case Store(_, 0):
                    cleared = number
                case Load() | Swap() if line.result:
                    looked = number
        if cleared:
            who = lines[cleared - 1].who
            self.reason += f" In line {cleared} the {who} cleared its flag for the last time."
        if looked:
            who = lines[looked - 1].who
            self.reason += (
                f" In line {looked} the {who} found the flag set and left the wake-up to others."
            )


def judge_state(system: System, state: State) -> Verdict | None:
    """What has gone wrong already in ``state``."""
    for actor in Actor:
        if state.at[actor] in system.bad[actor]:
            node = system.node(state, actor)
            assert node is not None
            if not isinstance(node.op, Failure):
                return Verdict("duplicated or corrupted item", node.plan.bad)
            kind = (
                "duplicated or corrupted item" if "WrongItem" in node.plan.bad else "broken buffer"
            )
            return Verdict(kind, f"the {Actor(actor).name.lower()} actor stopped: {node.plan.bad}")
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
        return Verdict("lost or duplicated item", complaint) if complaint else None

    def word(name: str) -> int:
        slot = system.slot(name)
        return state.memory[slot] if slot >= 0 else 0

    requests = word("requests.tail") - word("requests.head")
    replies = word("replies.tail") - word("replies.head")
    address = system.program.address
    if requests and isinstance(kernel.op, AwaitWake):
        online = word("handler_online")
        return Verdict(
            "lost wake-up",
            f"{requests} request(s) are in the request ring, the handler sleeps (handler_online is "
            f"{online}), and nobody is going to wake it.",
            address("handler_online"),
        )
    if replies and isinstance(thread.op, SpinWhile):
        online = word("receiver_online")
        return Verdict(
            "lost wake-up",
            f"{replies} reply(s) are in the reply ring, the receiver sleeps (receiver_online is "
            f"{online}), no user interrupt is pending and none will be posted.",
            address("receiver_online"),
        )
    submitted = Counter({c: n for kind, c, n in thread.ledger if kind == "AsyncSubmitted"})
    replied = Counter({c: n for kind, c, n in thread.ledger if kind == "AsyncReplied"})
    lost = submitted - replied
    if lost and not requests and not replies:
        names = ", ".join(f"caller {cid}" for cid in sorted(lost))
        return Verdict("lost item", f"both rings are empty, and {names} still waits for a reply.")
    return Verdict("deadlock", f"nobody can go on; {requests} request(s), {replies} reply(s) wait.")
