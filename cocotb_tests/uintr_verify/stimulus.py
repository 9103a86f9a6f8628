"""Recorded stimulus: what the inputs are in each cycle, and what the outputs must be after it.

A file is one line of JSON (shape, seed, what the recorder wants to say) and then records of one
byte for the kind and its contents, little-endian, least significant byte first:

====== ===========================================================================================
kind   contents
====== ===========================================================================================
0      end
1      cycles (4 bytes), status (8), then 9 bytes for each response that status shows, lowest hart
       first and the bus last: its status or error, its data. The inputs stay for so many cycles;
       after each the outputs are these
2      privilege levels, packed as in `uintr_cosim.signals` (8)
3      hart (1), request word (18)
4      request word of the bus (17)
5      a cycle of reset; afterwards requests and privilege levels are those of the start, and every
       bit of the status is 0
6      harts whose request is not accepted in the next cycle, and so stays (4); at first none
====== ===========================================================================================
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rel4.machine.device import DeviceConfig, Request, Response
from uintr.registers import Feature, Privilege
from uintr_cosim.shared_reference import BusTransfer, shared_reference
from uintr_cosim.signals import PRIVILEGE_BITS, pack_bus_request, pack_request

__all__ = ["Recorder", "Step", "read_header", "read_steps"]

_STEP = struct.Struct("<BIQ")
_RESPONSE = struct.Struct("<BQ")
_PRIVILEGE = struct.Struct("<BQ")
_WAITING = struct.Struct("<BI")
_REQUEST_BYTES = 18
_BUS_BYTES = 17


class Step(NamedTuple):
    """One record, read back; ``values`` depends on ``kind``."""

    kind: int
    values: tuple[int, ...]
    responses: tuple[tuple[int, int], ...] = ()


class Recorder:
    """The reference as a `Device` that writes down every cycle.

    Parameters
    ----------
    config : shape
    path : the file; complete after `close`
    about : for its first line
    reference : the device, if it is not that of ``config``

    Members
    -------
    reference : the device behind
    operations : requests and transfers answered so far
    cycle : cycles so far
    """

    def __init__(
        self, *, config: DeviceConfig, path: Path, about: dict[str, Any], reference: Any = None
    ) -> None:
        self.config = config
        self.reference = shared_reference(config) if reference is None else reference
        self.operations = 0
        self.cycle = 0
        self._harts = range(config.harts)
        self._everyone = range(config.harts + 1)
        self._file = path.open("wb")
        shape = {**vars(config), "features": int(config.features)}
        self._file.write(json.dumps({"shape": shape, **about}).encode() + b"\n")
        self._begin()

    def _begin(self) -> None:
        self._tickets = [0] * (self.config.harts + 1)
        self._levels = [Privilege.S] * self.config.harts
        self._waiting = 0

    @property
    def quiescent(self) -> bool:
        return bool(self.reference.quiescent)

    async def reset(self) -> None:
        self._file.write(b"\5")
        await self.reference.reset()
        self.cycle += 1
        self._begin()

    def set_privilege(self, hart: int, privilege: Privilege) -> None:
        self.reference.set_privilege(hart, privilege)
        self._levels[hart] = privilege
        word = sum(level << PRIVILEGE_BITS * place for place, level in enumerate(self._levels))
        self._file.write(_PRIVILEGE.pack(2, word))

    def submit(self, hart: int, request: Request) -> None:
        self.reference.submit(hart, request)
        self._tickets[hart] ^= 1
        word = pack_request(request, self._tickets[hart])
        self._file.write(bytes((3, hart)) + word.to_bytes(_REQUEST_BYTES, "little"))

    def present(self, transfer: BusTransfer) -> None:
        """Present a transfer of the supervisor's bus in this cycle."""
        self.reference.present(transfer)
        self._tickets[-1] ^= 1
        write, address, data, select = transfer
        word = pack_bus_request(
            write=write, select=select, address=address, data=data, ticket=self._tickets[-1]
        )
        self._file.write(b"\4" + word.to_bytes(_BUS_BYTES, "little"))

    async def run(self, limit: int) -> int:
        reference = self.reference
        if reference.quiescent:
            # Nothing happens, so all cycles look the same.
            await reference.run(limit)
            self._write(limit)
            return limit
        lines = self._lines()
        for stepped in range(1, limit + 1):
            await reference.run(1)
            answered = self._write(1)
            if answered or reference.quiescent or self._lines() != lines:
                return stepped
        return limit

    def step(self) -> None:
        """One cycle, whatever happens in it."""
        self.reference.step()
        self._write(1)

    def response(self, hart: int) -> Response | None:
        response: Response | None = self.reference.response(hart)
        return response

    def interrupt(self, hart: int) -> bool:
        return bool(self.reference.interrupt(hart))

    def supervisor_interrupt(self, hart: int) -> bool:
        return bool(self.reference.supervisor_interrupt(hart))

    def _lines(self) -> int:
        """All lines, as they stand in the status."""
        reference, harts = self.reference, self.config.harts
        word = 0
        for hart in self._harts:
            word |= reference.interrupt(hart) << hart
            word |= reference.supervisor_interrupt(hart) << harts + hart
        return word

    def _write(self, cycles: int) -> int:
        """Write a step down. Returns how many responses it shows."""
        reference, harts = self.reference, self.config.harts
        waiting = sum(1 << hart for hart in reference.waiting)
        if waiting != self._waiting:
            self._file.write(_WAITING.pack(6, waiting))
            self._waiting = waiting
        word = reference.quiescent | self._lines() << 1 + harts
        answers = b""
        responding = 0
        for number in self._everyone:
            response = reference.response(number)
            if response is None:
                continue
            responding += 1
            if number < harts:
                word |= 1 << 1 + number
                answers += _RESPONSE.pack(response.status, response.data)
            else:
                word |= 1 << 1 + 3 * harts
                answers += _RESPONSE.pack(response.status != 0, response.data)
        self._file.write(_STEP.pack(1, cycles, word) + answers)
        self.cycle += cycles
        self.operations += responding
        return responding

    def close(self) -> None:
        """Complete the file."""
        self._file.write(b"\0")
        self._file.close()


