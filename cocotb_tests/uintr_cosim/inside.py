"""What runs inside the simulator for `uintr_cosim.device.run`: one cocotb test that is the job."""

import math
import os
import pickle
import signal
import traceback
import warnings
from pathlib import Path
from typing import Any

import cocotb

from uintr_cosim.device import JOB_FILE, JOB_VARIABLE, RESULT_FILE, RtlDevice
from uintr_cosim.simulator import SimulationError

__all__ = ["drive_job"]

# An idiom that the next cocotb drops is an error in what is ours.
warnings.filterwarnings("error", category=DeprecationWarning, module=r"uintr_cosim|tb_")

_GRACE_SECONDS = 10


@cocotb.test()
async def drive_job(dut: Any) -> None:
    """Drive the job to its end and leave (result, exception) behind.

    A limit in simulated time would be of no use: time stands still unless the job steps the device,
    and a job may step it as long as it likes. The process that started the simulator measures real
    time; the alarm is for the case that it is gone.
    """
    directory = Path(os.environ[JOB_VARIABLE])
    try:
        config, job, seconds = pickle.loads((directory / JOB_FILE).read_bytes())
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(math.ceil(seconds) + _GRACE_SECONDS)
        device = RtlDevice(config=config, dut=dut)
        await device.start()
        outcome = pickle.dumps((await job(device), None))
    except BaseException as error:
        (directory / RESULT_FILE).write_bytes(_failure(error))
        raise
    (directory / RESULT_FILE).write_bytes(outcome)


def _failure(error: BaseException) -> bytes:
    error.add_note("In the simulator:\n" + traceback.format_exc())
    try:
        failure = pickle.dumps((None, error))
        pickle.loads(failure)
    except Exception:
        plain = SimulationError(f"{type(error).__name__}: {error}")
        plain.__notes__ = error.__notes__
        return pickle.dumps((None, plain))
    return failure
