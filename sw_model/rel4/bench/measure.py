"""Costs of software measured on compiled runs: ``python -m rel4.bench.measure`` (``make costs``).

A run of the experiment as machine code is watched instruction by instruction. The cycles of named
functions are summed up from one moment of a kind to the next (one system call, one request served,
one reply taken): each such sum is a sample of a cost. What is stored is the mean, and the spread
beside it, at several memory latencies and cache sizes.
"""

import itertools
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, quantiles

from rel4.abi.c_header import Moment
from rel4.compiled.compiler import find_compiler
from rel4.compiled.elf import Program
from rel4.compiled.runner import Listener, Retired, RunConfig, run_program
from rel4.compiled.system import KERNEL_OFFSET, configured
from uintr.files import write_atomically
from uintr.program import Parser

from .compiled import Setup, image_words, system
from .options import numbers
from .point import Point
from .results import source_commit

__all__ = ["MEASURED", "ONE_REQUEST", "Sample", "measure", "render", "values"]

N, ROUNDS = 8, 8
"""Coroutines and rounds of the runs that are watched; these runs alone make costs."""
MEASURED = Path(__file__).parents[1] / "machine" / "costs.measured.toml"
_PART = Path("build") / "costs.measured.toml"
"""What is measured so far. `MEASURED` changes at the end alone: it is part of the checkout, and a
checkout with a changed file is no commit's any more."""
_NEVER = 1 << 40
_MARK = 0x2013
"""slti x0, rs1, id: the low 15 bits."""


@dataclass(frozen=True)
class Spec:
    """One cost: in which run (of a policy, or one of `PROGRAMS`), per which moment, of which
    functions' cycles. A name with a blank in it is no cost of the model's: it is stored beside
    them, as one of the "measures".

    ``functions`` are names, or ``user`` or ``kernel`` for all of that side that no other cost of
    the same run has. ``cause`` narrows the moment TRAP down to one cause. Where
    ``turns`` kinds of calls take turns, ``turn`` is the one that is meant. ``since``: the sample is
    not what the functions took, but what has passed since a hart left them. ``sparse``: only
    where they ran at all. ``scale``: the part of the
    cycles that is the cost. ``typical``: the cost is
    the median, because some samples have a wait in them. ``batched``: it is the median too, and
    what the mean is more, which is what the first call of a batch costs more (caches and
    translations that the trap displaced), is charged once a batch, to ``kernel.wake``.
    """

    cost: str
    run: str
    moment: Moment
    functions: tuple[str, ...]
    cause: int | None = None
    turn: int | None = None
    turns: int = 2
    since: bool = False
    sparse: bool = False
    scale: float = 1.0
    typical: bool = False
    batched: bool = False


