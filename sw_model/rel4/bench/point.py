"""One point of the experiment: one machine, one policy, one concurrency."""

import random
import time
from dataclasses import dataclass
from pathlib import Path

from rel4.abi.syscall_buffer import MAX_CAPACITY
from rel4.kernel.kernel import Kernel
from rel4.machine.costs import Costs
from rel4.machine.device import MODEL_HARTS, Device, DeviceConfig
from rel4.machine.events import EventLog, Mark, Trap, UserTrap
from rel4.machine.machine import Machine
from uintr.registers import Flavour

from .conservation import check_conservation
from .policies import find_policy
from .published import CALLS_PER_ROUND
from .results import PointRecord, make_record
from .workload import BEGIN, END, WORKLOADS, boot_workload

__all__ = ["Point", "log_name", "run_point", "simulate"]


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
    seed : of the timers' phases, the only random thing
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

    def __post_init__(self) -> None:
        find_policy(self.policy)
        for name, value, least, most in (
            ("harts", self.harts, 1, MODEL_HARTS),
            ("clients", self.clients, 1, self.harts),
            ("concurrency", self.concurrency, 1, MAX_CAPACITY),
            ("rounds", self.rounds, 1, 1_000_000),
            ("timer-period", self.timer_period, 2_000, 1_000_000_000),
        ):
            if not least <= value <= most:
                raise ValueError(f"{name} must be {least} to {most}, not {value}")

        if self.workload not in WORKLOADS:
            names = ", ".join(WORKLOADS)
            raise ValueError(f"workload must be one of {names}, not {self.workload!r}")
        if self.flavour not in list(Flavour):
            names = ", ".join(Flavour)
            raise ValueError(f"flavour must be one of {names}, not {self.flavour!r}")
        object.__setattr__(self, "flavour", Flavour(self.flavour))  # a study has the word

    @property
    def config(self) -> DeviceConfig:
        """The hardware it runs on."""
        return DeviceConfig(harts=self.harts, flavour=self.flavour)

    @property
    def calls(self) -> int:
        """System calls of the run."""
        return CALLS_PER_ROUND * self.rounds * self.concurrency * self.clients


def log_name(point: Point) -> str:
    """File name of the point's event log; the same on every device."""
    flavour = "" if point.flavour == Flavour.RISCV else f"{point.flavour}-"
    return f"{flavour}{point.policy}-h{point.harts}-n{point.concurrency}-s{point.seed}.jsonl.gz"


async def simulate(point: Point, device: Device, costs: Costs | None = None) -> EventLog:
    """Run one point on a device that was just reset; answers its event log.

    Parameters
    ----------
    costs : of software work, instead of those of costs.toml

    Raises
    ------
    ConservationError : the run lost or invented something.
    MachineError : the model broke a rule of the machine.
    """
    policy = find_policy(point.policy)
    machine = Machine(device, costs=costs, jump=point.jump)
    phases = random.Random(f"timer-phase/{point.seed}/{point.concurrency}")
    kernel = Kernel(
        machine,
        policies=[policy.kernel()],
        timer_period=point.timer_period,
        timer_phase=[phases.randrange(1, point.timer_period) for _ in range(point.harts)],
    )
    pending = boot_workload(
        kernel,
        machine,
        workload=point.workload,
        style=policy.style if policy.asynchronous else None,
        clients=point.clients,
        concurrency=point.concurrency,
        rounds=point.rounds,
        seed=point.seed,
    )
    machine.boot(kernel)
    await machine.run()
    check_conservation(machine.log, pending, point.flavour)
    return machine.log


async def run_point(
    point: Point, device: Device, *, device_name: str, log_path: Path | None
) -> PointRecord:
    """`simulate`, then measure between the marks and keep the log at ``log_path`` if given."""
    started = time.perf_counter()
    log = await simulate(point, device)
    wall_s = time.perf_counter() - started
    marks = {event.name: event.cycle for event in log if isinstance(event, Mark)}
    begin, end = marks[BEGIN], marks[END]
    inside = [event for event in log if begin <= event.cycle <= end]
    traps = [event.cause for event in inside if isinstance(event, Trap)]
    if log_path is not None:
        log.write(log_path)
    return make_record(
        device=device_name,
        flavour=point.flavour.value,
        policy=point.policy,
        harts=point.harts,
        concurrency=point.concurrency,
        rounds=point.rounds,
        timer_period=point.timer_period,
        seed=point.seed,
        cycles=end - begin,
        syscalls=point.calls,
        traps=traps.count("ecall"),
        timer_traps=traps.count("timer"),
        user_interrupts=sum(isinstance(event, UserTrap) for event in inside),
        wall_s=wall_s,
    )
