"""The page on many harts: what bursts of posts, and a kernel with one lock, cost there."""

from rel4.bench.burst import burst, shape
from rel4.machine.device import MODEL_HARTS, run_sync
from rel4.machine.reference import ReferenceDevice
from uintr.registers import MAX_HARTS

__all__ = ["scaling_page"]


def scaling_page() -> str:
    """The page, with the figures of a run for 1 to the largest number of harts."""
    sizes = [1 << n for n in range(MODEL_HARTS.bit_length())]
    runs = [run_sync(burst(ReferenceDevice(shape(harts)))) for harts in sizes]
    rows = [
        f"| {run.harts} | {run.answers[0]} | {run.answers[1]} | {run.lines[0]} | {run.lines[1]} |"
        for run in runs
    ]
    first, last = runs[0], runs[-1]
    slope = (last.lines[1] - first.lines[1]) / (last.harts - first.harts)
    return f"""# Many harts

Every hart posts to its neighbour in the same cycle: the worst that can be asked of the controller.
Cycles from that one, on the reference device, run when these pages are built (a test holds up to 16
harts to the RTL):

| harts | first answer | last answer | first interrupt | last interrupt |
|---|---|---|---|---|
{chr(10).join(rows)}

One post alone takes {first.lines[1]} cycles from instruction to interrupt; each further post of a
burst takes {slope:.2f} cycles more. What is shared is the bus on which hart units read their
sender-table entries, one transfer at a time; the controller itself accepts a post every cycle.
With a cache of entries in each sender the bus would be out of the way, and one cycle a post remain.

The kernel is what stops scaling first: it has one lock, and every hart that ticks takes it, an idle
one too. `rel4 study examples/studies/scaling.toml` measures it (columns `lock_wait_cycles` and
`kernel_cycles`): up to 16 harts the other harts' ticks hardly matter to a thread with eight
coroutines; at 64 they keep the lock so busy that all three policies of that study are slower than
synchronous calls on one hart. Idle harts without ticks, as larger kernels have them, would be the
first remedy.

## Where it ends, and what would be beyond

{MAX_HARTS} harts is the limit of the register table (`MAX_HARTS`), so there are no figures for more
here. The field for a hart in a receiver has 16 bits and does not stand in the way. What does:

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
