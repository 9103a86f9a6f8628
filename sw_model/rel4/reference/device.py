"""The reference device: the hardware of ``docs/hardware.md`` in plain Python, exact to the cycle.

The blocks are those of the gateware under the same names: `controller`, `bus` with the table
memory, `control_page`, and one `hart_unit` a hart. `ReferenceDevice` connects them and steps them
by one clock cycle. Two liberties are taken, and neither can be seen from outside: a record's new
value is computed when its operation is accepted and not one cycle later, and stretches of cycles in
which only the reset sweep counts are passed in one go.
"""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from rel4.machine.device import (
    MODEL_HARTS,
    Device,
    DeviceConfig,
    Request,
    Response,
    check_hart,
    check_submission,
    run_sync,
)
from rel4.reference.bus import Bus, Tables
from rel4.reference.control_page import ControlPage
from rel4.reference.controller import Controller
from rel4.reference.hart_unit import HartUnit
from rel4.reference.intel.device import IntelReferenceDevice
from rel4.reference.observer import Observer
from uintr.registers import Flavour, Privilege
from uintr.shape import system_windows

__all__ = ["ReferenceDevice", "reference_device", "run"]

T = TypeVar("T")


class ReferenceDevice:
    """All user-interrupt hardware, stepped in Python. See `rel4.machine.device.Device`.

    Parameters
    ----------
    config : shape of the hardware
    tables : memory that the sender tables lie in, instead of the table memory of ``config``

    Members
    -------
    cycles : clock cycles stepped since construction
    controller, control, bus, units : the blocks, to look at; `observe` says what happens in them
    outstanding : of each hart, whether it waits for a response
    responding : harts whose response came with the last edge

    Raises
    ------
    ValueError : the bus cannot decode the addresses of ``config``.
    """

    BUS: type[Bus] = Bus

    def __init__(self, config: DeviceConfig, *, tables: Tables | None = None) -> None:
        shape = {name: value for name, value in vars(config).items() if name != "flavour"}
        system_windows(**shape, most_harts=MODEL_HARTS)
        self.config = config
        self.cycles = 0
        self.controller = Controller(config=config)
        self.control = ControlPage(config=config, notify=self.controller.set_notify_hart)
        self.bus = self.BUS(
            config=config, controller=self.controller, control=self.control, tables=tables
        )
        self.units = [
            HartUnit(hart=hart, controller=self.controller, bus=self.bus, control=self.control)
            for hart in range(config.harts)
        ]
        self._early = config.latency == 2
        self._outputs_after_reset()

    def _outputs_after_reset(self) -> None:
        harts = self.config.harts
        self._requests: list[tuple[int, Request]] = []
        self.outstanding = [False] * harts
        self._responses: list[Response | None] = [None] * harts
        self.responding: list[int] = []
        self._interrupts = [False] * harts
        self._supervisor_lines = [False] * harts
        self._privileges: list[Privilege] = [Privilege.S] * harts  # of the last edge
        self._changed: set[int] = set()  # harts whose privilege differs from it

    @property
    def quiescent(self) -> bool:
        return not self.controller.sweep and not self._active()

    def _active(self) -> bool:
        """Something other than the sweep's counter changes at the next edge."""
        bus, controller = self.bus, self.controller
        return bool(
            self._requests
            or self.responding
            or controller.busy
            or bus.reply is not None
            or bus.again
            or bus.draining is not None
            or not self.control.resting
            or (bus.waiting and bus.owner < 0)
            or (controller.valid and not controller.sweep)
            or self._changed
        )

    async def reset(self) -> None:
        self.cycles += 1
        self.bus.step()  # a store that reaches the table memory at this edge is still done
        self.controller.reset()
        self.bus.reset()
        self.control.reset()
        for unit in self.units:
            unit.reset()
        self._outputs_after_reset()

    def set_privilege(self, hart: int, privilege: Privilege) -> None:
        check_hart(hart, self.config.harts)
        self.units[hart].privilege = Privilege(privilege)
        if privilege == self._privileges[hart]:
            self._changed.discard(hart)
        else:
            self._changed.add(hart)

    def submit(self, hart: int, request: Request) -> None:
        check_submission(self.outstanding, hart, request)
        self.outstanding[hart] = True
        self._requests.append((hart, request))

    async def run(self, limit: int) -> int:
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit!r}")
        stepped = 0
        while stepped < limit:
            if not self._active():
                sweep = self.controller.sweep
                # All but the sweep's last cycle, which makes the device quiescent or is followed
                # by work that waited for it.
                skip = min(limit - stepped, sweep - 1 if sweep else limit)
                if skip:
                    self.controller.sweep = max(sweep - skip, 0)
                    stepped += skip
                    continue
            stepped += 1
            if self._step():
                break
        self.cycles += stepped
        return stepped

    def response(self, hart: int) -> Response | None:
        return self._responses[hart]

    def interrupt(self, hart: int) -> bool:
        return self._interrupts[hart]

    def supervisor_interrupt(self, hart: int) -> bool:
        return self._supervisor_lines[hart]

    def csr(self, hart: int, number: int) -> int:
        """What the hart's CSR holds now, without a request: in uip the software bit alone."""
        return self.units[hart].csrs[number]

    def line(self, hart: int) -> bool:
        """The hart's line of the controller, whatever its CSRs say."""
        return self.controller.line[hart]

    def observe(self, observer: Observer) -> None:
        """Tell ``observer`` from now on."""
        self.controller.observer = self.control.observer = observer

    def step(self) -> None:
        """One cycle, whatever happens in it."""
        self.cycles += 1
        if not self.quiescent:
            self._step()

    def _step(self) -> bool:
        """One clock edge. Returns whether `run` must stop after it."""
        units = self.units
        controller = self.controller
        for hart in self.responding:
            self._responses[hart] = None
        self.responding.clear()

        # What the blocks' registers and this cycle's combinational paths decide. The controller's
        # response of this cycle is read first, since the edge replaces it.
        answer = controller.response
        ended = self.bus.step()
        if ended is not None and self._early:
            # A post is presented in the very cycle in which its entry arrives.
            hart, data, error = ended
            self._respond(hart, units[hart].bus_ended(data, error))
        port = controller.step()

        # What the hart units make of it, seen by bus and controller in the next cycle only.
        if answer is not None and answer.port < len(units) and not answer.post:
            self._respond(answer.port, units[answer.port].answered(answer.data))
        if 0 <= port < len(units):
            self._respond(port, units[port].accepted())
        if ended is not None and not self._early:
            hart, data, error = ended
            self._respond(hart, units[hart].bus_ended(data, error))
        look = False
        if self._requests:
            requests, self._requests = self._requests, []
            for hart, request in requests:
                self._respond(hart, units[hart].accept(request))
            look = True
        if self._changed:
            for hart in self._changed:
                self._privileges[hart] = units[hart].privilege
            self._changed.clear()
            look = True

        self.control.step()
        stop = bool(self.responding)
        if controller.step_lines() or look:
            interrupts = [unit.interrupt for unit in units]
            if interrupts != self._interrupts:
                self._interrupts = interrupts
                stop = True
            lines = controller.supervisor_lines()
            if lines != self._supervisor_lines:
                self._supervisor_lines = lines
                stop = True
        return stop or (not controller.sweep and not self._active())

    def look(self, receiver: int) -> tuple[bool, int]:
        """Whether a receiver is active, and its pending word, for a test."""
        return bool(self.controller.active[receiver]), self.controller.pending[receiver]

    def is_supervisors(self, receiver: int) -> bool:
        """Whether posts to a receiver raise the supervisor's line, for a test."""
        return bool(self.controller.supervisor[receiver])

    def _respond(self, hart: int, response: Response | None) -> None:
        if response is not None:
            self._responses[hart] = response
            self.responding.append(hart)
            self.outstanding[hart] = False


def reference_device(config: DeviceConfig) -> Device:
    """A new reference device of the flavour that ``config`` names."""
    if config.flavour is Flavour.INTEL:
        return IntelReferenceDevice(config)
    return ReferenceDevice(config)


def run(config: DeviceConfig, job: Callable[[Device], Coroutine[Any, Any, T]]) -> T:
    """Drive ``job`` on a new reference device to its end; the entry point ``reference``."""
    return run_sync(job(reference_device(config)))
