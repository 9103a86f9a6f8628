"""The register table as files for other tools: CMSIS-SVD and SystemRDL. (C: `uintr.c_header`.)

All of it comes from `uintr.registers`; nothing about a register is written down here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

from uintr.registers import (
    ALL_FEATURES,
    BUS_SPACES,
    CONTROL_OFFSET,
    DEFAULT_BASE,
    DEFAULT_HARTS,
    DEFAULT_RECEIVERS,
    PAGE_BYTES,
    SLOT_BYTES,
    XLEN,
    Feature,
    Placed,
    Register,
    Space,
    registers,
)
from uintr.shape import controller_windows

__all__ = ["RegisterMap", "described", "svd", "system_rdl"]


@dataclass(frozen=True, kw_only=True)
class RegisterMap:
    """Where the controller's registers lie, for one configuration.

    Parameters
    ----------
    base : address of the controller
    harts, receivers : as the hardware has them
    features : extensions of the hardware; what it lacks is in none of the files
    controller, hart_units : what there is: registers on the bus; CSRs, sender tables, instructions

    Raises
    ------
    ValueError : a parameter is out of range.
    """

    base: int = DEFAULT_BASE
    harts: int = DEFAULT_HARTS
    receivers: int = DEFAULT_RECEIVERS
    features: Feature = ALL_FEATURES
    controller: bool = True
    hart_units: bool = True

    def __post_init__(self) -> None:
        controller_windows(
            harts=self.harts, receivers=self.receivers, base=self.base, features=self.features
        )

    def registers(self, *spaces: Space) -> Iterator[Placed]:
        """Those of the configuration that lie in one of ``spaces``, or all."""
        there = (*BUS_SPACES,) * self.controller + (Space.TABLE, Space.CSR) * self.hart_units
        for each in registers(harts=self.harts, receivers=self.receivers, features=self.features):
            if each.space in there and (not spaces or each.space in spaces):
                yield each

    @property
    def size(self) -> int:
        """Bytes from the base to the end of the last register, the control page taken whole."""
        ends = [each.offsets[-1] + XLEN // 8 for each in self.registers(*BUS_SPACES)]
        return max(CONTROL_OFFSET + PAGE_BYTES, *ends)


def described(text: str) -> str:
    """A description on one line."""
    return " ".join(text.split())


_SVD_ACCESS = {"rw": "read-write", "ro": "read-only", "wo": "write-only"}


def svd(layout: RegisterMap) -> str:
    """CMSIS-SVD of the controller."""
    out: list[str] = []

    def element(depth: int, name: str, value: object) -> None:
        out.append(f"{'  ' * depth}<{name}>{escape(str(value))}</{name}>")

    def register(depth: int, placed: Placed, number: int) -> None:
        each, pad = placed.register, "  " * depth
        out.append(f"{pad}<register>")
        if number > 1:
            element(depth + 1, "dim", number)
            element(depth + 1, "dimIncrement", f"{placed.step:#x}")
        element(depth + 1, "name", each.name + ("[%s]" if number > 1 else ""))
        element(depth + 1, "description", described(each.doc))
        element(depth + 1, "addressOffset", f"{placed.offset:#x}")
        element(depth + 1, "size", XLEN)
        element(depth + 1, "resetValue", f"{each.reset:#x}")
        out.append(f"{pad}  <fields>")
        for field in each.visible:
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
    for each in layout.registers(Space.SLOT):
        register(5, each, 1)
    out.append("        </cluster>")
    for each in layout.registers(Space.CONTROL, Space.MASK):
        register(4, each, each.count)
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
        for field in each.visible:
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
    for each in layout.registers(Space.SLOT):
        register("        ", each.register, f"\\{each.register.name} @ {each.offset:#x}")
    out.append(f"    }} \\SLOT [{layout.receivers}] @ 0x0 += {SLOT_BYTES:#x};")
    for each in layout.registers(Space.CONTROL, Space.MASK):
        place = f"[{each.count}] @ {each.offset:#x} += {each.step:#x}"
        place = place if each.step else f"@ {each.offset:#x}"
        register("    ", each.register, f"\\{each.register.name} {place}")
    out += ["};", ""]
    return "\n".join(out)
