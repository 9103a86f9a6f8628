"""The device protocol: all user-interrupt hardware, stepped cycle by cycle.

Software never knows which device it runs on. Three exist: the reference (plain Python), the RTL
(co-simulated) and the board; others can be added through the entry-point group ``rel4.devices``.

One clock cycle seen from software. In cycle *t* software sees the responses and interrupt lines
that the edge before *t* produced, and presents requests and privilege levels. The edge at the end
of *t* samples them. A hart presents a request only when it has none outstanding, and its hart unit
is then always ready: the request is accepted at that very edge.
"""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from typing import Any, Protocol, TypeVar

from uintr.registers import (
    ALL_FEATURES,
    CONTROL_OFFSET,
    DEFAULT_BASE,
    DEFAULT_HARTS,
    DEFAULT_LATENCY,
    DEFAULT_RECEIVERS,
    DEFAULT_TABLE_BASE,
    DEFAULT_TABLE_PAGES,
    MASK_BYTES,
    MASK_OFFSET,
    MAX_RECEIVERS,
    MAX_WAIT_STATES,
    PAGE_BYTES,
    SLOT_BYTES,
    XLEN,
    Feature,
    Flavour,
    Privilege,
    RequestKind,
    Status,
)

__all__ = [
    "MODEL_HARTS",
    "Device",
    "DeviceConfig",
    "Request",
    "Response",
    "check_hart",
    "check_submission",
    "device_names",
    "find_device",
    "find_installed",
    "installed",
    "run_sync",
]

T = TypeVar("T")

_KINDS, _FUNCTIONS, _WORDS = 1 << 3, 1 << 7, 1 << XLEN
"""As many as fit their fields of the hart port."""
MODEL_HARTS = 1024
"""Harts of a machine at most. The gateware has up to `uintr.registers.MAX_HARTS`; the reference
device shows what more of them would do. Only the first 384 find their REJECTED word in the control
page."""


class DeviceError(Exception):
    """A device cannot be brought to life or was lost: one sentence that says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class DeviceConfig:
    """Shape of the hardware; the parameters of the gateware's `System`.

    Parameters
    ----------
    harts : hart units, 1 to 1024; in gateware 1 to 64
    receivers : receivers of the controller, 1 to 65 536
    base : physical address of the controller (`receivers` slots of 32 bytes)
    table_base : physical address of the sender-table memory
    table_pages : its size in 4 KiB pages
    table_wait_states : cycles that a transfer of that memory takes longer than two
    features : extensions that the hardware has
    latency : cycles from an operation that the controller accepts to the line, 2 to 4
    flavour : family of user interrupts; Intel's has no controller, and so no use for ``receivers``,
        ``base``, ``features`` and ``latency``

    Raises
    ------
    ValueError : a parameter is out of range; the sentence names it and the range.
    """

    harts: int = DEFAULT_HARTS
    receivers: int = DEFAULT_RECEIVERS
    base: int = DEFAULT_BASE
    table_base: int = DEFAULT_TABLE_BASE
    table_pages: int = DEFAULT_TABLE_PAGES
    table_wait_states: int = 0
    features: Feature = ALL_FEATURES
    latency: int = DEFAULT_LATENCY
    flavour: Flavour = Flavour.RISCV

    def __post_init__(self) -> None:
        if self.flavour not in list(Flavour):
            raise ValueError(f"flavour must be riscv or intel, not {self.flavour!r}")
        object.__setattr__(self, "flavour", Flavour(self.flavour))  # JSON brings a plain string
        for name, value, most in (
            ("harts", self.harts, MODEL_HARTS),
            ("receivers", self.receivers, MAX_RECEIVERS),
            ("table_pages", self.table_pages, 4095),
        ):
            if not 1 <= value <= most:
                raise ValueError(f"{name} must be 1 to {most}, not {value!r}")
        if not 0 <= self.table_wait_states <= MAX_WAIT_STATES:
            raise ValueError(
                f"table_wait_states must be 0 to {MAX_WAIT_STATES}, not {self.table_wait_states!r}"
            )
        if not 2 <= self.latency <= 4:
            raise ValueError(f"latency must be 2 to 4, not {self.latency!r}")

    @property
    def windows(self) -> tuple[tuple[int, int], ...]:
        """(first, size in bytes) of what the bus decodes: receivers' slots, control page, sender
        tables, and masks if there are any. The Intel flavour has the tables alone."""
        if self.flavour is Flavour.INTEL:
            return ((self.table_base, PAGE_BYTES * self.table_pages),)
        places: tuple[tuple[int, int], ...] = (
            (self.base, SLOT_BYTES * self.receivers),
            (self.base + CONTROL_OFFSET, PAGE_BYTES),
            (self.table_base, PAGE_BYTES * self.table_pages),
        )
        if Feature.MASK in self.features:
            places += ((self.base + MASK_OFFSET, MASK_BYTES * self.receivers),)
        return places


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a hart. The meaning of the fields depends on ``kind``.

    ======== ===================== ====================== ==========================
    kind     function              address                data
    ======== ===================== ====================== ==========================
    CSR      `CsrFunction`         CSR number             operand
    UIPI     `UipiFunction`        0                      rs1: index or pending bits
    TRAP     0                     0                      pc of the interrupted code
    URET     0                     0                      0
    LOAD     0                     physical, 8-aligned    0
    STORE    0                     physical, 8-aligned    value
    ======== ===================== ====================== ==========================
    """

    kind: RequestKind
    function: int = 0
    address: int = 0
    data: int = 0


