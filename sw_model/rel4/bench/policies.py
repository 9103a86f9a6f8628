"""The policies of the experiment: kernel policy, style of the user's side, number of harts."""

from dataclasses import dataclass
from importlib.metadata import entry_points

from rel4.kernel import policies as kernel_policies
from rel4.kernel.async_runtime import Policy
from rel4.user.async_syscalls import Style

__all__ = ["GROUP", "POLICIES", "PolicyInfo", "find_policy", "policy_names"]

GROUP = "rel4.policies"
"""Entry-point group in which another distribution registers a `PolicyInfo`."""

PUBLISHED = Style()
DIRECT = Style(direct=True, batch=8)
PARALLEL = Style(direct=True, batch=8, poll_cycles=4_000)


@dataclass(frozen=True, kw_only=True)
class PolicyInfo:
    """One policy.

    Parameters
    ----------
    kernel : where the handler runs
    style : how the user's side works
    harts : number of harts that it runs with unless another is asked for
    asynchronous : False: synchronous calls only
    summary : for people
    """

    kernel: type[Policy]
    style: Style = PUBLISHED
    harts: int = 1
    asynchronous: bool = True
    summary: str


POLICIES: dict[str, PolicyInfo] = {
    "sync": PolicyInfo(
        kernel=kernel_policies.Never, asynchronous=False, summary="every call traps"
    ),
    "tick": PolicyInfo(
        kernel=kernel_policies.Tick, summary="handler at the timer tick, one hart (published)"
    ),
    "tick-smp": PolicyInfo(
        kernel=kernel_policies.TickSmp,
        harts=2,
        summary="handler at the tick of any hart that is not idle (published)",
    ),
    "ipi": PolicyInfo(
        kernel=kernel_policies.Ipi,
        harts=2,
        summary="wake-up interrupts the least busy hart (published)",
    ),
    "inline": PolicyInfo(
        kernel=kernel_policies.Inline,
        style=DIRECT,
        summary="the wake trap runs the handler; submissions in batches, replies handed over",
    ),
    "uipi": PolicyInfo(
        kernel=kernel_policies.Uipi,
        style=PARALLEL,
        harts=2,
        summary="handler on a hart of its own, woken by a user interrupt: no trap",
    ),
    "poll": PolicyInfo(
        kernel=kernel_policies.Poll,
        style=PARALLEL,
        harts=2,
        summary="as uipi, and the handler looks for a while before it sleeps",
    ),
    "spread": PolicyInfo(
        kernel=kernel_policies.Spread,
        style=Style(direct=True, batch=1, poll_cycles=4_000),  # the second handler waits for nobody
        harts=3,
        summary="two handlers for one buffer, on two harts of their own",
    ),
    "adaptive": PolicyInfo(
        kernel=kernel_policies.Adaptive,
        style=Style(direct=True, batch=8, poll_cycles=4_000, adaptive=True),
        summary="per call site synchronous or asynchronous, by measured cost",
    ),
}


def policy_names() -> list[str]:
    """Our own policies, then those that other distributions register under ``rel4.policies``."""
    others = {point.name for point in entry_points(group=GROUP)}
    return [*POLICIES, *sorted(others - POLICIES.keys())]


def find_policy(name: str) -> PolicyInfo:
    """The policy called ``name``, ours or one of the entry-point group ``rel4.policies``.

    Raises
    ------
    ValueError : there is none of that name, or what is registered under it is no `PolicyInfo`.
    """
    if name in POLICIES:
        return POLICIES[name]
    for point in entry_points(group=GROUP):
        if point.name == name:
            found = point.load()
            if not isinstance(found, PolicyInfo):
                raise ValueError(f"{GROUP} entry {name} must be a PolicyInfo, not {found!r}")
            return found
    raise ValueError(f"policy must be one of {', '.join(policy_names())}, not {name!r}")
