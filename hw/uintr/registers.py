"""The one table: every register, CSR, table entry, instruction word and status code.

Gateware, Python model, co-simulation, C header and register pages are all made from this
module; nothing about a register is written down a second time. It is pure data and imports
nothing but the standard library, so that the software model can use it without any HDL tool.

The base is the published RISC-V user-interrupt controller (U-interrupt specification v0.1.1,
"UINTC-2023") and the withdrawn N extension (v1.1 draft). Where a number was never ratified the
published one is the default.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag, StrEnum

__all__ = [
    "ACTIVE",
    "ALL_FEATURES",
    "BUS_SPACES",
    "CACHE_ENTRIES",
    "CAUSE_USER_SOFTWARE",
    "CLAIM",
    "CONTROL_OFFSET",
    "CONTROL_REGISTERS",
    "Csr",
    "CsrFunction",
    "CSRS",
    "DEFAULT_BASE",
    "DEFAULT_HARTS",
    "DEFAULT_LATENCY",
    "DEFAULT_RECEIVERS",
    "DEFAULT_TABLE_BASE",
    "DEFAULT_TABLE_PAGES",
    "ENABLE",
    "ENTRIES_PER_PAGE",
    "ENTRY_CACHE",
    "ENTRY_CACHE_OFFSET",
    "Feature",
    "FEATURES",
    "Field",
    "Flavour",
    "HART_REGISTERS",
    "HARTS",
    "HIGH",
    "ID",
    "INTERRUPT_BIT",
    "INVALIDATE",
    "LOW",
    "MAGIC",
    "MASK",
    "MASK_BYTES",
    "MASK_OFFSET",
    "MAX_HARTS",
    "MAX_RECEIVERS",
    "MAX_TABLE_PAGES",
    "MAX_WAIT_STATES",
    "NO_FEATURE",
    "NOTIFY_HART",
    "OperationFunction",
    "PAGE_BYTES",
    "Placed",
    "Privilege",
    "RECEIVERS",
    "Register",
    "registers",
    "REJECTED",
    "REJECTED_OFFSET",
    "RequestKind",
    "SEND",
    "SENDER_ENTRY",
    "SENDER_ENTRY_BYTES",
    "SLOT_BYTES",
    "SLOT_REGISTERS",
    "SLOT_RESET",
    "Space",
    "Status",
    "THROTTLE",
    "THROTTLE_OFFSET",
    "UIPI_FUNCT3",
    "UIPI_OPCODE",
    "uipi_word",
    "UipiFunction",
    "URET_WORD",
    "VECTORS",
    "XLEN",
]

XLEN = 64
VECTORS = 64
"""Vectors of one receiver: the width of its pending word."""

MAX_HARTS = 64
MAX_RECEIVERS = 65_536
"""Architectural limit: `suirs.index` and the receiver field of a table entry have 16 bits."""

PAGE_BYTES = 4096
SLOT_BYTES = 32
"""Size of one receiver's slot in the controller's address space."""

SENDER_ENTRY_BYTES = 8
"""The specification's text says 128 bytes; its RTL, QEMU and every kernel use 8."""
ENTRIES_PER_PAGE = PAGE_BYTES // SENDER_ENTRY_BYTES

DEFAULT_HARTS = 2
DEFAULT_RECEIVERS = 512
DEFAULT_BASE = 0x0300_0000
"""Controller base on the published FPGA system (QEMU: 0x02F1_0000). Naturally aligned up to
65 536 receivers."""
DEFAULT_LATENCY = 3
"""Cycles from an accepted operation to the hart's line."""
DEFAULT_TABLE_BASE = 0x8400_0000
DEFAULT_TABLE_PAGES = 16
"""Sixteen 4 KiB sender tables, the pool that the published kernels reserve at boot."""
MAX_TABLE_PAGES = 4095
"""A sender table's size in pages has 12 bits; more would be of no use to one table."""
MAX_WAIT_STATES = 1023
"""Of the memory for sender tables."""


class Flavour(StrEnum):
    """Which family of user interrupts the hardware implements."""

    RISCV = "riscv"
    INTEL = "intel"


