"""The register table as files for other tools: CMSIS-SVD and SystemRDL. (C: `uintr.c_header`.)

All of it comes from `uintr.registers`; nothing about a register is written down here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

from uintr.registers import (
    ALL_FEATURES,
    CONTROL_OFFSET,
    CONTROL_REGISTERS,
    DEFAULT_BASE,
    DEFAULT_HARTS,
    DEFAULT_RECEIVERS,
    ENTRY_CACHE,
    ENTRY_CACHE_OFFSET,
    MASK,
    MASK_BYTES,
    MASK_OFFSET,
    PAGE_BYTES,
    REJECTED,
    REJECTED_OFFSET,
    SLOT_BYTES,
    SLOT_REGISTERS,
    THROTTLE,
    THROTTLE_OFFSET,
    XLEN,
    Feature,
    Field,
    Register,
)

__all__ = ["RegisterMap", "described", "svd", "system_rdl", "visible"]

_WORD_BYTES = XLEN // 8


@dataclass(frozen=True, kw_only=True)
class RegisterMap:
    """Where the controller's registers lie, for one configuration.

    Parameters
    ----------
    base : address of the controller
    harts, receivers : as the hardware has them
    features : extensions of the hardware; without MASK there are no masks
    """

    base: int = DEFAULT_BASE
    harts: int = DEFAULT_HARTS
    receivers: int = DEFAULT_RECEIVERS
    features: Feature = ALL_FEATURES

    def arrays(self) -> Iterator[tuple[Register, int, int, int]]:
        """(register, offset from base, number, distance) of registers that are not alone."""
        if Feature.MASK in self.features:
            yield MASK, MASK_OFFSET, self.receivers, MASK_BYTES
        if Feature.REJECTED in self.features:
            yield REJECTED, CONTROL_OFFSET + REJECTED_OFFSET, self.harts, _WORD_BYTES
        if Feature.THROTTLE in self.features:
            yield THROTTLE, CONTROL_OFFSET + THROTTLE_OFFSET, self.harts, _WORD_BYTES
        if Feature.ENTRY_CACHE in self.features:
            yield ENTRY_CACHE, CONTROL_OFFSET + ENTRY_CACHE_OFFSET, self.harts, _WORD_BYTES

    @property
    def size(self) -> int:
        """Bytes from the base to the end of the last register."""
        ends = [offset + number * step for _, offset, number, step in self.arrays()]
        return max(CONTROL_OFFSET + PAGE_BYTES, *ends) if ends else CONTROL_OFFSET + PAGE_BYTES


def visible(register: Register) -> list[Field]:
    """The fields that mean something."""
    return [field for field in register.fields if field.access != "reserved"]


def described(text: str) -> str:
    """A description on one line."""
    return " ".join(text.split())


_SVD_ACCESS = {"rw": "read-write", "ro": "read-only", "wo": "write-only"}


def svd(layout: RegisterMap) -> str:
    """CMSIS-SVD of the controller."""
    out: list[str] = []

    def element(depth: int, name: str, value: object) -> None:
        out.append(f"{'  ' * depth}<{name}>{escape(str(value))}</{name}>")

    def register(depth: int, each: Register, offset: int, number: int = 1, step: int = 0) -> None:
        pad = "  " * depth
        out.append(f"{pad}<register>")
        if number > 1:
            element(depth + 1, "dim", number)
            element(depth + 1, "dimIncrement", f"{step:#x}")
        element(depth + 1, "name", each.name + ("[%s]" if number > 1 else ""))
        element(depth + 1, "description", described(each.doc))
        element(depth + 1, "addressOffset", f"{offset:#x}")
        element(depth + 1, "size", XLEN)
        element(depth + 1, "resetValue", f"{each.reset:#x}")
        out.append(f"{pad}  <fields>")
        for field in visible(each):
            out.append(f"{pad}    <field>")
            element(depth + 3, "name", field.name)
            element(depth + 3, "description", described(field.doc) or field.name)
            element(depth + 3, "bitOffset", field.lsb)
            element(depth + 3, "bitWidth", field.width)
            element(depth + 3, "access", _SVD_ACCESS[field.access])
            out.append(f"{pad}    </field>")
        out.append(f"{pad}  </fields>")
        out.append(f"{pad}</register>")

    out.append('<?xml version="1.0" encoding="utf-8"?>')
    out.append('<device schemaVersion="1.3">')
    for name, value in (
        ("name", "uintr"),
        ("version", "1.0"),
        ("description", "RISC-V user-interrupt controller"),
        ("addressUnitBits", 8),
        ("width", XLEN),
    ):
        element(1, name, value)
    out += ["  <peripherals>", "    <peripheral>"]
    element(3, "name", "UINTC")
    element(3, "description", "Receivers of user interrupts")
    element(3, "baseAddress", f"{layout.base:#x}")
    out.append("      <addressBlock>")
    element(4, "offset", "0x0")
    element(4, "size", f"{layout.size:#x}")
    element(4, "usage", "registers")
    out += ["      </addressBlock>", "      <registers>", "        <cluster>"]
    if layout.receivers > 1:
        element(5, "dim", layout.receivers)
        element(5, "dimIncrement", f"{SLOT_BYTES:#x}")
    element(5, "name", "SLOT" + ("[%s]" if layout.receivers > 1 else ""))
    element(5, "description", "One receiver")
    element(5, "addressOffset", "0x0")
    for each in SLOT_REGISTERS:
        register(5, each, each.address)
    out.append("        </cluster>")
    for each in CONTROL_REGISTERS:
        register(4, each, CONTROL_OFFSET + each.address)
    for each, offset, number, step in layout.arrays():
        register(4, each, offset, number, step)
    out += ["      </registers>", "    </peripheral>", "  </peripherals>", "</device>", ""]
    return "\n".join(out)


_RDL_ACCESS = {"rw": "rw", "ro": "r", "wo": "w"}


def system_rdl(layout: RegisterMap) -> str:
    """SystemRDL 2.0 of the controller. Names are escaped, since some are words of the language."""
    out = [
        "addrmap uintc {",
        f"    default regwidth = {XLEN};",
        f"    default accesswidth = {XLEN};",
    ]

    def register(pad: str, each: Register, instance: str) -> None:
        out.append(f"{pad}reg {{")
        out.append(f'{pad}    desc = "{described(each.doc)}";')
        for field in visible(each):
            access = _RDL_ACCESS[field.access]
            out.append(
                f"{pad}    field {{ sw = {access}; hw = rw; reset = {XLEN}'h{field.reset:x}; "
                f'desc = "{described(field.doc)}"; }} '
                f"\\{field.name} [{field.lsb + field.width - 1}:{field.lsb}];".replace(
                    f"{XLEN}'h", f"{field.width}'h"
                )
            )
        out.append(f"{pad}}} {instance};")

    out.append("    regfile {")
    for each in SLOT_REGISTERS:
        register("        ", each, f"\\{each.name} @ {each.address:#x}")
    out.append(f"    }} \\SLOT [{layout.receivers}] @ 0x0 += {SLOT_BYTES:#x};")
    for each in CONTROL_REGISTERS:
        register("    ", each, f"\\{each.name} @ {CONTROL_OFFSET + each.address:#x}")
    for each, offset, number, step in layout.arrays():
        register("    ", each, f"\\{each.name} [{number}] @ {offset:#x} += {step:#x}")
    out += ["};", ""]
    return "\n".join(out)