_ECALL, _TIMER, _SOFTWARE = 8, 1 << 63 | 5, 1 << 63 | 1
_ENTRY = ("trap_entry", "enter", "not_alone", "trap", "lock_acquire")
_EXIT = ("kernel_leave", "uintr_switch", "save", "vspace_activate", "lock_release", "trap_exit")
_TICK = ("policies_on_tick", "scheduler_tick", "interrupt")
_SIGNAL = ("policies_on_signal", "uintr_take_interrupts", "handler_wake")
_DECIDE = ("adaptive_grant", "adaptive_made", "next_stretch", "adaptive_start")
_WAITING = ("idle", "kernel_leave", "policy_linger", *_TICK)
ALONE = " alone"
"""Ends the name of a run with a single coroutine."""
ONE_REQUEST = {"poll": "request alone", "uipi": "request that wakes"}
"""The measures that are `kernel.async_call` in a batch of one, by policy: where the handler looked
for it, and where it slept."""
SPECS = (
    Spec("trap.entry", "sync", Moment.TRAP, _ENTRY),
    Spec("trap.exit", "sync", Moment.TRAP, _EXIT),
    Spec("kernel.timer_tick", "sync", Moment.TRAP, _TICK, cause=_TIMER),
    Spec("kernel.invocation", "sync", Moment.TRAP, ("kernel",), cause=_ECALL),
    Spec("user.invoke", "sync", Moment.TRAP, ("user",), cause=_ECALL),
    # The same in the other run: what they are more there is part of kernel.wake.
    Spec("(trap.entry)", "inline", Moment.TRAP, _ENTRY),
    Spec("(trap.exit)", "inline", Moment.TRAP, _EXIT),
    Spec("(kernel.timer_tick)", "inline", Moment.TRAP, _TICK, cause=_TIMER),
    Spec(
        "kernel.wake",
        "inline",
        Moment.TRAP,
        ("syscall_handle", "policies_on_wake", "handler_wake", "policy_linger", "policy_budget"),
        cause=_ECALL,
    ),
    Spec("kernel.async_call", "inline", Moment.HANDLED, ("kernel",), batched=True),
    Spec("user.get_reply", "inline", Moment.REPLIED, ("async_next_reply",), batched=True),
    Spec("user.look", "inline", Moment.REPLIED, ("find_reply", "announce"), batched=True),
    Spec("user.resume", "inline", Moment.REPLIED, ("executor_run",), batched=True),
    Spec("user.fill_and_send", "inline", Moment.SUBMITTED, ("user",), batched=True),
    Spec("user.interrupt_handler", "tick", Moment.USER_TRAP, ("user_interrupt",)),
    Spec("user.fetch", "tick", Moment.SUBMITTED, ("executor_run",), typical=True),
    Spec("user.wake", "tick", Moment.REPLIED, ("receive", "executor_wake")),
    Spec("user.decide", "adaptive", Moment.SUBMITTED, _DECIDE),
    # A round trip of the slow path is three sends, receives or replies in two traps.
    Spec("kernel.ipc", "ipc sync", Moment.TRAP, ("kernel",), cause=_ECALL, scale=2 / 3),
    Spec("(trap.entry, ipc)", "ipc sync", Moment.TRAP, _ENTRY),
    Spec("(trap.exit, ipc)", "ipc sync", Moment.TRAP, _EXIT),
    Spec("user.ipc", "ipc sync", Moment.TRAP, ("user",), cause=_ECALL),
    Spec("(trap.entry, fast)", "ipc fastpath", Moment.TRAP, _ENTRY),
    Spec("(trap.exit, fast)", "ipc fastpath", Moment.TRAP, _EXIT),
    Spec("kernel.fastpath_call", "ipc fastpath", Moment.TRAP, ("kernel",), _ECALL, turn=0),
    Spec("kernel.fastpath_reply_recv", "ipc fastpath", Moment.TRAP, ("kernel",), _ECALL, turn=1),
    Spec("user.get_request", "ipc async", Moment.HANDLED, ("get_request",)),
    Spec("user.put_reply", "ipc async", Moment.HANDLED, ("put_reply",)),
    Spec("(trap.entry, signals)", "signals", Moment.TRAP, _ENTRY),
    Spec("(trap.exit, signals)", "signals", Moment.TRAP, _EXIT),
    Spec("kernel.signal", "signals", Moment.TRAP, ("kernel",), _ECALL, turn=0),
    Spec("kernel.wait", "signals", Moment.TRAP, ("kernel",), _ECALL, turn=1),
    # The claim is made at the controller of user interrupts, since this hart has no other one that
    # is claimed at: then who waits is looked up, and woken.
    Spec("(trap.entry, posts)", "posts", Moment.TRAP, _ENTRY),
    Spec("(trap.exit, posts)", "posts", Moment.TRAP, _EXIT),
    Spec("kernel.interrupt", "posts", Moment.TRAP, ("kernel",), turn=0, turns=4),
)
TWO_HARTS = (
    Spec("trap.entry", "sync", Moment.TRAP, _ENTRY, typical=True),
    Spec("trap.exit", "sync", Moment.TRAP, _EXIT, typical=True),
    Spec("kernel.invocation", "sync", Moment.TRAP, ("kernel",), cause=_ECALL),
    Spec("user.invoke", "sync", Moment.TRAP, ("user",), cause=_ECALL),
    # What a request costs on the hart that serves, with what only a second hart brings: lines that
    # travel, the interrupt that makes the other hart forget, the lock.
    Spec("kernel.async_call", "uipi", Moment.HANDLED, ("kernel",)),
    Spec("(waiting)", "uipi", Moment.HANDLED, _WAITING),
    Spec("kernel.wake", "uipi", Moment.TAKEN, _SIGNAL),
    Spec("user.get_reply", "uipi", Moment.REPLIED, ("async_next_reply",)),
    Spec("(polling)", "uipi", Moment.REPLIED, ("find_reply",)),
    Spec("user.resume", "uipi", Moment.REPLIED, ("executor_run",)),
    Spec("user.fill_and_send", "uipi", Moment.SUBMITTED, ("user",)),
    # The same where each request is a batch of its own: `rel4.bench.validate` says what for.
    *(Spec(name, f"{run} alone", Moment.HANDLED, ("kernel",)) for run, name in ONE_REQUEST.items()),
    *(Spec(f"({run} waits)", f"{run} alone", Moment.HANDLED, _WAITING) for run in ONE_REQUEST),
    Spec("machine.ipi", "wakes", Moment.TRAP, ("send_ipi",), _ECALL, sparse=True),
    Spec("ipi to trap", "wakes", Moment.TRAP, ("send_ipi",), _SOFTWARE, since=True),
    Spec("free lock", "one of two", Moment.TRAP, ("lock_acquire",), _ECALL),
    Spec("contended lock", "contended", Moment.TRAP, ("lock_acquire",), _ECALL, sparse=True),
)
"""The costs that are others where there are two harts."""
PROGRAMS = {
    "ipc sync": ("ipc", [0, 1, N, ROUNDS]),
    "ipc fastpath": ("ipc", [0, 1, N, ROUNDS]),
    "ipc async": ("ipc", [1, 1, N, ROUNDS]),
    "signals": ("signals", [N * ROUNDS]),
    "posts": ("posts", [N * ROUNDS]),
    "wakes": ("signals", [N * ROUNDS, 1]),
    "one of two": ("signals", [N * ROUNDS]),
    "contended": ("contended", [N * ROUNDS]),
}
"""Runs that are no policy's: program, and words of its image."""


