"""Records of points that were measured by nobody, with numbers of a plausible size."""

from typing import Any

from rel4.bench.results import PointRecord, make_record

__all__ = ["made_up"]


def made_up(cycles_per_round: int = 8_000, **values: Any) -> PointRecord:
    """A point of the published workload on one hart, each call a trap but for what is given."""
    rounds = values.setdefault("rounds", 10) * values["concurrency"]
    made: dict[str, Any] = {"device": "reference", "harts": 1, "timer_period": 20_000, "seed": 1}
    made |= {"cycles": cycles_per_round * rounds, "syscalls": 2 * rounds, "traps": 2 * rounds}
    made |= {"timer_traps": 0, "user_interrupts": 0, "wall_s": 0.1}
    return make_record(**made | values)
