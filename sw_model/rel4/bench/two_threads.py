"""What the experiments with two user threads share: their points, and the machine they run on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar

from rel4.kernel.boot import boot_initial_thread
from rel4.kernel.kernel import Kernel
from rel4.kernel.policies import Never
from rel4.machine.costs import Costs
from rel4.machine.device import Device, DeviceConfig
from rel4.machine.machine import Machine
from rel4.user.root_task import RootTask
from uintr.registers import Flavour

from .analysis import Window, window

__all__ = ["TwoThreads", "run_two_threads"]


@dataclass(frozen=True, kw_only=True)
class TwoThreads:
    """What to run.

    Parameters
    ----------
    kind : one of `KINDS`
    harts : 1 or 2
    rounds : messages there and back, at least 1
    flavour : family of user interrupts

    Raises
    ------
    ValueError : a parameter is out of range; the sentence names it and the range.
    """

    KINDS: ClassVar[tuple[str, ...]]
    MOST: ClassVar[dict[str, int]] = {"harts": 2, "rounds": 1_000_000}
    """Of each number; the least is 1."""

    kind: str
    harts: int
    rounds: int
    flavour: Flavour = Flavour.RISCV

    def __post_init__(self) -> None:
        if self.kind not in self.KINDS:
            raise ValueError(f"kind must be one of {', '.join(self.KINDS)}, not {self.kind!r}")
        for name, most in self.MOST.items():
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be 1 to {most}, not {getattr(self, name)}")

    @property
    def config(self) -> DeviceConfig:
        """The hardware it runs on."""
        return DeviceConfig(harts=self.harts, flavour=self.flavour)


async def run_two_threads(
    point: TwoThreads,
    device: Device,
    costs: Costs | None,
    program: Callable[[RootTask], Awaitable[None]],
    *,
    fastpath: bool = False,
) -> Window:
    """Run ``program`` as the initial thread, on a device that was just reset, with ``costs`` in
    place of costs.toml. Returns what was between its marks.

    Raises
    ------
    MachineError : the model broke a rule of the machine.
    """
    machine = Machine(device, costs=costs)
    kernel = Kernel(
        machine,
        policies=[Never()],
        timer_period=20_000,
        timer_phase=[20_000 + 777 * hart for hart in range(point.harts)],
        fastpath=fastpath,
    )
    task = RootTask(machine)

    async def initial() -> None:
        await program(task)

    boot_initial_thread(kernel, initial)
    machine.boot(kernel)
    await machine.run()
    return window(machine.log)