class Feature(IntFlag):
    """Extensions of the published controller. Each can be left out of the hardware; what it adds
    to registers is then reserved."""

    SUPERVISOR = 1 << 0  #: receivers of supervisor kind (LOW.supervisor)
    SLOT_RESET = 1 << 1  #: a receiver's whole record is reset at once (SLOT_RESET)
    NOTIFY = 1 << 2  #: the kernel is told of absent receivers (LOW.notify, CLAIM, NOTIFY_HART)
    MASK = 1 << 3  #: a mask of vectors for each receiver (MASK)
    REJECTED = 1 << 4  #: refused posts are counted for each hart (REJECTED)
    THROTTLE = 1 << 5  #: each hart's posts can be given a budget (THROTTLE)
    ENTRY_CACHE = 1 << 6  #: each hart can keep sender-table entries (ENTRY_CACHE, INVALIDATE)


ALL_FEATURES = Feature(sum(Feature))
NO_FEATURE = Feature(0)


class Privilege(IntEnum):
    """Privilege level of a hart, in the RISC-V encoding."""

    U = 0
    S = 1
    M = 3


class RequestKind(IntEnum):
    """What a hart asks of its hart unit; one request at a time."""

    CSR = 0  #: access one user-interrupt CSR
    UIPI = 1  #: execute one UIPI instruction
    TRAP = 2  #: take the pending user interrupt (`data` = pc; answers the handler's pc)
    URET = 3  #: return from the user-interrupt handler (answers the resumed pc)
    LOAD = 4  #: supervisor load of eight bytes from the system bus
    STORE = 5  #: supervisor store of eight bytes to the system bus


class CsrFunction(IntEnum):
    """How a CSR request changes the register; every one answers the value before."""

    READ = 0
    WRITE = 1
    SET = 2
    CLEAR = 3


class UipiFunction(IntEnum):
    """funct7 of a UIPI instruction."""

    SEND = 0
    READ = 1
    WRITE = 2
    ACTIVATE = 3
    DEACTIVATE = 4


class OperationFunction(IntEnum):
    """What the controller does to a receiver; each is one access to one register."""

    SEND = 0
    READ_LOW = 1
    WRITE_LOW = 2
    READ_HIGH = 3
    WRITE_HIGH = 4
    READ_ACTIVE = 5
    WRITE_ACTIVE = 6
    RESET_SLOT = 7  #: feature SLOT_RESET
    READ_MASK = 8  #: feature MASK
    WRITE_MASK = 9  #: feature MASK
    CLAIM = 10  #: feature NOTIFY; the controller chooses the receiver


class Status(IntEnum):
    """How a request ended. Anything but OK had no effect at all."""

    OK = 0
    ILLEGAL = 1  #: unknown CSR or function, or not allowed at this privilege
    NOT_PENDING = 2  #: TRAP found no user interrupt to take
    DISABLED = 3  #: suist.EN (SEND) or suirs.EN (the others) is clear
    INDEX = 4  #: sender-table index at or beyond suist.SIZE pages
    INVALID = 5  #: sender-table entry without its valid bit
    VECTOR = 6  #: vector of the sender-table entry is 64 or more
    RECEIVER = 7  #: receiver index at or beyond the number of receivers
    BUS = 8  #: the bus answered with an error
    THROTTLED = 9  #: the hart's budget of posts is used up for now
    UD = 14  #: Intel flavour: invalid-opcode exception
    GP = 15  #: Intel flavour: general-protection exception


@dataclass(frozen=True)
class Field:
    """Bits ``lsb .. lsb+width-1`` of a register. ``access`` is rw, ro, wo or reserved.

    Reserved bits read as zero. A field with a ``feature`` is reserved in hardware without it.
    """

    name: str
    lsb: int
    width: int
    access: str = "rw"
    reset: int = 0
    doc: str = ""
    feature: Feature = NO_FEATURE

    @property
    def mask(self) -> int:
        """The field's bits within the register."""
        return ((1 << self.width) - 1) << self.lsb

    def get(self, word: int) -> int:
        """Value of this field in ``word``."""
        return (word >> self.lsb) & ((1 << self.width) - 1)

    def put(self, value: int) -> int:
        """``value`` moved to this field's place. Raises ValueError if it does not fit."""
        if not 0 <= value < 1 << self.width:
            raise ValueError(f"{self.name} must be below {1 << self.width}, not {value!r}")
        return value << self.lsb


