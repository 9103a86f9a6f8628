"""The reference device behind the ports of `rv64.soc`: the same requests, cycle by cycle, and every
answer, line and read has to be the same.

What is not of user interrupts is told as it was: when a read of the sender table ends and with what
(main memory and its bus are behind it), and what harts ask of the controller's registers by loads
and stores. All else the reference decides: in each cycle of each hart whether a request is taken,
whether and what it is answered, the user and the supervisor line, whether the table is read and
where; and of each transfer to the controller in which cycle it ends, how, and with what.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rel4.machine.device import DeviceConfig, Request
from rel4.reference.bus import Bus, Transfer
from rel4.reference.device import ReferenceDevice
from rv64.memory_map import CONTROLLER_BASE
from rv64_verify.port_watch import Devices, Row, Unit
from uintr.registers import Privilege, RequestKind, Status

__all__ = ["PortError", "compared"]

_WHOLE = 0xFF


class PortError(AssertionError):
    """System and reference differ: in which cycle, in what."""


class _Bus(Bus):
    """A bus whose transfers come from a row: the table's reads end as told, and the bridge has what
    the devices' bus brings.

    Members
    -------
    devices, units : of this cycle
    reads : address of each hart's read under way
    late : ends of this cycle beside the one that `step` returns
    expected : (ack, err, data) of the transfer of this cycle
    """

    def __init__(self, **parts: Any) -> None:
        self.reads: dict[int, int] = {}
        self.late: list[int] = []
        self.expected = (0, 0, 0)
        self.devices = Devices(*[0] * len(Devices._fields))
        self.units: Sequence[Unit] = ()
        self._under_way = False
        self._whole = True
        super().__init__(**parts)
        self._transfers.append(Transfer(False, 0, 0))

    def request(self, initiator: int, transfer: Transfer) -> None:
        if initiator == self._port:
            return super().request(initiator, transfer)
        self.reads[initiator] = transfer.address
        return None

    def step(self) -> tuple[int, int, bool] | None:
        now = self.devices
        if now.asked and not self._under_way:
            self._under_way = True
            self._whole = now.select == _WHOLE
            self.request(self._port, Transfer(bool(now.write), now.address, now.data))
        ended = super().step()
        self.expected = (0, 0, 0)
        if ended is not None:
            _, data, error = ended
            self._under_way = False
            self.expected = (int(not error), int(error), 0 if error or now.write else data)
        # At most one read ends well in a cycle, since there is one bus; those that never reach it
        # are refused beside it.
        ends = sorted((u.err, hart) for hart, u in enumerate(self.units) if u.ack or u.err)
        for _, hart in ends:
            del self.reads[hart]
        self.late = [hart for _, hart in ends[1:]]
        if not ends:
            return None
        failed, hart = ends[0]
        return hart, self.units[hart].entry, bool(failed)

    def _connect(self, transfer: Transfer) -> None:
        if self._whole:
            super()._connect(transfer)
        else:
            self._claims = False
            self.reply = (0, True)


class _Device(ReferenceDevice):
    """A reference device with that bus, which steps in every cycle."""

    BUS = _Bus
    bus: _Bus

    def edge(self) -> None:
        """One cycle."""
        self.cycles += 1
        self._step()
        for hart in self.bus.late:
            if not self.bus.units[hart].err:
                raise PortError("two reads of the sender table must not end well in one cycle")
            self._respond(hart, self.units[hart].bus_ended(0, True))


def compared(rows: Iterable[Row], *, harts: int) -> Counter[str]:
    """Hold every cycle of a run against the reference. Returns how often what happened.

    Raises
    ------
    PortError : they differ.
    """
    config = DeviceConfig(harts=harts, base=CONTROLLER_BASE)
    device = _Device(config)
    windows = [window for window in config.windows if window[0] != config.table_base]
    seen: Counter[str] = Counter()
    for row in rows:
        devices = row.devices
        ours = any(first <= devices.address < first + size for first, size in windows)
        bus = device.bus
        bus.devices = devices if ours else Devices(*[0] * len(Devices._fields))
        bus.units = row.units
        steady = not devices.asked and not any(u.valid or u.reads for u in row.units)
        for left in range(row.cycles, 0, -1):
            _compare_harts(device, row.units, seen)
            if steady and device.quiescent:
                device.cycles += left
                break
            device.edge()
            told = (devices.ack, devices.err, devices.answer)
            if ours and told != bus.expected:
                raise PortError(
                    f"cycle {device.cycles - 1}: {devices} must end with {bus.expected}"
                )
            seen["transfers"] += ours and bool(devices.ack)
            seen["transfers refused"] += ours and bool(devices.err)
        seen["cycles"] += row.cycles
    return seen


def _compare_harts(device: _Device, units: Sequence[Unit], seen: Counter[str]) -> None:
    """All that the harts see in this cycle, and what they ask in it."""
    for hart, unit in enumerate(units):
        device.set_privilege(hart, Privilege(unit.privilege))
    for hart, unit in enumerate(units):
        response = device.response(hart)
        address = device.bus.reads.get(hart)
        lines = device.units[hart].interrupt, device.supervisor_interrupt(hart)
        expected = unit._replace(
            ready=int(not device.outstanding[hart]),
            answered=int(response is not None),
            status=0 if response is None else response.status,
            answer=0 if response is None else response.data,
            interrupt=int(lines[0]),
            supervisor_interrupt=int(lines[1]),
            reads=int(address is not None),
            read_address=address or 0,
        )
        if unit != expected:
            wrong = [
                name for name in Unit._fields if getattr(unit, name) != getattr(expected, name)
            ]
            raise PortError(
                f"cycle {device.cycles}, hart {hart}: {', '.join(wrong)} of {unit} must be "
                f"{', '.join(f'{getattr(expected, name):#x}' for name in wrong)}"
            )
        seen["interrupt"] += unit.interrupt
        seen["supervisor interrupt"] += unit.supervisor_interrupt
        seen["reads ended"] += unit.ack
        seen["reads refused"] += unit.err
        if response is not None:
            seen[f"answered {Status(unit.status).name}"] += 1
        if unit.valid and unit.ready:
            kind = RequestKind(unit.kind)
            seen[kind.name] += 1
            device.submit(hart, Request(kind, unit.function, unit.address, unit.data))