@dataclass(frozen=True)
class Sample:
    """One measured cost: its mean, and how the samples are spread."""

    mean: float
    low: float
    median: float
    high: float
    count: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Sample":
        """``low`` and ``high`` are the 5th and 95th percentile."""
        ranks = quantiles(samples, n=20) if len(samples) > 1 else [samples[0]] * 19
        return cls(fmean(samples), ranks[0], ranks[9], ranks[18], len(samples))


class _Watch(Listener):
    """Cycles by cost, cut into samples at the moments."""

    def __init__(self, program: Program, specs: Iterable[Spec]) -> None:
        self._symbols = program.symbols
        self._specs = list(specs)
        self._owner: dict[str, str] = {}
        self._left: dict[str, int] = {}  # when a hart was in a function that is asked since when
        for spec in self._specs:
            if spec.since:
                self._left |= dict.fromkeys(spec.functions, 0)
            else:
                self._owner |= dict.fromkeys(spec.functions, spec.cost)
        self._names: dict[int, tuple[str, str | None]] = {}
        self._before: dict[int, int] = {}
        self._sums: dict[tuple[int, str], float] = defaultdict(float)
        self._turns: dict[str, int] = defaultdict(int)
        self._inside = False
        self.samples: dict[str, list[float]] = {spec.cost: [] for spec in self._specs}

    def _of(self, pc: int) -> tuple[str, str | None]:
        """The function there, and the cost that its cycles belong to."""
        if pc not in self._names:
            found = self._symbols.function(pc)
            name = found[0].partition(".")[0] if found else ""
            side = "kernel" if pc >= KERNEL_OFFSET else "user"
            self._names[pc] = name, self._owner.get(name, self._owner.get(side))
        return self._names[pc]

    def retired(self, record: Retired) -> None:
        before = self._before.get(record.hart)
        self._before[record.hart] = record.cycle
        if self._inside and before is not None:
            name, cost = self._of(record.pc)
            if cost is not None:
                self._sums[record.hart, cost] += record.cycle - before
            if name in self._left:
                self._left[name] = record.cycle
        if record.insn & 0x7FFF == _MARK:
            self._moment(record.cycle, record.hart, record.insn >> 20, record.rs1)

    def _moment(self, cycle: int, hart: int, number: int, value: int) -> None:
        if number in (Moment.BEGIN, Moment.END):
            self._inside = number == Moment.BEGIN
            self._sums.clear()
            return
        for spec in self._specs:
            if self._inside and number == spec.moment and spec.cause in (None, value):
                if spec.since:
                    cycles = float(cycle - max(self._left[name] for name in spec.functions))
                else:
                    cycles = self._sums.get((hart, self._owner[spec.functions[0]]), 0.0)
                turn = self._turns[spec.cost]
                self._turns[spec.cost] += 1
                # What was before the first moment belongs to none of them.
                meant = spec.turn is None or (turn and (turn - 1) % spec.turns == spec.turn)
                if meant and (cycles or not spec.sparse):
                    self.samples[spec.cost].append(spec.scale * cycles)
        for spec in self._specs:
            if self._inside and number == spec.moment and spec.cause in (None, value):
                self._sums.pop((hart, self._owner.get(spec.functions[0], "")), None)


