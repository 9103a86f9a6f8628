"""Programs of the kernel explorer, and what is found in them.

A program is one list of operations a thread, with ticks of timers that may come at any time. The
pairs put every operation of root beside every operation of the victim; what needs more than a pair
is listed by name.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from time import perf_counter

from rel4.kernel.async_runtime import Policy
from rel4.kernel.policies import Inline, Uipi
from rel4.machine.device import run_sync
from uintr.registers import ALL_FEATURES, Feature, Flavour

from .operations import ROOT, THIRD, VICTIM, suits
from .schedule import Result, play_all
from .world import World

__all__ = ["Finding", "Program", "explore_program", "longer", "pairs"]


OWN = {Flavour.RISCV: ("own_registers",), Flavour.INTEL: ("own_flag",)}


@dataclass(frozen=True, kw_only=True)
class Program:
    """What the threads do.

    Parameters
    ----------
    root, victim, third : names of operations; without a third there are two harts
    ticks : harts whose timer is due once, at any time
    deviations : how often a schedule may leave a hart that could go on
    flavour, features : of the hardware
    policy : where handlers of syscall buffers run
    receivers : of the hardware
    quota : units that their address space may still take; default: as many as there are

    Raises
    ------
    ValueError : there is no such operation.
    """

    root: tuple[str, ...]
    victim: tuple[str, ...]
    third: tuple[str, ...] = ()
    ticks: tuple[int, ...] = ()
    deviations: int = 1
    flavour: Flavour = Flavour.RISCV
    features: Feature = ALL_FEATURES
    policy: type[Policy] = Inline
    receivers: int = 16
    quota: int | None = None

    def __post_init__(self) -> None:
        for names, table, who in (
            (self.root, ROOT, "root"),
            (self.victim, VICTIM, "victim"),
            (self.third, THIRD, "third"),
        ):
            for name in names:
                if name not in table:
                    known = ", ".join(sorted(table))
                    raise ValueError(f"{who} must be one of {known}, not {name!r}")
        if not 0 <= self.deviations <= 4:
            raise ValueError(f"deviations must be 0 to 4, not {self.deviations}")

    def title(self) -> str:
        """The program in a few words."""
        third = f", third {' '.join(self.third)}" if self.third else ""
        ticks = f", tick {' '.join(map(str, self.ticks))}" if self.ticks else ""
        lacking = "" if self.features == ALL_FEATURES else ", without extensions"
        lacking += "" if self.policy is Inline else f", {self.policy.name}"
        lacking += "" if self.receivers == 16 else f", {self.receivers} receivers"
        lacking += "" if self.quota is None else f", quota {self.quota}"
        return (
            f"{self.flavour}: root {' '.join(self.root)}, victim {' '.join(self.victim)}"
            f"{third}{ticks}{lacking}"
        )

    def world(self) -> World:
        """The world, prepared."""
        lists = [[ROOT[name] for name in self.root], [VICTIM[name] for name in self.victim]]
        if self.third:
            lists.append([THIRD[name] for name in self.third])
        world = World(
            lists,
            flavour=self.flavour,
            features=self.features,
            policy=self.policy,
            receivers=self.receivers,
            quota=self.quota,
        )
        run_sync(world.prepare())
        return world


@dataclass
class Finding:
    """What was found in one program.

    Parameters
    ----------
    program : which
    right : outcomes of coarse schedules
    coarse, fine : schedules of either kind
    states : different states in the fine ones: what every hart has seen, where it stands, what is
        pending
    moves : stops that were passed
    wrong : the shortest schedule that went wrong, and why
    """

    program: Program
    right: int = 0
    coarse: int = 0
    fine: int = 0
    states: int = 0
    moves: int = 0
    seconds: float = 0.0
    wrong: Result | None = None
    reasons: list[str] = field(default_factory=list)


def explore_program(program: Program) -> Finding:
    """Play a program along all its schedules."""
    begin = perf_counter()
    found = Finding(program)
    world = program.world()
    coarse = play_all(world, coarse=True, ticks=program.ticks)
    fine = play_all(world, coarse=False, deviations=program.deviations, ticks=program.ticks)
    right = {result.outcome for result in coarse if not result.faults and not result.known}
    found.right, found.coarse, found.fine = len(right), len(coarse), len(fine)
    found.states = len(set().union(*(result.states for result in fine)))
    found.moves = sum(len(result.moves) for result in fine)
    wrong = [result for result in coarse if result.faults]
    wrong += [
        result
        for result in fine
        if result.faults or (not result.known and result.outcome not in right)
    ]
    if wrong:
        found.wrong = min(wrong, key=lambda result: len(result.moves))
        found.reasons = found.wrong.faults or [
            f"no order of whole operations ends like this: {found.wrong.outcome}"
        ]
    found.seconds = perf_counter() - begin
    return found


def pairs(flavour: Flavour, *, deviations: int = 1) -> Iterator[Program]:
    """Every operation of root beside every operation of the victim."""
    for root in ROOT:
        for victim in VICTIM:
            if suits(victim, flavour):
                yield Program(
                    root=(root,), victim=(victim,), flavour=flavour, deviations=deviations
                )


def longer(flavour: Flavour) -> Iterator[Program]:
    """Programs of more than a pair: what comes and goes around a system call, timers, posts."""
    base = Program(root=("yield",), victim=("yield",), flavour=flavour)
    for victim in ("poll_plain", "send_message", "call", "wait_own", "yield", "register_sender"):
        for root in ("read_registers", "suspend", "move_here", "delete_victims_sender"):
            yield replace(base, root=(root,), victim=(victim,), ticks=(1,))
    for victim in ("send_message", "call", "receive_message", "poll_plain", "wait_own", "fault"):
        yield replace(base, root=("suspend", "resume"), victim=(victim,), deviations=2)
        yield replace(base, root=("move_here", "move_away"), victim=(victim,))
    for root in ("read_registers", "write_registers", "set_priority", "set_space"):
        yield replace(
            base, root=("receive_message", root, "receive_if_sent"), victim=("send_message",)
        )
    for posts in (("send", "signal_victim"), ("signal_victim", "send"), ("send", "send")):
        yield replace(base, root=posts, victim=("wait_own",), deviations=2)
        yield replace(base, root=posts, victim=("receive_message",), deviations=2)
        yield replace(base, root=(posts[0],), third=(posts[1],), victim=("wait_own",))
    for root in ("unbind_self", "delete_by_buffer", "call_by_buffer"):
        buffer = ("register_buffer", root, "call_by_buffer")
        yield replace(base, root=buffer, victim=("send",))
        yield replace(base, root=buffer, victim=("signal_plain",), ticks=(0,))
    for root in ("suspend", "unbind_victim", "delete_victim", "move_here", "delete_roots_sender"):
        yield replace(base, root=(root,), third=("send",), victim=("wait_own",))
        yield replace(base, root=(root,), third=("signal_victim",), victim=("yield",))
    for victim in ("yield", "unbind"):
        yield replace(base, root=("register_buffer",), victim=(victim,), policy=Uipi, receivers=2)
    again = ("unbind", "register_receiver")
    for quota in (0, 1):  # whoever comes first has the unit that is left, or was given back
        few = replace(base, victim=again, quota=quota)
        yield replace(few, root=("register_buffer",))
        yield replace(few, root=("register_buffer",), policy=Uipi)
        yield replace(few, root=("register_buffer", "delete_by_buffer"))
        yield replace(few, root=("unbind_self", "register_buffer"))
        yield replace(few, root=("unbind_victim", "register_buffer"))
    yield replace(base, root=("move_third",), victim=("yield", "yield"), third=OWN[flavour])
    if flavour is Flavour.RISCV:
        for own in (("write", "activate"), ("activate", "write"), ("deactivate", "read")):
            for root in ("unbind_victim", "delete_victim", "suspend"):
                yield replace(base, root=(root,), victim=own)
        slots = Feature.SLOT_RESET
        yield replace(
            base, root=("register_buffer",), victim=("yield",), policy=Uipi, features=slots
        )
        for victim in ("wait_own", "receive_message"):
            yield replace(base, root=("send",), victim=(victim,), ticks=(0, 1), features=slots)
