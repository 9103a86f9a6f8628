"""The RTL device: the protocol under cocotb, and the runner that starts a simulator for a job."""

import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar, cast

from cocotb_tools.check_results import get_results

from rel4.machine.device import (
    Device,
    DeviceConfig,
    Request,
    Response,
    check_hart,
    check_submission,
)
from uintr.registers import Privilege
from uintr_cosim.signals import PRIVILEGE_BITS, pack_request, unpack_response
from uintr_cosim.simulator import (
    SimulationError,
    Simulator,
    build,
    build_root,
    find_simulator,
    launch,
    timeout_seconds,
)

__all__ = ["JOB_FILE", "JOB_VARIABLE", "RESULT_FILE", "WAVES_VARIABLE", "RtlDevice", "run"]

T = TypeVar("T")

JOB_FILE = "job.pickle"
RESULT_FILE = "result.pickle"
JOB_VARIABLE = "UINTR_JOB"
"""Environment variable that tells the simulator the folder of these files."""

WAVES_VARIABLE = "UINTR_WAVES"
"""Environment variable that names the file for the waveform of the next run."""

_CYCLE_STEPS = 2
"""Simulation steps of a clock cycle: low, high."""


class RtlDevice:
    """All user-interrupt hardware, simulated. See `rel4.machine.device.Device`.

    The simulator's own clock drives the design, but simulated time passes only while `run` or
    `reset` wait for it; between them no clock edge happens, however long Python takes. Python
    always stands at a falling edge: what it reads there has settled since the rising edge before,
    and what it writes there settles before the next.

    Parameters
    ----------
    config : shape of the hardware, which must be that of ``dut``
    dut : cocotb's handle of the top; `start` must be awaited before anything else

    Members
    -------
    cycles : clock cycles stepped since `start`
    dut : the handle
    """

    def __init__(self, *, config: DeviceConfig, dut: Any) -> None:
        from cocotb.triggers import Timer

        self.config = config
        self.cycles = 0
        harts = config.harts
        self.dut = dut
        self._timer = Timer
        self._cycle = Timer(_CYCLE_STEPS, "step")
        self._requests = [getattr(dut, f"request_{hart}") for hart in range(harts)]
        self._read_status = _reader(dut.status)
        self._read_responses = [_reader(getattr(dut, f"response_{hart}")) for hart in range(harts)]
        self._valid_mask = (1 << harts) - 1 << 1
        self._interrupt_bit = 1 + harts
        self._supervisor_bit = 1 + 2 * harts
        self._all_supervisor = sum(Privilege.S << PRIVILEGE_BITS * hart for hart in range(harts))
        self._forget()

    def _forget(self) -> None:
        """Python's side of a reset."""
        self._presented = False  # some hart presents a request in this cycle
        self._outstanding = [False] * self.config.harts
        self._tickets = [0] * self.config.harts
        self._privilege = self._sampled_privilege = self._all_supervisor
        self._word = 0  # status as of the last edge

    async def start(self) -> None:
        """Start the clock, with all inputs at rest. The hardware is in its power-on state."""
        from cocotb.clock import Clock

        dut = self.dut
        dut.rst.value = 0
        self._rest()
        Clock(dut.clk, _CYCLE_STEPS, unit="step", impl="gpi").start(start_high=False)

    def _rest(self) -> None:
        self.dut.privilege.value = self._privilege
        for request in self._requests:
            request.value = 0
        self.dut.bus_request.value = 0

    @property
    def quiescent(self) -> bool:
        return (
            bool(self._word & 1)
            and not self._presented
            and (self._privilege == self._sampled_privilege)
        )

    async def reset(self) -> None:
        dut = self.dut
        dut.rst.value = 1
        await self._cycle
        dut.rst.value = 0
        self.cycles += 1
        self._forget()
        self._rest()

    def set_privilege(self, hart: int, privilege: Privilege) -> None:
        check_hart(hart, self.config.harts)
        place = PRIVILEGE_BITS * hart
        mask = (1 << PRIVILEGE_BITS) - 1 << place
        privileges = self._privilege & ~mask | Privilege(privilege) << place
        if privileges != self._privilege:
            self._privilege = privileges
            self.dut.privilege.value = privileges

    def submit(self, hart: int, request: Request) -> None:
        check_submission(self._outstanding, hart, request)
        word = pack_request(request, self._tickets[hart] ^ 1)
        self._requests[hart].value = word
        self._tickets[hart] ^= 1
        self._outstanding[hart] = True
        self._presented = True

    async def run(self, limit: int) -> int:
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit!r}")
        if self.quiescent:
            # Nothing can happen, so Python need not look.
            await self._timer(_CYCLE_STEPS * limit, "step")
            self.cycles += limit
            self._word = self._read_status()
            return limit
        word = self._word
        stepped = 0
        while stepped < limit:
            calm = word & 1 and not self._presented and self._privilege == self._sampled_privilege
            await self._cycle
            stepped += 1
            self._presented = False
            self._sampled_privilege = self._privilege
            last, word = word, self._read_status()
            if (
                word & self._valid_mask
                or (word ^ last) >> self._interrupt_bit
                or (word & 1 and not calm)
            ):
                break
        self._word = word
        self.cycles += stepped
        if word & self._valid_mask:
            for hart in range(self.config.harts):
                if word >> (1 + hart) & 1:
                    self._outstanding[hart] = False
        return stepped

    def response(self, hart: int) -> Response | None:
        if not self._word >> (1 + hart) & 1:
            return None
        return unpack_response(self._read_responses[hart]())

    def interrupt(self, hart: int) -> bool:
        return bool(self._word >> (self._interrupt_bit + hart) & 1)

    def supervisor_interrupt(self, hart: int) -> bool:
        return bool(self._word >> (self._supervisor_bit + hart) & 1)


