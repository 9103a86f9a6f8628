"""The costs that are fitted to the published one-core curve, with their standard errors."""

from dataclasses import dataclass

import numpy as np

from rel4.machine.costs import load_costs

from .published import CALLS_PER_ROUND, ROUNDS, TIMER_PERIOD, published_points

__all__ = ["Fitted", "fit_one_core"]


@dataclass(frozen=True)
class Fitted:
    """A cost in cycles, and the standard error of its estimate."""

    value: float
    error: float


def fit_one_core() -> dict[str, Fitted]:
    """``kernel.async_call`` and ``kernel.timer_tick`` from the published points of ``tick``.

    Time per trap is a straight line over the calls that share a trap. Its slope is the work of a
    call; its constant is the timer period, the trap's entry, and the work of a tick.
    """
    points = [point for point in published_points("tick") if point.traps is not None]
    traps = np.array([point.traps for point in points], dtype=float)
    rounds = ROUNDS * np.array([point.concurrency for point in points], dtype=float)
    calls = CALLS_PER_ROUND * rounds / traps
    times = np.array([point.cycles_per_round for point in points]) * rounds / traps
    (slope, constant), covariance = np.polyfit(calls, times, 1, cov=True)
    errors = np.sqrt(np.diag(covariance))
    rest = TIMER_PERIOD + load_costs()["trap.entry"]
    return {
        "kernel.async_call": Fitted(float(slope), float(errors[0])),
        "kernel.timer_tick": Fitted(float(constant) - rest, float(errors[1])),
    }
