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

    Raises
    ------
    ValueError : the bus cannot decode the addresses of ``config``.
    """

    def __init__(self, config: DeviceConfig, *, tables: Tables | None = None) -> None:
        shape = {name: value for name, value in vars(config).items() if name != "flavour"}
        system_windows(**shape, most_harts=MODEL_HARTS)
        self.config = config
        self.cycles = 0
        self._controller = Controller(config=config)
        self._control = ControlPage(config=config, notify=self._controller.set_notify_hart)
        self._bus = Bus(
            config=config, controller=self._controller, control=self._control, tables=tables
        )
        self._units = [
            HartUnit(hart=hart, controller=self._controller, bus=self._bus, control=self._control)
            for hart in range(config.harts)
        ]
        self._early = config.latency == 2
        self._outputs_after_reset()

    def _outputs_after_reset(self) -> None:
        harts = self.config.harts
        self._requests: list[tuple[int, Request]] = []
        self._outstanding = [False] * harts
        self._responses: list[Response | None] = [None] * harts
        self._responding: list[int] = []
        self._interrupts = [False] * harts
        self._supervisor_lines = [False] * harts
        self._privileges: list[Privilege] = [Privilege.S] * harts  # of the last edge
        self._changed: set[int] = set()  # harts whose privilege differs from it

    @property
    def quiescent(self) -> bool:
        return not self._controller.sweep and not self._active()

    def _active(self) -> bool:
        """Something other than the sweep's counter changes at the next edge."""
        bus, controller = self._bus, self._controller
        return bool(
            self._requests
            or self._responding
            or controller.busy
            or bus.reply is not None
            or bus.again
            or bus.draining is not None
            or not self._control.resting
            or (bus.waiting and bus.owner < 0)
            or (controller.valid and not controller.sweep)
            or self._changed
        )

    async def reset(self) -> None:
        self.cycles += 1
        self._bus.step()  # a store that reaches the table memory at this edge is still done
        self._controller.reset()
        self._bus.reset()
        self._control.reset()
        for unit in self._units:
            unit.reset()
        self._outputs_after_reset()

    def set_privilege(self, hart: int, privilege: Privilege) -> None:
        check_hart(hart, self.config.harts)
        self._units[hart].privilege = Privilege(privilege)
        if privilege == self._privileges[hart]:
            self._changed.discard(hart)
        else:
            self._changed.add(hart)

    def submit(self, hart: int, request: Request) -> None:
        check_submission(self._outstanding, hart, request)
        self._outstanding[hart] = True
        self._requests.append((hart, request))

    async def run(self, limit: int) -> int:
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit!r}")
        stepped = 0
        while stepped < limit:
            if not self._active():
                sweep = self._controller.sweep
                # All but the sweep's last cycle, which makes the device quiescent or is followed
                # by work that waited for it.
                skip = min(limit - stepped, sweep - 1 if sweep else limit)
                if skip:
                    self._controller.sweep = max(sweep - skip, 0)
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
        return self._units[hart].csrs[number]

    def line(self, hart: int) -> bool:
        """The hart's line of the controller, whatever its CSRs say."""
        return self._controller.line[hart]

    def _step(self) -> bool:
        """One clock edge. Returns whether `run` must stop after it."""
        units = self._units
        controller = self._controller
        for hart in self._responding:
            self._responses[hart] = None
        self._responding.clear()

        # What the blocks' registers and this cycle's combinational paths decide. The controller's
        # response of this cycle is read first, since the edge replaces it.
        answer = controller.response
        ended = self._bus.step()
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

        self._control.step()
        stop = bool(self._responding)
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
        return bool(self._controller.active[receiver]), self._controller.pending[receiver]

    def is_supervisors(self, receiver: int) -> bool:
        """Whether posts to a receiver raise the supervisor's line, for a test."""
        return bool(self._controller.supervisor[receiver])

    def _respond(self, hart: int, response: Response | None) -> None:
        if response is not None:
            self._responses[hart] = response
            self._responding.append(hart)
            self._outstanding[hart] = False


def reference_device(config: DeviceConfig) -> Device:
    """A new reference device of the flavour that ``config`` names."""
    if config.flavour is Flavour.INTEL:
        return IntelReferenceDevice(config)
    return ReferenceDevice(config)


def run(config: DeviceConfig, job: Callable[[Device], Coroutine[Any, Any, T]]) -> T:
    """Drive ``job`` on a new reference device to its end; the entry point ``reference``."""
    return run_sync(job(reference_device(config)))