@dataclass(frozen=True)
class Register:
    """A register: a name, a place (slot offset, CSR number or 0) and its fields.

    Hardware without its ``feature``, or any of them if it names several, does not have it.
    """

    name: str
    address: int
    fields: tuple[Field, ...]
    doc: str = ""
    feature: Feature = NO_FEATURE

    def field(self, name: str) -> Field:
        """The field called ``name``. Raises KeyError naming the register."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.name} has no field {name!r}")

    def mask(self, *accesses: str) -> int:
        """All bits whose access is one of ``accesses`` (default: writable ones, rw and wo)."""
        wanted = accesses or ("rw", "wo")
        return sum(field.mask for field in self.fields if field.access in wanted)

    @property
    def reset(self) -> int:
        """Value after reset."""
        return sum(field.put(field.reset) for field in self.fields)

    @property
    def visible(self) -> tuple[Field, ...]:
        """The fields that are not reserved."""
        return tuple(field for field in self.fields if field.access != "reserved")

    def built(self, features: Feature) -> "Register":
        """The register as hardware with ``features`` has it: fields that it lacks are reserved."""
        return replace(
            self,
            fields=tuple(
                field if field.feature in features else replace(field, access="reserved")
                for field in self.fields
            ),
        )

    def pack(self, **values: int) -> int:
        """A register word with the named fields set and all others zero."""
        return sum(self.field(name).put(value) for name, value in values.items())


# --- The controller's registers, one 32-byte slot per receiver -----------------------------------

SEND = Register(
    "SEND",
    0x00,
    (Field("vector", 0, 64, "wo", doc="Vector to post; 64 and above are ignored."),),
    "Write: sets pending[vector]. Reads as zero.",
)
LOW = Register(
    "LOW",
    0x08,
    (
        Field("active", 0, 1, doc="The receiver may raise its hart's line."),
        Field(
            "mode", 1, 1, doc="1 = 64-bit layout. Stored, without effect: only that layout exists."
        ),
        Field(
            "supervisor",
            2,
            1,
            doc="The receiver is of supervisor kind: it raises its hart's supervisor line instead "
            "of the user one. Reserved without the feature SUPERVISOR; written as 0 without "
            "ENABLE.supervisor.",
            feature=Feature.SUPERVISOR,
        ),
        Field(
            "notify",
            3,
            1,
            doc="While the receiver is inactive, the kernel is told when it first has something "
            "pending. Reserved without the feature NOTIFY; written as 0 without ENABLE.notify.",
            feature=Feature.NOTIFY,
        ),
        Field("reserved", 4, 12, "reserved"),
        Field(
            "hartid",
            16,
            16,
            doc="Hart whose line is raised. WARL: a value at or above the number of harts reads "
            "back as the number of harts, and such a receiver raises no line.",
        ),
        Field("reserved_high", 32, 32, "reserved"),
    ),
    "Low half of the receiver's status (UIRS).",
)
HIGH = Register(
    "HIGH",
    0x10,
    (Field("pending", 0, 64, doc="One bit a vector."),),
    "Read: answers the pending word and clears it. Write: ORs into the pending word.",
)
ACTIVE = Register(
    "ACTIVE",
    0x18,
    (
        Field("active", 0, 1, doc="The same bit as LOW.active."),
        Field("reserved", 1, 63, "reserved"),
    ),
    "Read and write of the active bit alone.",
)
SLOT_REGISTERS = (SEND, LOW, HIGH, ACTIVE)

# --- The controller's masks, one word per receiver, at base + MASK_OFFSET (feature MASK) ----------

MASK_OFFSET = 0x28_0000
MASK_BYTES = 8
MASK = Register(
    "MASK",
    0,
    (Field("vectors", 0, 64, doc="Vectors that stay pending without raising a line."),),
    "Vectors of the receiver that are masked. Reading and clearing HIGH is not affected.",
    Feature.MASK,
)

# --- The control page, at base + CONTROL_OFFSET: behind the largest region of slots ---------------

CONTROL_OFFSET = 0x20_0000
MAGIC = 0x5549_4E54
"""What ID.magic reads as: UINT in ASCII."""

ID = Register(
    "ID",
    0x00,
    (
        Field("version", 0, 16, "ro", reset=2, doc="Version of this register map."),
        Field("reserved", 16, 16, "reserved"),
        Field("magic", 32, 32, "ro", reset=MAGIC),
    ),
    "Identification.",
)
FEATURES = Register(
    "FEATURES",
    0x08,
    tuple(
        Field(feature.name.lower(), feature.value.bit_length() - 1, 1, "ro")
        for feature in Feature
        if feature.name
    ),
    "Extensions that this hardware has.",
)
HARTS = Register("HARTS", 0x10, (Field("count", 0, 64, "ro"),), "Number of harts.")
RECEIVERS = Register("RECEIVERS", 0x18, (Field("count", 0, 64, "ro"),), "Number of receivers.")
SLOT_RESET = Register(
    "SLOT_RESET",
    0x20,
    (Field("receiver", 0, 64, "wo", doc="At or beyond the number of receivers: bus error."),),
    "Write: resets all of the receiver's record in one step, and takes it out of the queue.",
    Feature.SLOT_RESET,
)
CLAIM = Register(
    "CLAIM",
    0x28,
    (
        Field("receiver", 0, 16, "ro"),
        Field("reserved", 16, 47, "reserved"),
        Field("valid", 63, 1, "ro", doc="Clear: the queue is empty."),
    ),
    "Read: takes the first receiver out of the queue.",
    Feature.NOTIFY,
)
NOTIFY_HART = Register(
    "NOTIFY_HART",
    0x30,
    (
        Field(
            "hartid",
            0,
            16,
            doc="Hart whose supervisor line is high while the queue is not empty. WARL like "
            "LOW.hartid; after reset no hart at all.",
        ),
        Field("reserved", 16, 48, "reserved"),
    ),
    "Who is told of absent receivers.",
    Feature.NOTIFY,
)
INVALIDATE = Register(
    "INVALIDATE",
    0x38,
    (Field("any", 0, 64, "wo", doc="Without meaning."),),
    "Write: forgets the cached sender-table entries of all harts. When it is answered no post of "
    "an entry that was read before is under way any more.",
    Feature.ENTRY_CACHE,
)
ENABLE = Register(
    "ENABLE",
    0x40,
    (
        Field("supervisor", 0, 1, doc="LOW.supervisor can be set.", feature=Feature.SUPERVISOR),
        Field("reserved", 1, 1, "reserved"),
        Field("notify", 2, 1, doc="LOW.notify can be set.", feature=Feature.NOTIFY),
        Field("reserved_high", 3, 61, "reserved"),
    ),
    "Extensions of LOW that software says it knows, each at its bit of FEATURES. LOW's other bits "
    "are ignored in the specification; so without its bit here a write of LOW clears that field. "
    "There with any of them.",
    Feature.SUPERVISOR | Feature.NOTIFY,
)
CONTROL_REGISTERS = (
    ID,
    FEATURES,
    HARTS,
    RECEIVERS,
    SLOT_RESET,
    CLAIM,
    NOTIFY_HART,
    INVALIDATE,
    ENABLE,
)

REJECTED_OFFSET = 0x400
"""Within the control page: one word a hart (feature REJECTED)."""
REJECTED = Register(
    "REJECTED",
    REJECTED_OFFSET,
    (
        Field("count", 0, 32, "ro", doc="Refused UIPI SEND; stays at its highest value."),
        Field("cause", 32, 4, "ro", doc="`Status` of the last one."),
        Field("reserved", 36, 28, "reserved"),
    ),
    "Refused posts of one hart. Any write clears it; a refusal in the same cycle counts.",
    Feature.REJECTED,
)

THROTTLE_OFFSET = 0x600
"""Within the control page: one word a hart (feature THROTTLE)."""
THROTTLE = Register(
    "THROTTLE",
    THROTTLE_OFFSET,
    (
        Field("period", 0, 24, doc="Cycles after which a token comes back. 0: no budget at all."),
        Field("burst", 24, 8, doc="Tokens of the full bucket. 0: no post while there is a period."),
        Field("count", 32, 32, "ro", doc="UIPI SEND without a token; stays at its highest value."),
    ),
    "Budget of one hart's posts: each takes a token. Any write fills the bucket and clears count.",
    Feature.THROTTLE,
)

CACHE_ENTRIES = 4
"""Sender-table entries that a hart unit can keep; an entry's place is its index modulo this."""
ENTRY_CACHE_OFFSET = 0x800
"""Within the control page: one word a hart (feature ENTRY_CACHE)."""
ENTRY_CACHE = Register(
    "ENTRY_CACHE",
    ENTRY_CACHE_OFFSET,
    (
        Field("enable", 0, 1, doc="The hart unit keeps the entries that its UIPI SENDs have read."),
        Field("reserved", 1, 63, "reserved"),
    ),
    "Entry cache of one hart. Any write also does for this hart what INVALIDATE does for all.",
    Feature.ENTRY_CACHE,
)

