"""A fast functional model of the hart and its system: Spike with user interrupts.

Spike executes the instructions, tens of millions a second; `spike.cpp` adds main memory, console
and ACLINT at the addresses of the RTL system, and hands what concerns user interrupts to the
reference device. Time counts instructions of one hart: it orders events, and measures nothing.
"""

import ctypes
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

import rv64.memory_map as memory_map
from rel4.compiled.elf import Program
from rel4.compiled.runner import Ending, Listener, Marker, RunConfig, RunResult
from rel4.compiled.spike_library import CONSOLE, MARK, REQUEST, Shape, library_file, load_library
from rel4.machine.device import DeviceConfig, Request, Response, run_sync
from rel4.reference.device import ReferenceDevice
from uintr.registers import (
    CONTROL_OFFSET,
    CSRS,
    DEFAULT_RECEIVERS,
    MASK_BYTES,
    MASK_OFFSET,
    PAGE_BYTES,
    Privilege,
    RequestKind,
    Status,
)

__all__ = ["Spike", "run"]

_REASONS = ("exit", "limit", "stuck", "fault")


class _MainMemory:
    """Main memory as the reference device's sender-table memory."""

    def __init__(self, words: Any, base: int) -> None:
        self._words = words
        self.base, self.end = base, base + 8 * len(words)

    def get(self, address: int, default: int) -> int:
        return int(self._words[(address - self.base) // 8])

    def __setitem__(self, address: int, word: int) -> None:
        self._words[(address - self.base) // 8] = word


def _windows_bytes(receivers: int) -> int:
    """From the controller's base to the end of the last window behind it."""
    return max(CONTROL_OFFSET + PAGE_BYTES, MASK_OFFSET + MASK_BYTES * receivers)


class Spike:
    """``harts`` harts, main memory, console, ACLINT and user interrupts.

    Parameters
    ----------
    harts : 1 to 64; each begins at ``memory_base`` in M-mode
    memory_base, memory_bytes : main memory, at most 4 GiB; sender tables lie in it
    receivers : of the user-interrupt controller
    tohost : address of the word that ends the run when it is not zero, or 0
    quantum : instructions of one hart before it is the next one's turn
    on_mark : called with time, hart, number and value of each mark, ``slti x0, value, number``
    on_console : called with what the program writes
    library : what `load_library` has answered for a file of one's own

    Members
    -------
    memory : main memory
    device : the user-interrupt hardware
    machine : the handle of the functions in ``library``

    Raises
    ------
    DeviceError : Spike or g++ is not installed.
    ValueError : a parameter is out of range.
    """

    def __init__(
        self,
        *,
        harts: int = 1,
        memory_base: int = memory_map.RAM_BASE,
        memory_bytes: int = 16 << 20,
        receivers: int = DEFAULT_RECEIVERS,
        uart: int = memory_map.UART_BASE,
        aclint: int = memory_map.CLINT_BASE,
        sswi: int = memory_map.SSWI_BASE,
        controller: int = memory_map.CONTROLLER_BASE,
        tohost: int = 0,
        quantum: int = 500,
        on_mark: Callable[[int, int, int, int], None] = lambda *mark: None,
        on_console: Callable[[bytes], None] = lambda text: None,
        library: ctypes.CDLL | None = None,
    ) -> None:
        if not 1 <= harts <= 64:
            raise ValueError(f"harts must be 1 to 64, not {harts!r}")
        if memory_bytes % PAGE_BYTES or not 0 < memory_bytes <= 1 << 32:
            raise ValueError(f"memory must be whole pages up to 4 GiB, not {memory_bytes!r} bytes")
        if not 1 <= quantum <= 1_000_000:
            raise ValueError(f"quantum must be 1 to 1000000, not {quantum!r}")
        if tohost and not memory_base <= tohost <= memory_base + memory_bytes - 8:
            raise ValueError(f"tohost must be in main memory, not at {tohost:#x}")
        self._library = load_library() if library is None else library
        self.machine: int | None = None
        self._harts = harts
        self._error: BaseException | None = None
        self._request_function = REQUEST(self._request)  # kept alive: Spike holds them
        self._mark_function = MARK(on_mark)
        self._console_function = CONSOLE(
            lambda text, size: on_console(ctypes.string_at(text, size))
        )
        shape = Shape(
            harts=harts,
            memory_base=memory_base,
            memory_bytes=memory_bytes,
            reset=memory_base,
            uart=uart,
            aclint=aclint,
            sswi=sswi,
            controller=controller,
            controller_bytes=_windows_bytes(receivers),
            tohost=tohost,
            quantum=quantum,
        )
        self.machine = self._library.spike_new(
            ctypes.byref(shape), self._request_function, self._mark_function, self._console_function
        )
        start = self._library.spike_memory(self.machine)
        self.memory_base = memory_base
        self.memory = memoryview((ctypes.c_ubyte * memory_bytes).from_address(start)).cast("B")
        self._units = [
            self._library.spike_unit(self.machine, hart).contents for hart in range(harts)
        ]
        config = DeviceConfig(harts=harts, receivers=receivers, base=controller)
        tables = _MainMemory(self.memory.cast("Q"), memory_base)
        self.device = ReferenceDevice(config, tables=tables)
        run_sync(self._settle())
        self._show()

    def close(self) -> None:
        """Give the memory back. Nothing else may be called afterwards."""
        self.memory.release()
        self._library.spike_delete(self.machine)
        self.machine = None

    def __enter__(self) -> "Spike":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- user interrupts ---

    async def _settle(self) -> None:
        """Step the device until nothing changes any more."""
        while not self.device.quiescent:
            await self.device.run(1 << 20)

    async def _answer(self, hart: int, request: Request) -> Response:
        self.device.submit(hart, request)
        while (response := self.device.response(hart)) is None:
            await self.device.run(1 << 20)
        await self._settle()
        return response

    def _request(
        self,
        hart: int,
        privilege: int,
        kind: int,
        function: int,
        address: int,
        data: int,
        answer: Any,
    ) -> int:
        """What Spike asks of a hart's unit. Called from within a step: an error is kept for the
        caller of `run` and ends the run."""
        try:
            self.device.set_privilege(hart, Privilege(privilege))
            response = run_sync(
                self._answer(hart, Request(RequestKind(kind), function, address, data))
            )
            answer[0] = response.data
            self._show()
            return int(response.status)
        except BaseException as error:
            self._error = self._error or error
            self._library.spike_fail(self.machine)
            return int(Status.ILLEGAL)

    def _show(self) -> None:
        """Tell Spike what the units hold now."""
        for hart, unit in enumerate(self._units):
            for number in CSRS:
                unit.csr[number] = self.device.csr(hart, number)
            unit.line = self.device.line(hart)
            unit.supervisor_line = self.device.supervisor_interrupt(hart)

    # --- running ---

    def check(self) -> None:
        """Raise what the reference device has raised within a step, if anything."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def run(self, limit: int) -> str:
        """Run to time ``limit``, or the end of the program. Returns why it ended:
        ``exit``, ``limit`` or ``stuck`` (every hart waits, and for nothing)."""
        end = self._library.spike_run(self.machine, limit)
        self.check()
        return _REASONS[end]

    def step(self, hart: int = 0, count: int = 1) -> int:
        """Run up to ``count`` instructions of one hart; a trap ends the step. Returns how many
        retired: with a count of 1 none means that a trap was taken, and nothing else was done."""
        retired: int = self._library.spike_step(self.machine, hart, count)
        self.check()
        return retired

    def pc(self, hart: int = 0) -> int:
        return int(self._library.spike_pc(self.machine, hart))

    def privilege(self, hart: int = 0) -> Privilege:
        return Privilege(self._library.spike_privilege(self.machine, hart))

    def register(self, number: int, hart: int = 0) -> int:
        return int(self._library.spike_register(self.machine, hart, number))

    def csr(self, number: int, hart: int = 0) -> int:
        """What a read of the CSR would answer, whatever the privilege; 0 if there is none."""
        return int(self._library.spike_csr(self.machine, hart, number))

    def retired(self, hart: int = 0) -> int:
        """Instructions that the hart has retired."""
        return int(self._library.spike_retired(self.machine, hart))

    @property
    def time(self) -> int:
        return int(self._library.spike_time(self.machine))

    @time.setter
    def time(self, value: int) -> None:
        self._library.spike_set_time(self.machine, value)

    @property
    def tohost(self) -> int:
        return int(self._library.spike_tohost(self.machine))

    def type(self, text: bytes) -> None:
        """Let the program read ``text`` from the console."""
        self._library.spike_input(self.machine, text, len(text))

    def load(self, segments: Iterable[tuple[int, bytes]]) -> None:
        """Put bytes at their addresses, all in main memory."""
        for address, content in segments:
            start = address - self.memory_base
            if start < 0 or start + len(content) > len(self.memory):
                raise ValueError(
                    f"segment at {address:#x} must lie in the {len(self.memory):#x} bytes "
                    f"of main memory at {self.memory_base:#x}"
                )
            self.memory[start : start + len(content)] = content


def run(program: Program, config: RunConfig, listener: Listener) -> RunResult:
    """Run a program to its end; the entry point ``spike`` of the group ``rel4.runners``.

    Memory latency, jitter and caches mean nothing here, and a cycle is an instruction of one hart.

    Raises
    ------
    DeviceError : Spike or g++ is not installed.
    ValueError : the configuration asks for a trace or a debugger, which the RTL alone has.
    """
    for name, wanted in (
        ("trace", config.trace),
        ("instructions", config.instructions),
        ("gdb", config.gdb is not None),
    ):
        if wanted:
            raise ValueError(f"{name} must be left out with spike, which has none")
    marks: list[Marker] = []
    console: list[bytes] = []

    def write(text: bytes) -> None:
        console.append(text)
        listener.console(text)

    if not library_file().is_file():
        listener.progress("building spike, once")
    with Spike(
        harts=config.harts,
        memory_base=memory_map.RAM_BASE,
        memory_bytes=config.memory_mib << 20,
        tohost=program.tohost,
        on_mark=lambda *mark: marks.append(Marker(*mark)),
        on_console=write,
    ) as spike:
        spike.load((each.address, each.data) for each in program.segments)
        spike.type(config.input)
        start = perf_counter()
        end = spike.run(config.max_cycles)
        seconds = perf_counter() - start
        status = spike.tohost >> 1 & 0xFF if end == "exit" else None
        return RunResult(
            ending=Ending.EXIT if end == "exit" else Ending.LIMIT,
            sentence={
                "exit": f"the program ended with status {status}",
                "limit": f"the limit of {config.max_cycles} cycles was reached",
                "stuck": "every hart waits for an interrupt, and none can come",
            }[end],
            status=status,
            console=b"".join(console),
            cycles=spike.time,
            instructions=tuple(map(spike.retired, range(config.harts))),
            marks=tuple(marks),
            seconds=seconds,
        )
