"""The compiled kernel's batches in the model: replies are published together."""

from functools import partial

from rel4.bench.analysis import window
from rel4.bench.batched import batched
from rel4.bench.point import Point, simulate
from rel4.kernel.policies import Uipi
from rel4.machine.device import find_device
from rel4.machine.events import AsyncHandled, AsyncReplied

POINT = Point(policy="uipi", harts=2, concurrency=4, rounds=3)


def run(most: int) -> tuple[str, float]:
    """With batches of at most ``most`` and much work for each: H and R, a letter for each request
    handled and each reply taken, and the cycles. Every call is answered once, or it raises."""
    kernel = batched(Uipi, 3000, most)
    log = find_device("reference")(POINT.config, partial(simulate, POINT, kernel=kernel))
    letters = {AsyncHandled: "H", AsyncReplied: "R"}
    return "".join(letters.get(type(event), "") for event in log), window(log).cycles


def test_no_reply_is_seen_before_its_batch_is_served() -> None:
    alone, slow = run(1)
    together, fast = run(8)
    assert alone == "HR" * POINT.calls
    assert "HHHR" in together
    assert together.count("H") == together.count("R") == POINT.calls
    assert fast < slow