def _image(run: str, setup: Setup, harts: int) -> Program:
    """The program of a run, with what it is about written into it."""
    if run in PROGRAMS:
        name, words = PROGRAMS[run]
        setup = replace(setup, fastpath=run.endswith("fastpath"))
        # Where traps of several kinds take turns, no tick is among them.
        period, phases = (_NEVER, (_NEVER,)) if run == "posts" else (20_000, (10_000, 5_000))
        parameters = [harts, period, *phases[:harts]]
        return configured(system(setup, name), {"parameters": parameters, "experiment": words})
    policy = run.removesuffix(ALONE)
    point = Point(policy=policy, harts=harts, concurrency=N, rounds=ROUNDS)
    if policy != run:
        point = replace(point, concurrency=1, rounds=N * ROUNDS)
    return configured(system(setup), image_words(point))


def measure(setup: Setup, harts: int = 1) -> dict[str, Sample]:
    """Every cost of `SPECS`, or of `TWO_HARTS`, on what ``setup`` says."""
    specs: Sequence[Spec] = SPECS if harts == 1 else TWO_HARTS
    if setup.root_switch:  # what only other programs do is measured with the usual kernel alone
        specs = [spec for spec in specs if spec.run in ("sync", "inline", "tick")]
    found: dict[str, Sample] = {}
    for run in dict.fromkeys(spec.run for spec in specs):
        program = _image(run, setup, harts)
        watch = _Watch(program, [spec for spec in specs if spec.run == run])
        config = RunConfig(
            harts=harts,
            memory_latency=setup.memory_latency,
            cache_kib=setup.cache_kib,
            max_cycles=20_000_000,
            instructions=True,
        )
        result = run_program(program, config, runner=setup.device, listener=watch)
        if result.status != 0:
            raise ValueError(f"{run} must end with status 0, but {result.sentence}")
        found |= {
            cost: Sample.of(samples[1:])  # the first one begins anywhere
            for cost, samples in watch.samples.items()
            if len(samples) > 1
        }
    return found


def values(found: dict[str, Sample], harts: int = 1) -> dict[str, float]:
    """The cost that each of the samples makes."""
    specs = {spec.cost: spec for spec in (SPECS if harts == 1 else TWO_HARTS)}
    made = {}
    once_a_batch = 0.0
    for cost, sample in found.items():
        spec = specs[cost]
        made[cost] = sample.median if spec.typical or spec.batched else sample.mean
        if spec.batched:
            once_a_batch += (sample.mean - sample.median) * sample.count
    if harts == 1 and "kernel.wake" in found:
        made["kernel.wake"] += once_a_batch / found["kernel.wake"].count
        # A trap between batches finds its own code displaced, too.
        for cost in ("trap.entry", "trap.exit"):
            made["kernel.wake"] += made[f"({cost})"] - made[cost]
    return {cost: value for cost, value in made.items() if not cost.startswith("(")}