HART_REGISTERS = (REJECTED, THROTTLE, ENTRY_CACHE)
"""Registers of the control page of which each hart has its own."""

# --- The sender table (UIST), in memory ----------------------------------------------------------

SENDER_ENTRY = Register(
    "UISTE",
    0,
    (
        Field("valid", 0, 1),
        Field("reserved", 1, 15, "reserved"),
        Field("vector", 16, 16),
        Field("reserved_mid", 32, 16, "reserved"),
        Field("receiver", 48, 16),
    ),
    "Sender-table entry: where UIPI SEND with this index posts to.",
)

# --- CSRs ----------------------------------------------------------------------------------------


class Csr(IntEnum):
    """CSR numbers. Bits 9:8 are the lowest privilege that may access the register."""

    USTATUS = 0x000
    UIE = 0x004
    UTVEC = 0x005
    USCRATCH = 0x040
    UEPC = 0x041
    UCAUSE = 0x042
    UTVAL = 0x043
    UIP = 0x044
    SIDELEG = 0x103
    SUIST = 0x1B0
    SUIRS = 0x1B1
    SUICFG = 0x1B2

    @property
    def privilege(self) -> int:
        """Lowest privilege that may access the register."""
        return (self.value >> 8) & 3


def _interrupt_fields(software: str, others: str) -> tuple[Field, ...]:
    return (
        Field("software", 0, 1, software, doc="USIP, USIE: user software interrupt."),
        Field("timer", 4, 1, others, doc="UTIP, UTIE: user timer interrupt."),
        Field("external", 8, 1, others, doc="UEIP, UEIE: user external interrupt."),
    )


