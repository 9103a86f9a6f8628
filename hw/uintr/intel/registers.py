"""Tables, MSRs and instructions of the Intel flavour; pure data, like `uintr.registers`.

The names are those of the Software Developer's Manual and of the chapter on user-timer events.
"""

from collections.abc import Iterator
from enum import IntEnum

from uintr.registers import Field, Placed, Register, Space

__all__ = [
    "BROADCAST",
    "CANONICAL_BITS",
    "FAULT",
    "Fault",
    "FIRST_VECTOR",
    "Instruction",
    "INTERNAL_REGISTERS",
    "Internal",
    "Msr",
    "MSRS",
    "registers",
    "StoreFunction",
    "UITTE",
    "UITTE_ADDRESS",
    "UITTE_BYTES",
    "UPID",
    "UPID_BYTES",
    "UPID_PIR",
]

CANONICAL_BITS = 48
"""An address is canonical when the bits from this one less one upwards are all equal."""

BROADCAST = 0xFFFF_FFFF
"""The destination of an interrupt for every hart, in x2APIC mode."""

FIRST_VECTOR = 0xE0
"""The interrupt vectors that a hart can hold pending are this one to 0xFF. Others are dropped."""

# --- What lies in memory -------------------------------------------------------------------------

UPID_BYTES = 64
"""Alignment of a user posted-interrupt descriptor, of which the first 16 bytes are used."""
UPID = Register(
    "UPID",
    0,
    (
        Field("on", 0, 1, doc="Outstanding notification."),
        Field("sn", 1, 1, doc="Suppress notification."),
        Field("reserved", 2, 14, "reserved"),
        Field("nv", 16, 8, doc="Notification vector."),
        Field("reserved_mid", 24, 8, "reserved"),
        Field("ndst", 32, 32, doc="Notification destination: x2APIC id, that is, hart; or all."),
    ),
    "First word of a user posted-interrupt descriptor.",
)
UPID_PIR = Register(
    "UPID_PIR",
    8,
    (Field("pir", 0, 64, doc="Posted interrupt requests, one bit a vector."),),
    "Second word of a user posted-interrupt descriptor.",
)

UITTE_BYTES = 16
UITTE = Register(
    "UITTE",
    0,
    (
        Field("v", 0, 1, doc="Valid."),
        Field("reserved", 1, 7, "reserved"),
        Field("uv", 8, 6, doc="User-interrupt vector."),
        Field("reserved_high", 14, 50, "reserved"),
    ),
    "First word of an entry of the user-interrupt target table.",
)
UITTE_ADDRESS = Register(
    "UITTE_ADDRESS",
    8,
    (
        Field("reserved", 0, 6, "reserved"),
        Field("upidaddr", 6, 58, doc="Address of the UPID, without its six low bits."),
    ),
    "Second word of an entry of the user-interrupt target table.",
)

# --- MSRs ----------------------------------------------------------------------------------------


class Msr(IntEnum):
    """MSR numbers, for RDMSR and WRMSR at CPL 0."""

    X2APIC_IRR0 = 0x820
    X2APIC_IRR1 = 0x821
    X2APIC_IRR2 = 0x822
    X2APIC_IRR3 = 0x823
    X2APIC_IRR4 = 0x824
    X2APIC_IRR5 = 0x825
    X2APIC_IRR6 = 0x826
    X2APIC_IRR7 = 0x827
    X2APIC_ICR = 0x830
    UINTR_RR = 0x985
    UINTR_HANDLER = 0x986
    UINTR_STACKADJUST = 0x987
    UINTR_MISC = 0x988
    UINTR_PD = 0x989
    UINTR_TT = 0x98A
    UINTR_TIMER = 0x1B00


_IRRS = [msr for msr in Msr if msr.name.startswith("X2APIC_IRR")]

MSRS: dict[Msr, Register] = {
    msr: Register(msr.name, msr.value, fields, doc)
    for msr, fields, doc in (
        *(
            (
                msr,
                (Field("requests", 0, 32, "ro"), Field("reserved", 32, 32, "reserved")),
                f"Interrupts requested of the hart, vectors {32 * number:#x} to "
                f"{32 * number + 31:#x}.",
            )
            for number, msr in enumerate(_IRRS)
        ),
        (
            Msr.X2APIC_ICR,
            (
                Field("vector", 0, 8, "wo"),
                Field("reserved", 8, 24, "reserved"),
                Field("destination", 32, 32, "wo", doc="Hart; all ones: every one."),
            ),
            "Write: sends a fixed interrupt, physical destination mode, no shorthand.",
        ),
        (
            Msr.UINTR_RR,
            (Field("uirr", 0, 64, doc="One bit a vector."),),
            "User-interrupt request register.",
        ),
        (
            Msr.UINTR_HANDLER,
            (Field("uihandler", 0, 64, doc="Canonical address."),),
            "User-interrupt handler.",
        ),
        (
            Msr.UINTR_STACKADJUST,
            (
                Field("load", 0, 1, doc="1: delivery loads RSP; 0: it subtracts."),
                Field("uistackadjust", 1, 63, doc="The whole word is a canonical address."),
            ),
            "User-interrupt stack adjustment. Kept for the core, which makes the frame.",
        ),
        (
            Msr.UINTR_MISC,
            (
                Field("uittsz", 0, 32, doc="Highest valid index of the table."),
                Field("uinv", 32, 8, doc="User-interrupt notification vector."),
                Field("reserved", 40, 24, "reserved"),
            ),
            "Table size and notification vector.",
        ),
        (
            Msr.UINTR_PD,
            (
                Field("reserved", 0, 6, "reserved"),
                Field("upidaddr", 6, 58, doc="The whole word is a canonical address."),
            ),
            "UPID of the current thread.",
        ),
        (
            Msr.UINTR_TT,
            (
                Field("enable", 0, 1, doc="SENDUIPI is enabled."),
                Field("reserved", 1, 3, "reserved"),
                Field("uittaddr", 4, 60, doc="The whole word is a canonical address."),
            ),
            "User-interrupt target table of the current thread.",
        ),
        (
            Msr.UINTR_TIMER,
            (
                Field("vector", 0, 6, doc="User-timer vector."),
                Field("deadline", 6, 58, doc="TSC / 64 of the event; 0: no event."),
            ),
            "User timer.",
        ),
    )
}