def render(rows: Sequence[tuple[Setup, int, dict[str, Sample]]]) -> str:
    """The TOML file of costs."""
    return _HEAD + "\n".join(_row(*row) for row in rows)


_HEAD = f"""# What software costs on the compiled system, in cycles. Written by `make costs`.
#
# `value` is the mean; or the median where some samples have a wait, or the work of a
# whole batch, in them: what the mean is more is part of kernel.wake then, once a batch.
# `spread`: 5th percentile, median and 95th. Watched: {N} coroutines, {ROUNDS} rounds. A row of
# two harts has the costs that are others there. Core: the RV64 hart in gateware, from its RTL.

"""


def _place(setup: Setup, harts: int) -> str:
    return "\n".join(
        (
            "[[at]]",
            f"memory_latency = {setup.memory_latency}",
            f"cache_kib = {setup.cache_kib}",
            f"root_switch = {setup.root_switch}",
            f"harts = {harts}",
            f'compiler = "{find_compiler(setup.compiler).version}"',
            f'flags = "{setup.flags}"',
            f'commit = "{source_commit()}"\n',
        )
    )


def _row(setup: Setup, harts: int, found: dict[str, Sample]) -> str:
    specs = {spec.cost: spec for spec in (SPECS if harts == 1 else TWO_HARTS)}
    made = values(found, harts)
    text = _place(setup, harts)
    for cost, sample in sorted((cost, found[cost]) for cost in made):
        spread = ", ".join(f"{each:.0f}" for each in (sample.low, sample.median, sample.high))
        table = "measures" if " " in cost else "costs"
        text += (
            f'{table}."{cost}" = {{ value = {made[cost]:.1f}, spread = [{spread}], '
            f'samples = {sample.count}, program = "{specs[cost].run}" }}\n'
        )
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Measure at every latency and cache size, and write the file."""
    parser = Parser(prog="python -m rel4.bench.measure", description=__doc__)
    parser.add_argument("--memory-latencies", default="1,10,30,100")
    parser.add_argument("--caches", default="4,16")
    parser.add_argument("--root-switches", default="0,1,2")
    parser.add_argument("--compiler", default="gcc")
    parser.add_argument("--device", default="rtl")
    parser.add_argument("--out", type=Path, default=MEASURED)
    arguments = parser.parse_args(argv)
    caches, latencies, switches = (
        numbers(name, text)
        for name, text in (
            ("caches", arguments.caches),
            ("memory-latencies", arguments.memory_latencies),
            ("root-switches", arguments.root_switches),
        )
    )
    before = "\n".join(each.read_text() for each in (_PART, arguments.out) if each.is_file())
    _PART.parent.mkdir(exist_ok=True)
    kept = ["[[at]]" + row.rstrip() + "\n" for row in before.split("[[at]]")[1:]]
    text = _HEAD
    for switch, cache, latency in itertools.product(switches, caches, latencies):
        setup = Setup(
            device=arguments.device,
            memory_latency=latency,
            cache_kib=cache,
            compiler=arguments.compiler,
            root_switch=switch,
        )
        for harts in (1, 2) if not switch else (1,):
            # What this commit has measured before an interruption stays.
            done = [row for row in kept if row.startswith(_place(setup, harts))]
            text += (done[0] if done else _row(setup, harts, measure(setup, harts))) + "\n"
            write_atomically(_PART, text.encode())
            where = f"cache {cache} KiB, memory latency {latency}, root switch {switch}"
            print(f"{where}, harts {harts}: {'kept' if done else 'measured'}", flush=True)
    write_atomically(arguments.out, text.encode())
    _PART.unlink()
    print(f"Costs are in {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
