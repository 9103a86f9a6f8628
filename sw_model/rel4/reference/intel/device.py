"""The reference device of the Intel flavour: ``docs/intel.md`` in plain Python, cycle by cycle."""

from rel4.machine.device import DeviceConfig, Request, Response, check_hart, check_submission
from rel4.reference.intel.fabric import InterruptFabric, LockingBus
from rel4.reference.intel.hart_unit import IntelHartUnit
from uintr.intel.registers import BROADCAST
from uintr.registers import Privilege
from uintr.shape import table_window

__all__ = ["IntelReferenceDevice"]


class IntelReferenceDevice:
    """All user-interrupt hardware of the Intel flavour. See `rel4.machine.device.Device`.

    Parameters
    ----------
    config : shape of the hardware: harts, table_base, table_pages

    Members
    -------
    cycles : clock cycles stepped since construction
    bus, fabric, units : the blocks, to look at

    Raises
    ------
    ValueError : the bus cannot decode the addresses of ``config``.
    """

    def __init__(self, config: DeviceConfig) -> None:
        table_window(table_base=config.table_base, table_pages=config.table_pages)
        self.config = config
        self.cycles = 0
        self.bus = LockingBus(config=config)
        self.fabric = InterruptFabric(harts=config.harts)
        self.units = [
            IntelHartUnit(hart=hart, bus=self.bus, fabric=self.fabric)
            for hart in range(config.harts)
        ]
        self._outputs_after_reset()

    def _outputs_after_reset(self) -> None:
        harts = self.config.harts
        self._requests: dict[int, Request] = {}  # presented, not accepted yet
        self._outstanding = [False] * harts
        self._responses: list[Response | None] = [None] * harts
        self._responding = False
        self._fresh = True  # no edge since the reset, so nobody has seen the outputs yet
        self._interrupts = [False] * harts
        self._supervisor_lines = [False] * harts
        self._privileges: list[Privilege] = [Privilege.S] * harts  # of the last edge

    @property
    def quiescent(self) -> bool:
        return not self._active() and not any(unit.countdown for unit in self.units)

    def look(self, address: int) -> int:
        """A word of the table memory, for a test."""
        return self.bus.look(address)

    def _active(self) -> bool:
        """Something other than time-stamp counters changes at the next edge."""
        return bool(
            self._fresh
            or self._requests
            or self._responding
            or self.bus.busy
            or self.fabric.busy
            or any(unit.active for unit in self.units)
            or any(
                unit.privilege is not before
                for unit, before in zip(self.units, self._privileges, strict=True)
            )
        )

    async def reset(self) -> None:
        self.cycles += 1
        self.bus.step()  # a store that reaches the table memory at this edge is still done
        self.bus.reset()
        self.fabric.reset()
        for unit in self.units:
            unit.reset()
        self._outputs_after_reset()

    def set_privilege(self, hart: int, privilege: Privilege) -> None:
        check_hart(hart, self.config.harts)
        self.units[hart].privilege = Privilege(privilege)

    def submit(self, hart: int, request: Request) -> None:
        check_submission(self._outstanding, hart, request)
        self._outstanding[hart] = True
        self._requests[hart] = request

    async def run(self, limit: int) -> int:
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit!r}")
        stepped = 0
        while stepped < limit:
            if not self._active():
                skip = self._skip(limit - stepped)
                if skip:
                    stepped += skip
                    continue
            stepped += 1
            if self._step():
                break
        self.cycles += stepped
        return stepped

    def _skip(self, most: int) -> int:
        """Pass cycles in which at most time-stamp counters change, but the last such cycle of any,
        in one go. Returns how many."""
        counting = [unit for unit in self.units if unit.countdown]
        skip = min([most, *(unit.countdown - 1 for unit in counting)])
        for unit in counting:
            unit.tsc += skip
        return skip

    def response(self, hart: int) -> Response | None:
        return self._responses[hart]

    def interrupt(self, hart: int) -> bool:
        return self._interrupts[hart]

    def supervisor_interrupt(self, hart: int) -> bool:
        return self._supervisor_lines[hart]

    def step(self) -> None:
        """One cycle, whatever happens in it."""
        self.cycles += 1
        if not self.quiescent:
            self._step()

    def _step(self) -> bool:
        """One clock edge. Returns whether `run` must stop after it."""
        self._fresh = False
        units = self.units
        harts = range(len(units))
        ended = self.bus.step()
        taken = self.fabric.step()
        accepted = {hart: self._requests.pop(hart) for hart in harts
                    if hart in self._requests and units[hart].ready}  # fmt: skip
        for hart, unit in enumerate(units):
            self._responses[hart] = response = unit.step(
                ended=ended[1:] if ended is not None and ended[0] == hart else None,
                taken=taken is not None and taken[0] == hart,
                request=accepted.get(hart),
            )
            if response is not None:
                self._outstanding[hart] = False
            self._privileges[hart] = unit.privilege
        if taken is not None:
            vector, destination = taken[1]
            for hart in harts:
                if destination in (hart, BROADCAST):
                    units[hart].interrupted(vector)

        self._responding = any(response is not None for response in self._responses)
        stop = self._responding
        interrupts = [unit.interrupt for unit in units]
        lines = [unit.supervisor_interrupt for unit in units]
        if interrupts != self._interrupts or lines != self._supervisor_lines:
            self._interrupts, self._supervisor_lines = interrupts, lines
            stop = True
        return stop or self.quiescent