def _reader(handle: Any) -> Callable[[], int]:
    """Reads the signal's value.

    ``handle.value`` would do, but makes an array of four-valued bits each time, which costs eight
    times as much; the status is read in every cycle. An undefined bit raises ValueError.
    """
    read = handle._handle.get_signal_val_binstr
    return lambda: int(read(), 2)


def run(config: DeviceConfig, job: Callable[[Device], Coroutine[Any, Any, T]]) -> T:
    """Drive ``job`` on a simulated device to its end; the entry point ``rtl``.

    The simulator is a process of its own, so ``job`` and its result must be picklable: a
    module-level function or a `functools.partial` of one. An exception of the job is raised here,
    with its traceback in the simulator as a note. UINTR_SIM chooses the simulator (verilator by
    default), UINTR_SIM_TIMEOUT limits the run (seconds, 1800 by default), UINTR_WAVES names a file
    for the waveform of every signal as VCD (Verilator only).

    Raises
    ------
    SimulationError : no simulator, a failed build, a run without a good end, a time-out.
    ValueError : the gateware refuses the shape, or ``job`` cannot be pickled.
    """
    seconds = timeout_seconds()
    simulator = find_simulator()
    try:
        task = pickle.dumps((config, job, seconds))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"job must be a module-level function or a partial of one, not {job!r}"
        ) from error
    waves = os.environ.get(WAVES_VARIABLE)
    if waves and simulator.name != "verilator":
        raise SimulationError(f"{WAVES_VARIABLE} needs verilator, not {simulator.name}")
    folder = build(config, simulator, waves=bool(waves))
    runs = build_root() / "runs"
    runs.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f"{simulator.name}-", dir=runs))
    (directory / JOB_FILE).write_bytes(task)
    try:
        outcome = _simulate(simulator, folder, directory, seconds, waves=bool(waves))
        if waves:
            shutil.move(directory / "dump.vcd", waves)
    except SimulationError:
        raise  # the log stays
    except BaseException:
        shutil.rmtree(directory)
        raise
    shutil.rmtree(directory)
    result, failure = outcome
    if failure is not None:
        raise failure
    return cast(T, result)


def _simulate(
    simulator: Simulator, folder: Path, directory: Path, seconds: float, *, waves: bool
) -> tuple[Any, BaseException | None]:
    """One run in ``directory``. Returns the job's result and its exception."""
    log = directory / "log"
    what = f"the simulation with {simulator.name}"
    launch(
        what=what,
        action="test",
        spec={
            "simulator": simulator.name,
            "test_module": "uintr_cosim.inside",
            "build_dir": str(folder),
            "test_dir": str(directory),
            "waves": waves,
        },
        environment={**simulator.environment(), JOB_VARIABLE: str(directory)},
        seconds=seconds,
        log=log,
    )
    try:
        tests, failed = get_results(directory / "results.xml")
        result, error = pickle.loads((directory / RESULT_FILE).read_bytes())
    except (RuntimeError, OSError):
        raise SimulationError(f"{what} ended without a result; see {log}") from None
    if tests != 1 or (failed and error is None):
        raise SimulationError(f"{what} ended with {failed} of {tests} tests failed; see {log}")
    return result, error
