"""The reference beside any system with hart ports: what is the first difference?"""

from collections import Counter
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from rel4.machine.device import DeviceConfig, Request, Response
from rel4.reference.intel.device import IntelReferenceDevice
from uintr.registers import Flavour, Privilege, Status
from uintr_cosim.functional import Functional
from uintr_cosim.hart_port import HartPins
from uintr_cosim.shared_reference import BusTransfer, SharedReference

__all__ = ["Scoreboard", "reset"]


async def reset(dut: Any, *, clock: Any = None, reset: Any = None, cycles: int = 2) -> None:
    """Hold the reset for some cycles."""
    clock = dut.clk if clock is None else clock
    reset = dut.rst if reset is None else reset
    reset.value = 1
    for _ in range(cycles):
        await RisingEdge(clock)
    reset.value = 0
    await RisingEdge(clock)


class Scoreboard:
    """Steps the reference with the inputs that the design gets, and compares all that hart ports
    and bus show, in every cycle. The first difference fails the test, in one sentence.

    Whoever drives the ports is of no concern to it, so that it stands beside a core as well. What
    the reference does not know of must rest: with Intel's flavour the bus from outside.

    Parameters
    ----------
    dut : a system as `uintr generate` writes it, or a module with ports of the same names
    config : its shape
    clock, reset : by default the module's ``clk`` and ``rst``

    Members
    -------
    reference : the device in Python
    cycle : cycles compared so far
    bins : functional coverage: how often each situation was met; `uintr_cosim.functional.model`
        lists what there is. Empty with Intel's flavour
    """

    def __init__(
        self, dut: Any, config: DeviceConfig, *, clock: Any = None, reset: Any = None
    ) -> None:
        self.config = config
        self.cycle = 0
        self.bins: Counter[str] = Counter()
        self._intel = config.flavour is Flavour.INTEL
        self.reference: Any
        self._functional: Functional | None = None
        if self._intel:
            self.reference = IntelReferenceDevice(config)
        else:
            self.reference = SharedReference(config)
            self._functional = Functional(reference=self.reference)
            self.bins = self._functional.bins
        self._ports = [HartPins(dut, hart) for hart in range(config.harts)]
        names = ("cyc", "stb", "we", "adr", "sel", "dat_w", "dat_r", "ack", "err")
        self._bus = {name: getattr(dut, f"bus__{name}") for name in names}
        self._presented: list[Request | None] = [None] * config.harts
        self._transfers = False  # one from outside is under way
        self._ended: Response | None = None  # how it did, a cycle ago
        self._told: list[str] = []
        clock = dut.clk if clock is None else clock
        self._task = cocotb.start_soon(self._watch(clock, dut.rst if reset is None else reset))

    async def _watch(self, clock: Any, reset: Any) -> None:
        while True:
            await RisingEdge(clock)
            self.cycle += 1
            if int(reset.value):
                await self.reference.reset()
                if self._functional is not None:
                    self._functional.reset()
                self._presented = [None] * self.config.harts
                self._transfers, self._ended = False, None
                continue
            for hart, port in enumerate(self._ports):
                self._hart(hart, port)
            if not self._intel:
                self._outside()
            self._step()

    def _differs(self, what: str, seen: object, expected: object) -> None:
        if seen != expected:
            last = "; ".join(self._told[-4:])
            raise AssertionError(
                f"{what} must be {expected} in cycle {self.cycle}, not {seen}; before that: {last}"
            )

    def _hart(self, hart: int, port: HartPins) -> None:
        """Inputs of this cycle to the reference, outputs of this cycle against it."""
        seen, reference = port.sample(), self.reference
        if seen.privilege in set(Privilege):
            reference.set_privilege(hart, Privilege(seen.privilege))
        expected = reference.response(hart)
        self._differs(f"response of hart {hart}", seen.response, expected)
        self._differs(f"interrupt of hart {hart}", seen.interrupt, reference.units[hart].interrupt)
        line = reference.supervisor_interrupt(hart)
        self._differs(f"supervisor interrupt of hart {hart}", seen.supervisor_interrupt, line)
        if expected is not None:
            self._presented[hart] = None
        if seen.request is not None and self._presented[hart] is None:
            self._presented[hart] = seen.request
            self._told.append(f"hart {hart} asked {seen.request} in cycle {self.cycle}")
            reference.submit(hart, seen.request)
            if self._functional is not None:
                self._functional.submit(hart, seen.request)

    def _outside(self) -> None:
        """The same for the bus from outside; the reference's answer is a cycle behind."""
        pin = {name: int(signal.value) for name, signal in self._bus.items() if name != "dat_r"}
        ended = self.reference.response(self.config.harts)
        self._differs("end of the transfer a cycle ago", self._ended, ended)
        self._ended = None
        if ended is not None:
            self._transfers = False
        if pin["cyc"] and pin["stb"] and not self._transfers:
            self._transfers = True
            transfer = BusTransfer(bool(pin["we"]), pin["adr"] * 8, pin["dat_w"], pin["sel"])
            self._told.append(f"the bus asked {transfer} in cycle {self.cycle}")
            self.reference.present(transfer)
            if self._functional is not None:
                self._functional.present(transfer)
        if pin["err"]:
            self._ended = Response(0, Status.BUS)
        elif pin["ack"]:
            word = 0 if pin["we"] else int(self._bus["dat_r"].value)
            self._ended = Response(word, Status.OK)

    def _step(self) -> None:
        self.reference.step()
        if self._functional is not None:
            self._functional.step()
