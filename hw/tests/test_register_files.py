"""The files made of the register table say what the table says, in the words of other tools."""

import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from enum import IntEnum
from pathlib import Path

import pytest

from uintr.c_header import c_header
from uintr.register_files import RegisterMap, svd, system_rdl
from uintr.registers import (
    NO_FEATURE,
    SENDER_ENTRY_BYTES,
    SLOT_BYTES,
    SLOT_REGISTERS,
    CsrFunction,
    Feature,
    OperationFunction,
    Placed,
    Privilege,
    RequestKind,
    Space,
    Status,
    UipiFunction,
)

SMALL = RegisterMap(base=0x1_0000_0000, harts=3, receivers=5)
PLAIN = RegisterMap(harts=3, receivers=5, features=NO_FEATURE)


def macro(placed: Placed) -> str:
    """What a register's macros begin with."""
    if placed.space is Space.TABLE:
        return "SENDER_ENTRY"
    name = placed.register.name.upper()
    if placed.space is Space.CONTROL and not placed.step:
        return f"CONTROL_{name}"
    return f"CSR_{name}" if placed.space is Space.CSR else name


def absent_numbers(layout: RegisterMap) -> list[str]:
    """Numbers of the other flavour, and of extensions that this hardware lacks."""
    absent = ["STATUS_UD", "STATUS_GP"]
    if layout.features == NO_FEATURE:
        absent += ["STATUS_THROTTLED", "OPERATION_RESET_SLOT", "OPERATION_READ_MASK",
                   "OPERATION_WRITE_MASK", "OPERATION_CLAIM"]  # fmt: skip
    return absent


def expected_macros(layout: RegisterMap) -> dict[str, int]:
    values = {
        "BASE": layout.base,
        "HARTS": 3,
        "RECEIVERS": 5,
        "SLOT_BYTES": SLOT_BYTES,
        "SENDER_ENTRY_BYTES": SENDER_ENTRY_BYTES,
    }
    for placed in layout.registers():
        name = macro(placed)
        if placed.space is Space.CSR:
            values[name] = placed.offset
        elif placed.space is not Space.TABLE:
            values[f"{name}_OFFSET"] = placed.offset
            if placed.space is not Space.SLOT and placed.step:
                values[f"{name}_BYTES"] = placed.step
        for field in placed.register.fields:
            if field.access != "reserved":
                values[f"{name}_{field.name.upper()}_MASK"] = field.mask
                values[f"{name}_{field.name.upper()}_LSB"] = field.lsb
    numbers: list[tuple[str, type[IntEnum]]] = [
        ("PRIVILEGE", Privilege), ("KIND", RequestKind), ("CSR_FUNCTION", CsrFunction),
        ("UIPI", UipiFunction), ("OPERATION", OperationFunction), ("STATUS", Status),
    ]  # fmt: skip
    values |= {f"{name}_{code.name}": code.value for name, codes in numbers for code in codes}
    for name in absent_numbers(layout):
        del values[name]
    return values


def test_what_a_build_has_not_is_in_none_of_its_files() -> None:
    header, description, rdl = c_header(PLAIN), svd(PLAIN), system_rdl(PLAIN)
    there = {placed.register.name: placed.register for placed in PLAIN.registers()}
    gone = set()
    for placed in SMALL.registers():
        name = placed.register.name
        if name not in there:
            gone.add(name)
            assert f"UINTR_{macro(placed)}_" not in header
            assert f"<name>{name}" not in description
            assert f"\\{name} " not in rdl
            continue
        for field in set(placed.register.visible) - set(there[name].visible):
            gone.add(f"{name}.{field.name}")
            assert f"UINTR_{macro(placed)}_{field.name.upper()}_" not in header
            assert field.doc not in description
            assert field.doc not in rdl
    assert {"LOW.supervisor", "LOW.notify", "MASK", "CLAIM", "THROTTLE"} <= gone