CSRS: dict[Csr, Register] = {
    csr: Register(csr.name.lower(), csr.value, fields, doc)
    for csr, fields, doc in (
        (
            Csr.USTATUS,
            (
                Field("uie", 0, 1, doc="User interrupts enabled."),
                Field("upie", 4, 1, doc="UIE before the trap."),
            ),
            "User status.",
        ),
        (
            Csr.UIE,
            _interrupt_fields("rw", "rw"),
            "User interrupt enables. Shows and takes only the bits that sideleg delegates; the "
            "others read as zero and stay.",
        ),
        (
            Csr.UTVEC,
            (
                Field("mode", 0, 1, doc="0 direct, 1 vectored (base + 4 * cause)."),
                Field("reserved", 1, 1, "reserved"),
                Field("base", 2, 62),
            ),
            "User trap vector.",
        ),
        (Csr.USCRATCH, (Field("value", 0, 64),), "Scratch word of the user trap handler."),
        (
            Csr.UEPC,
            (Field("zero", 0, 1, "reserved"), Field("pc", 1, 63)),
            "User exception program counter.",
        ),
        (
            Csr.UCAUSE,
            (Field("code", 0, 63), Field("interrupt", 63, 1)),
            "User trap cause.",
        ),
        (Csr.UTVAL, (Field("value", 0, 64),), "User trap value."),
        (
            Csr.UIP,
            _interrupt_fields("rw", "ro"),
            "User interrupts pending. USIP reads as software bit OR hart line; writes, sets and "
            "clears see and change the software bit only. Shows and takes only the bits that "
            "sideleg delegates; the others read as zero and stay.",
        ),
        (Csr.SIDELEG, _interrupt_fields("rw", "rw"), "Interrupts delegated from S to U."),
        (
            Csr.SUIST,
            (
                Field("ppn", 0, 44, doc="Physical page number of the sender table."),
                Field("size", 44, 12, doc="Size of the table in 4 KiB pages."),
                Field("reserved", 56, 7, "reserved"),
                Field("en", 63, 1, doc="UIPI SEND is enabled."),
            ),
            "Sender table of the current thread.",
        ),
        (
            Csr.SUIRS,
            (
                Field("index", 0, 16, doc="Receiver index."),
                Field("reserved", 16, 47, "reserved"),
                Field("en", 63, 1, doc="UIPI READ, WRITE, ACTIVATE and DEACTIVATE are enabled."),
            ),
            "Receiver of the current thread.",
        ),
        (
            Csr.SUICFG,
            (Field("base", 0, 64, doc="Controller base. Stored, without effect."),),
            "Physical base of the controller, kept for software written for QEMU.",
        ),
    )
}

