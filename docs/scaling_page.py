"""The page on many harts: what bursts of posts, and a kernel with one lock, cost there."""

import csv
from collections.abc import Iterator
from pathlib import Path

from marked import table
from model_speed import speed_tables

from rel4.bench.analysis import window
from rel4.bench.burst import burst, shape
from rel4.bench.point import Point, simulate
from rel4.machine.costs import load_costs
from rel4.machine.device import MODEL_HARTS, run_sync
from rel4.reference.device import ReferenceDevice
from uintr.registers import MAX_HARTS

__all__ = ["scaling_page"]

_STUDY = Path(__file__).parent / "data" / "many_harts.csv"
_FEW, _SLOW = (2, 16, 64), 100_000
_SHOWN = {
    "cycles_per_round": "cycles of a round",
    "latency_p50": "latency p50",
    "latency_p99": "p99",
    "timer_traps": "timer traps",
    "kernel_cycles": "kernel cycles",
    "lock_wait_cycles": "lock wait",
}


def _cycles(policy: str, harts: int, timer_period: int = 20_000) -> int:
    point = Point(policy=policy, harts=harts, concurrency=8, timer_period=timer_period)
    return window(run_sync(simulate(point, ReferenceDevice(point.config)))).cycles


def _against_synchronous() -> Iterator[str]:
    alone = _cycles("sync", 1)
    for policy in ("sync", "tick", "ipi", "inline", "uipi", "poll", "spread", "adaptive"):
        cells = [alone / _cycles(policy, harts) for harts in _FEW]
        if policy != "tick":  # which waits for the tick
            cells.append(alone / _cycles(policy, _FEW[-1], _SLOW))
        texts = [f"{cell:.2f}" for cell in cells]
        yield " | ".join([f"`{policy}`", *texts, ""][: len(_FEW) + 2])


def scaling_page() -> str:
    """The page, with the figures of a run for 1 to the largest number of harts."""
    sizes = [1 << n for n in range(MODEL_HARTS.bit_length())]
    runs = [run_sync(burst(ReferenceDevice(shape(harts)))) for harts in sizes]
    rows = (" | ".join(map(str, (run.harts, *run.answers, *run.lines))) for run in runs)
    with _STUDY.open(encoding="utf-8", newline="") as file:
        rows_of_study = list(csv.DictReader(file))
    study = (
        " | ".join([row["harts"], *(f"{float(row[name]):,.0f}" for name in _SHOWN)])
        for row in rows_of_study
    )
    policies = " | ".join(["policy", *(f"{harts} harts" for harts in _FEW)])
    few, many = rows_of_study[0], rows_of_study[-1]
    growth = float(many["cycles_per_round"]) / float(few["cycles_per_round"]) - 1
    waits = int(many["lock_wait_cycles"]) / int(many["kernel_cycles"])
    tick = load_costs().table["kernel.timer_tick"].value
    first, last = runs[0], runs[-1]
    slope = (last.lines[1] - first.lines[1]) / (last.harts - first.harts)
    return f"""# Many harts

Every hart posts to its neighbour in the same cycle: the worst that can be asked of the controller.
Cycles from that one, on the reference device, run when these pages are built (a test holds up to 16
harts to the RTL):

{table("harts | first answer | last answer | first interrupt | last interrupt", rows)}
One post alone takes {first.lines[1]} cycles from instruction to interrupt; each further post of a
burst takes {slope:.2f} cycles more. What is shared is the bus on which hart units read their
sender-table entries, one transfer at a time; the controller itself accepts a post every cycle.
With a cache of entries in each sender the bus would be out of the way, and one cycle a post remain.

## The kernel

The kernel is what stops scaling first: it has one lock, and every hart that ticks takes it, an idle
one too. How many times as fast as synchronous calls on one hart a thread with eight coroutines is,
other harts idle, run when these pages are built:

{table(f"{policies} | {_FEW[-1]} harts, tick {_SLOW:,}", _against_synchronous())}
A tick is {tick} cycles of work in the kernel, so the ticks of {_FEW[-1]} harts want the lock
during more than {_FEW[-1] * tick:,} cycles of every 20 000, and whoever makes a system call waits
behind all of them. That is why `sync`, `tick`, `ipi` and `inline`, which enter the kernel for each
call or batch, lose there to one hart alone. A handler that serves calls lets in the harts that
wait, when it has held the lock for about as long as they will: a call for every three of them.
For more harts the tick has to be slower.
With a timer period of 1 000 000 cycles, policy `uipi` and eight coroutines
(`rel4 study examples/studies/many_harts.toml`, commit {few["commit"]}; the last two columns are of
all harts together):

{table(" | ".join(["harts", *_SHOWN.values()]), study)}
From {few["harts"]} to {many["harts"]} harts a round grows by {growth:.0%}, and waiting for the lock
to {waits:.0%} of the kernel's cycles. Idle harts without ticks, as larger kernels have them, would
be the first remedy.

## The model itself

{speed_tables()}

## Where it ends, and what would be beyond

{MAX_HARTS} harts is the limit of the gateware (`MAX_HARTS`); figures for more are those of the
reference device, as if the same gateware could be built so large. The field for a hart in a
receiver has 16 bits and does not stand in the way. What does:

* **One controller port for each hart.** The arbiter looks at all of them in one cycle, and a
  multiplexer as wide as that sets the clock. Beyond some tens of harts it has to be a tree with a
  register in each node: one cycle more a level.
* **One line to each hart.** Wires from one place to everywhere; on a large chip they take several
  cycles themselves. A controller for each cluster of harts, holding the receivers of that cluster,
  keeps lines short. A post to a foreign cluster then travels as a message with receiver and vector.
* **Migration.** A receiver would move between controllers with its thread. While it moves, posts
  must find the old place or the new one and neither twice: the old slot forwards until every sender
  table that names it has been rewritten.
* **Several chips.** The same message over a link that can be full. A post never waits for its
  effect, so it may be held back at the sender; it may not be lost, and two posts of one vector may
  be merged into one on the way, since a receiver does the same.
"""