def read_header(path: Path) -> tuple[DeviceConfig, dict[str, Any]]:
    """Shape and first line of a file."""
    with path.open("rb") as stream:
        about = json.loads(stream.readline())
    shape = about["shape"]
    return DeviceConfig(**{**shape, "features": Feature(shape["features"])}), about


def read_steps(path: Path) -> Iterator[Step]:
    """Every record of a file but the end."""
    content = path.read_bytes()
    harts = read_header(path)[0].harts
    at = content.index(b"\n") + 1
    while content[at]:
        kind = content[at]
        if kind == 1:
            _, cycles, status = _STEP.unpack_from(content, at)
            at += _STEP.size
            shown = (status >> 1 & (1 << harts) - 1 | status >> 1 + 3 * harts << harts).bit_count()
            responses = []
            for _ in range(shown):
                responses.append(_RESPONSE.unpack_from(content, at))
                at += _RESPONSE.size
            yield Step(kind, (cycles, status), tuple(responses))
        elif kind == 2:
            yield Step(kind, _PRIVILEGE.unpack_from(content, at)[1:])
            at += _PRIVILEGE.size
        elif kind == 3:
            word = int.from_bytes(content[at + 2 : at + 2 + _REQUEST_BYTES], "little")
            yield Step(kind, (content[at + 1], word))
            at += 2 + _REQUEST_BYTES
        elif kind == 4:
            yield Step(kind, (int.from_bytes(content[at + 1 : at + 1 + _BUS_BYTES], "little"),))
            at += 1 + _BUS_BYTES
        elif kind == 6:
            yield Step(kind, _WAITING.unpack_from(content, at)[1:])
            at += _WAITING.size
        else:
            yield Step(kind, ())
            at += 1