# --- Internal registers --------------------------------------------------------------------------


class Internal(IntEnum):
    """Registers between a hart unit and its core, at any privilege. No instruction can name them,
    since RDMSR and WRMSR have a number of 32 bits."""

    UIRRV = 1 << 32 | 0
    CR4 = 1 << 32 | 1
    ACKNOWLEDGE = 1 << 32 | 2
    TSC = 1 << 32 | 3
    FAULT = 1 << 32 | 4


class Fault(IntEnum):
    """Why SENDUIPI was refused; the same reasons that stand behind its #UD and #GP."""

    NONE = 0
    DISABLED = 1  #: UD: CR4.UINTR or UINTR_TT.enable is clear
    INDEX = 2  #: GP: above UITTSZ
    TABLE = 3  #: GP: the entry's address is not canonical
    INVALID = 4  #: GP: the entry is not valid
    ENTRY = 5  #: GP: a reserved bit of the entry is set, or the UPID would not be aligned
    ADDRESS = 6  #: GP: the UPID's address is not canonical
    DESCRIPTOR = 7  #: GP: a reserved bit of the UPID is set
    BUS = 8  #: BUS: there is no memory at the entry or at the UPID


INTERNAL_REGISTERS: dict[Internal, Register] = {
    internal: Register(internal.name, internal.value, fields, doc)
    for internal, fields, doc in (
        (
            Internal.UIRRV,
            (Field("vector", 0, 6, "ro"), Field("reserved", 6, 58, "reserved")),
            "Vector of the last delivery.",
        ),
        (
            Internal.CR4,
            (
                Field("reserved", 0, 25, "reserved"),
                Field("uintr", 25, 1, doc="User interrupts are enabled."),
                Field("reserved_high", 26, 38, "reserved"),
            ),
            "The one bit of CR4 that the unit needs; the others are ignored and read as zero.",
        ),
        (
            Internal.ACKNOWLEDGE,
            (Field("vector", 0, 8, "ro"), Field("reserved", 8, 56, "reserved")),
            "Read: takes the highest ordinary interrupt that is requested and answers its vector, "
            "or 0.",
        ),
        (
            Internal.TSC,
            (Field("count", 0, 64),),
            "Time-stamp counter of the user timer. It counts only towards a deadline.",
        ),
        (
            Internal.FAULT,
            (
                Field("count", 0, 16, "ro", doc="SENDUIPI refused; stays at its highest value."),
                Field("cause", 16, 4, "ro", doc="`Fault` of the last one."),
                Field("lost", 20, 1, "ro", doc="A notification found no memory at UPIDADDR."),
                Field("reserved", 21, 43, "reserved"),
            ),
            "Refused SENDUIPI, for debugging. Any write clears it.",
        ),
    )
}
FAULT = INTERNAL_REGISTERS[Internal.FAULT]

# --- Requests ------------------------------------------------------------------------------------


class Instruction(IntEnum):
    """Function of a UIPI request. UIRET is the request URET."""

    SENDUIPI = 0
    CLUI = 8
    STUI = 9
    TESTUI = 10  #: answers UIF


class StoreFunction(IntEnum):
    """Function of a STORE request. All but the first are one locked read-modify-write each, and
    answer the word before."""

    PLAIN = 0
    SWAP = 1
    AND = 2
    OR = 3


def registers() -> Iterator[Placed]:
    """Every register and word in memory of the flavour, as `uintr.registers.registers`."""
    for word in (UITTE, UITTE_ADDRESS):
        yield Placed(register=word, space=Space.TABLE, offset=word.address, step=UITTE_BYTES)
    for word in (UPID, UPID_PIR):
        yield Placed(register=word, space=Space.DESCRIPTOR, offset=word.address)
    for msr, register in MSRS.items():
        yield Placed(register=register, space=Space.MSR, offset=msr)
    for internal, register in INTERNAL_REGISTERS.items():
        yield Placed(register=register, space=Space.INTERNAL, offset=internal)