@pytest.mark.parametrize("layout", [SMALL, PLAIN])
def test_header_compiles_and_every_number_is_that_of_the_table(
    layout: RegisterMap, tmp_path: Path
) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    macros = expected_macros(layout)
    prints = "".join(
        f'    printf("{name} %llu\\n", (unsigned long long)UINTR_{name});\n' for name in macros
    )
    offsets = "".join(
        f"_Static_assert(offsetof(struct uintr_slot, {each.name.lower()}) == {each.address}, "
        f'"{each.name}");\n'
        for each in SLOT_REGISTERS
    )
    (tmp_path / "uintr.h").write_text(c_header(layout))
    (tmp_path / "main.c").write_text(
        '#include "uintr.h"\n#include "uintr.h"\n#include <stddef.h>\n#include <stdio.h>\n'
        f'_Static_assert(sizeof(struct uintr_slot) == {SLOT_BYTES}, "slot");\n{offsets}'
        f"int main(void) {{\n{prints}    return 0;\n}}\n"
    )
    program = tmp_path / "main"
    subprocess.run(
        ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-o", program, "main.c"],
        cwd=tmp_path,
        check=True,
        timeout=60,
    )
    out = subprocess.run([program], check=True, capture_output=True, text=True, timeout=10).stdout
    found = {name: int(value) for name, value in map(str.split, out.splitlines())}
    assert found == macros


def addresses(layout: RegisterMap) -> dict[str, int]:
    """Every register's offset, by the name it has in SystemRDL."""
    places: dict[str, int] = {}
    for placed in layout.registers(Space.SLOT, Space.CONTROL, Space.MASK):
        name = placed.register.name
        for index, offset in enumerate(placed.offsets):
            if placed.space is Space.SLOT:
                places[f"SLOT[{index}].{name}"] = offset
            else:
                places[f"{name}[{index}]" if placed.step else name] = offset
    return places


def test_svd() -> None:
    root = ElementTree.fromstring(svd(SMALL))
    peripheral = root.find("peripherals/peripheral")
    assert peripheral is not None
    assert int(peripheral.findtext("baseAddress", ""), 0) == SMALL.base

    def places(parent: ElementTree.Element) -> dict[str, int]:
        found = {}
        for each in parent:
            if each.tag not in ("register", "cluster"):
                continue
            inner = {"": 0} if each.tag == "register" else places(each)
            for index in range(int(each.findtext("dim", "1"))):
                name = each.findtext("name", "").replace("%s", str(index))
                start = int(each.findtext("addressOffset", ""), 0)
                start += index * int(each.findtext("dimIncrement", "0"), 0)
                for rest, offset in inner.items():
                    found[f"{name}.{rest}".rstrip(".")] = start + offset
        return found

    registers = peripheral.find("registers")
    assert registers is not None
    assert places(registers) == addresses(SMALL)
    fields = {
        (each.findtext("name"), field.findtext("name")): (
            int(field.findtext("bitOffset", "")),
            int(field.findtext("bitWidth", "")),
        )
        for each in root.iter("register")
        for field in each.iter("field")
    }
    for placed in SMALL.registers(Space.SLOT, Space.CONTROL, Space.MASK):
        name = placed.register.name + ("[%s]" if placed.step and placed.space != Space.SLOT else "")
        for field in placed.register.visible:
            assert fields[name, field.name] == (field.lsb, field.width)


@pytest.mark.parametrize("features", [SMALL.features, NO_FEATURE])
def test_system_rdl(features: Feature, tmp_path: Path) -> None:
    compiler = pytest.importorskip("systemrdl", reason="extra: blocks")
    layout = RegisterMap(harts=3, receivers=5, features=features)
    source = tmp_path / "uintc.rdl"
    source.write_text(system_rdl(layout))
    rdl = compiler.RDLCompiler()
    rdl.compile_file(str(source))
    top = rdl.elaborate().top
    found = {}
    for node in top.descendants(unroll=True):
        if isinstance(node, compiler.node.RegNode):
            found[node.get_path().removeprefix("uintc.")] = node.absolute_address
            for field in node.fields():
                assert 0 <= field.low <= field.high < 64
    assert found == addresses(layout)
