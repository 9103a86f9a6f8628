"""Recorded stimulus on the RTL under cocotb, on whatever simulator runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cocotb.triggers import Timer

from uintr.registers import Privilege
from uintr_cosim.device import RtlDevice
from uintr_cosim.signals import PRIVILEGE_BITS, RESPONSE_FIELDS
from uintr_verify.stimulus import read_steps

__all__ = ["replay"]

_STATUS_MASK = (1 << RESPONSE_FIELDS["status"]) - 1


def _reader(handle: Any) -> Callable[[], int]:
    """Reads a signal; an undefined bit is an error, which its text names."""
    read = handle._handle.get_signal_val_binstr
    return lambda: int(read(), 2)


async def replay(rtl: RtlDevice, *, path: Path, log: Path, cycles: int) -> int:
    """Play the first ``cycles`` cycles of ``path`` and write the log that the native replay writes;
    every output must be as recorded. Returns the number of responses.
    """
    dut, harts = rtl.dut, rtl.config.harts
    rest = sum(Privilege.S << PRIVILEGE_BITS * hart for hart in range(harts))
    signals = [getattr(dut, f"response_{hart}") for hart in range(harts)] + [dut.bus_response]
    read_status, *readers = [_reader(signal) for signal in (dut.status, *signals)]
    places = [1 + hart for hart in range(harts)] + [1 + 3 * harts]
    valid = sum(1 << place for place in places)
    cycle = last = count = 0
    step = Timer(2, "step")
    lines = []
    for kind, values, responses in read_steps(path):
        if kind == 2:
            dut.privilege.value = values[0]
        elif kind == 3:
            getattr(dut, f"request_{values[0]}").value = values[1]
        elif kind == 4:
            dut.bus_request.value = values[0]
        elif kind == 5:
            dut.rst.value = 1
            await step
            dut.rst.value = 0
            dut.privilege.value = rest
            for hart in range(harts):
                getattr(dut, f"request_{hart}").value = 0
            dut.bus_request.value = 0
            cycle, last = cycle + 1, 0
        else:
            repeat, status = values
            for _ in range(repeat):
                await step
                cycle += 1
                seen = read_status()
                shown = [
                    (number, readers[number]())
                    for number, place in enumerate(places)
                    if seen >> place & 1
                ]
                split = [
                    (number, word & mask, word >> mask.bit_length())
                    for number, word in shown
                    for mask in (_STATUS_MASK if number < harts else 1,)
                ]
                if seen != last or seen & valid:
                    answers = "".join(f" {n}:{status:x}:{data:x}" for n, status, data in split)
                    lines.append(f"{cycle} {seen:x}{answers}\n")
                last = seen
                count += len(split)
                assert seen == status, f"cycle {cycle}: status is {seen:x}, not {status:x}"
                answered = tuple((status, data) for _, status, data in split)
                assert answered == responses, f"cycle {cycle}: {answered}, not {responses}"
        if cycle >= cycles:
            break
    log.write_text("".join(lines))
    return count