INTERRUPT_BIT = 1 << 63
"""Most significant bit of ucause: the trap was an interrupt."""
CAUSE_USER_SOFTWARE = INTERRUPT_BIT | 0
"""ucause of a user software interrupt."""

# --- Instructions --------------------------------------------------------------------------------

UIPI_OPCODE = 0b1111011
"""custom-3."""
UIPI_FUNCT3 = 0b110
URET_WORD = 0x0020_0073


def uipi_word(function: UipiFunction, *, rd: int = 0, rs1: int = 0) -> int:
    """Instruction word of a UIPI instruction (R-type, rs2 = x0)."""
    for name, register in (("rd", rd), ("rs1", rs1)):
        if not 0 <= register < 32:
            raise ValueError(f"{name} must be a register number below 32, not {register!r}")
    return function << 25 | rs1 << 15 | UIPI_FUNCT3 << 12 | rd << 7 | UIPI_OPCODE


# --- All of it -----------------------------------------------------------------------------------


class Space(StrEnum):
    """Where a register lies, and what its offset counts from."""

    SLOT = "slot"  #: of a receiver, from the controller's base
    CONTROL = "control"  #: in the control page, from the controller's base
    MASK = "mask"  #: behind the control page, from the controller's base
    TABLE = "table"  #: an entry of a sender table, from the beginning of the table
    DESCRIPTOR = "descriptor"  #: Intel flavour: in memory, from the descriptor's address
    CSR = "csr"  #: the offset is the CSR's number
    MSR = "msr"  #: Intel flavour: the offset is the MSR's number
    INTERNAL = "internal"  #: Intel flavour: the offset is the number that a hart unit knows it by


BUS_SPACES = (Space.SLOT, Space.CONTROL, Space.MASK)
"""Registers of the controller, which a hart reaches with loads and stores."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A register, or ``count`` like ones ``step`` bytes apart, of one build of the hardware.

    Registers of a slot are as many as receivers, and lie a slot apart.
    """

    register: Register
    space: Space
    offset: int
    count: int = 1
    step: int = 0

    @property
    def offsets(self) -> range:
        """The offset of each."""
        return range(self.offset, self.offset + max(self.count * self.step, 1), self.step or 1)


def registers(
    *,
    harts: int = DEFAULT_HARTS,
    receivers: int = DEFAULT_RECEIVERS,
    features: Feature = ALL_FEATURES,
) -> Iterator[Placed]:
    """Every register of the RISC-V flavour that hardware of this shape has, as it has it.

    The one list of all registers: header, SVD, SystemRDL, pages and tests walk it.
    `uintr.intel.registers.registers` is the same for the other flavour.
    """
    word = XLEN // 8
    places = [
        *((each, Space.SLOT, each.address, receivers, SLOT_BYTES) for each in SLOT_REGISTERS),
        *((each, Space.CONTROL, CONTROL_OFFSET + each.address, 1, 0) for each in CONTROL_REGISTERS),
        *(
            (each, Space.CONTROL, CONTROL_OFFSET + each.address, harts, word)
            for each in HART_REGISTERS
        ),
        (MASK, Space.MASK, MASK_OFFSET, receivers, MASK_BYTES),
        (SENDER_ENTRY, Space.TABLE, 0, 1, SENDER_ENTRY_BYTES),
        *((register, Space.CSR, csr, 1, 0) for csr, register in CSRS.items()),
    ]
    for register, space, offset, count, step in places:
        if not register.feature or register.feature & features:
            yield Placed(
                register=register.built(features),
                space=space,
                offset=offset,
                count=count,
                step=step,
            )