@dataclass(frozen=True, slots=True)
class Response:
    """The answer: `data` is the CSR's value before, the word read, rd, or the new pc."""

    data: int
    status: Status


class Device(Protocol):
    """User-interrupt hardware for ``config.harts`` harts.

    After construction or `reset` the controller clears its receivers, which takes
    ``config.receivers`` cycles; requests that need it wait.
    """

    config: DeviceConfig

    @property
    def quiescent(self) -> bool:
        """No request, bus cycle or sweep is under way and no input has changed since the last edge:
        without a new input, stepping would change nothing. So time may jump."""
        ...

    async def reset(self) -> None:
        """Assert reset for one cycle. All harts are left in privilege S."""
        ...

    def set_privilege(self, hart: int, privilege: Privilege) -> None:
        """Present the hart's privilege level from this cycle on (default after reset: S)."""
        ...

    def submit(self, hart: int, request: Request) -> None:
        """Present a request in this cycle. The hart must have none outstanding."""
        ...

    async def run(self, limit: int) -> int:
        """Step 1 to ``limit`` (>= 1) clock cycles and return how many were stepped.

        Stops early after the first cycle that produces a response, changes an interrupt line of
        any hart, user or supervisor, or makes the device quiescent when it was not before.
        """
        ...

    def response(self, hart: int) -> Response | None:
        """The response produced by the last edge, or None."""
        ...

    def interrupt(self, hart: int) -> bool:
        """The hart's user interrupt as of the last edge, under the privilege presented at it."""
        ...

    def supervisor_interrupt(self, hart: int) -> bool:
        """The hart's supervisor software interrupt line as of the last edge: a receiver of
        supervisor kind wants it. Always low without the feature SUPERVISOR."""
        ...


def check_hart(hart: int, harts: int) -> None:
    """Raise ValueError unless there is such a hart."""
    if not 0 <= hart < harts:
        raise ValueError(f"hart must be below {harts}, not {hart!r}")


def check_submission(outstanding: Sequence[bool], hart: int, request: Request) -> None:
    """Raise ValueError unless ``hart`` can present ``request``, as `submit` of every device does.
    ``outstanding`` says which harts wait for a response."""
    check_hart(hart, len(outstanding))
    if outstanding[hart]:
        raise ValueError(f"hart must have no request outstanding, not {request!r} on top")
    if not (0 <= request.kind < _KINDS and 0 <= request.function < _FUNCTIONS):
        raise ValueError(f"kind and function must fit the hart port, not {request!r}")
    if not (0 <= request.address < _WORDS and 0 <= request.data < _WORDS):
        raise ValueError(f"address and data must fit {XLEN} bits, not {request!r}")


DeviceRunner = Callable[[DeviceConfig, Callable[[Device], Coroutine[Any, Any, T]]], T]
"""What an entry point of the group ``rel4.devices`` names: a function that brings a device of the
given shape to life, drives ``job(device)`` to its end, and returns its result. A simulator or a
serial link owns the thread, hence a coroutine and not a plain call."""


def installed(what: str) -> list[str]:
    """Names in the entry-point group ``rel4.devices`` or ``rel4.runners``."""
    return sorted({point.name for point in entry_points(group=f"rel4.{what}s")})


def find_installed(what: str, name: str) -> Any:
    """The device or runner called ``name``, loaded.

    Raises
    ------
    ValueError : there is none; the sentence lists the names there are.
    DeviceError : it is there, but something that it needs is not installed.
    """
    for point in entry_points(group=f"rel4.{what}s"):
        if point.name == name:
            try:
                return point.load()
            except ImportError as error:
                raise DeviceError(f"{what} {name} cannot be loaded: {error}") from error
    raise ValueError(f"{what} must be one of {', '.join(installed(what))}, not {name!r}")


device_names, find_device = partial(installed, "device"), partial(find_installed, "device")


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Drive a coroutine that never waits for anything outside, such as a job on the reference."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # StopIteration.value is untyped
    raise RuntimeError("the coroutine waited, but this device has nothing to wait for")
