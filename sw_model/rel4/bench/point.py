"""One point of the experiment: one machine, one policy, one concurrency."""

import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from rel4.abi.syscall_buffer import MAX_CAPACITY
from rel4.kernel.async_runtime import Policy
from rel4.kernel.kernel import Kernel
from rel4.machine.costs import Costs
from rel4.machine.device import MODEL_HARTS, Device, DeviceConfig
from rel4.machine.events import EventLog
from rel4.machine.machine import Machine
from rel4.trace.logfile import write_log
from uintr.program import choose
from uintr.registers import Flavour

from .analysis import window
from .campaign import identity
from .conservation import ConservationError, check_conservation
from .policies import find_policy
from .published import CALLS_PER_ROUND
from .results import PointRecord, make_record
from .workload import WORKLOADS, boot_workload

__all__ = ["Point", "log_name", "run_name", "run_point", "simulate"]


@dataclass(frozen=True, kw_only=True)
class Point:
    """What to run.

    Parameters
    ----------
    policy : name of a policy
    harts : 1 to 1024; in gateware 1 to 64
    concurrency : coroutines of a client, 1 to the capacity of the syscall buffer
    clients : threads that make calls, one a hart
    workload : name of a workload
    rounds : rounds of two calls each, at least 1
    timer_period : cycles, at least 2 000 (a tick's own work must fit)
    seed : of the timers' phases, the only random thing; at least 0
    jump : let time jump while the hardware is quiescent
    flavour : family of user interrupts

    Raises
    ------
    ValueError : a parameter is out of range; the sentence names it and the range.
    """

    policy: str
    harts: int
    concurrency: int
    clients: int = 1
    workload: str = "published"
    rounds: int = 10
    timer_period: int = 20_000
    seed: int = 1
    jump: bool = True
    flavour: Flavour = Flavour.RISCV

    @classmethod
    def of(cls, record: PointRecord) -> Self:
        """What a record is about."""
        return cls(
            policy=record.policy,
            harts=record.harts,
            concurrency=record.concurrency,
            rounds=record.rounds,
            timer_period=record.timer_period,
            seed=record.seed,
            flavour=Flavour(record.flavour),
        )

    def __post_init__(self) -> None:
        find_policy(self.policy)
        for name, value, least, most in (
            ("harts", self.harts, 1, MODEL_HARTS),
            ("clients", self.clients, 1, self.harts),
            ("concurrency", self.concurrency, 1, MAX_CAPACITY),
            ("rounds", self.rounds, 1, 1_000_000),
            ("timer-period", self.timer_period, 2_000, 1_000_000_000),
            ("seed", self.seed, 0, 2**63 - 1),
        ):
            if type(value) is not int:  # True is none either
                raise ValueError(f"{name} must be a whole number, not {value!r}")
            if not least <= value <= most:
                raise ValueError(f"{name} must be {least} to {most}, not {value}")
        if not isinstance(self.jump, bool):
            raise ValueError(f"jump must be true or false, not {self.jump!r}")
        choose("workload", self.workload, WORKLOADS)
        choose("flavour", self.flavour, Flavour)
        object.__setattr__(self, "flavour", Flavour(self.flavour))  # a study has the word

    @property
    def config(self) -> DeviceConfig:
        """The hardware it runs on."""
        return DeviceConfig(harts=self.harts, flavour=self.flavour)

    @property
    def calls(self) -> int:
        """System calls of the run."""
        return CALLS_PER_ROUND * self.rounds * self.concurrency * self.clients


def run_name(point: Point, device: str, costs: Costs | None = None) -> str:
    """The name of a run of ``point`` on ``device``, in its record and in its event log. Runs of one
    name are equal."""
    return identity(device=device, costs=_differences(costs), **asdict(point))


def _differences(costs: Costs | None) -> str | None:
    """Of ``costs`` from those of costs.toml, as a record has them."""
    found = costs.differences if costs is not None else ()
    return " ".join(f"{name}={value}" for name, value in found) or None


def log_name(point: Point) -> str:
    """File name of the point's event log; the same on every device."""
    flavour = "" if point.flavour == Flavour.RISCV else f"{point.flavour}-"
    return f"{flavour}{point.policy}-h{point.harts}-n{point.concurrency}-s{point.seed}.jsonl.gz"


def _said(point: Point) -> str:
    """What a sentence calls it."""
    shape = f"{point.harts} harts, {point.clients} clients, N = {point.concurrency}"
    return f"{point.flavour} {point.policy}, {shape}, seed {point.seed}"


async def simulate(
    point: Point,
    device: Device,
    costs: Costs | None = None,
    *,
    kernel: type[Policy] | None = None,
    capacity: int = MAX_CAPACITY,
) -> EventLog:
    """Run one point on a device that was just reset; returns its event log.

    Parameters
    ----------
    costs : of software work, instead of those of costs.toml
    kernel : the kernel's side of the policy, if it is not the usual one
    capacity : items of the rings

    Raises
    ------
    ConservationError : the run lost or invented something.
    MachineError : the model broke a rule of the machine.
    """
    policy = find_policy(point.policy)
    machine = Machine(device, costs=costs, jump=point.jump)
    phases = random.Random(f"timer-phase/{point.seed}/{point.concurrency}")
    system = Kernel(
        machine,
        policies=[(kernel or policy.kernel)()],
        timer_period=point.timer_period,
        timer_phase=[phases.randrange(1, point.timer_period) for _ in range(point.harts)],
    )
    pending = boot_workload(
        system,
        machine,
        workload=point.workload,
        style=policy.style if policy.asynchronous else None,
        clients=point.clients,
        concurrency=point.concurrency,
        rounds=point.rounds,
        seed=point.seed,
        capacity=capacity,
    )
    machine.boot(system)
    await machine.run()
    try:
        check_conservation(machine.log, pending, point.flavour)
    except ConservationError as error:
        raise ConservationError(f"{_said(point)}: {error}") from error
    return machine.log


async def run_point(
    point: Point,
    device: Device,
    *,
    run: str,
    device_name: str,
    log_path: Path | None,
    costs: Costs | None = None,
) -> PointRecord:
    """`simulate`, then measure between the marks and keep the log at ``log_path`` if given. ``run``
    is the name that both get (`run_name`)."""
    started = time.perf_counter()
    log = await simulate(point, device, costs)
    wall_s = time.perf_counter() - started
    measured = window(log)
    others = _differences(costs)
    if log_path is not None:
        about = {"run": run, "device": device_name, "costs": others, **asdict(point)}
        write_log(log.lines(), log_path, about)
    return make_record(
        run=run,
        device=device_name,
        flavour=point.flavour.value,
        policy=point.policy,
        harts=point.harts,
        concurrency=point.concurrency,
        rounds=point.rounds,
        timer_period=point.timer_period,
        seed=point.seed,
        cycles=measured.cycles,
        syscalls=point.calls,
        traps=measured.traps("ecall"),
        timer_traps=measured.traps("timer"),
        user_interrupts=measured.user_interrupts,
        wall_s=wall_s,
        costs=others,
    )
