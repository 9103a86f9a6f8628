"""The files made of the register table say what the table says, in the words of other tools."""

import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from uintr.c_header import c_header
from uintr.register_files import RegisterMap, svd, system_rdl
from uintr.registers import (
    CONTROL_OFFSET,
    CONTROL_REGISTERS,
    CSRS,
    MASK,
    MASK_BYTES,
    MASK_OFFSET,
    REJECTED,
    REJECTED_OFFSET,
    SENDER_ENTRY,
    SLOT_BYTES,
    SLOT_REGISTERS,
    Feature,
    Status,
    UipiFunction,
)

SMALL = RegisterMap(base=0x1_0000_0000, harts=3, receivers=5)


def expected_macros() -> dict[str, int]:
    values = {
        "BASE": SMALL.base,
        "HARTS": 3,
        "RECEIVERS": 5,
        "SLOT_BYTES": SLOT_BYTES,
        "MASK_OFFSET": MASK_OFFSET,
        "MASK_BYTES": MASK_BYTES,
        "REJECTED_OFFSET": CONTROL_OFFSET + REJECTED_OFFSET,
    }
    named = [(each.name, each, each.address) for each in SLOT_REGISTERS]
    named += [
        (f"CONTROL_{each.name}", each, CONTROL_OFFSET + each.address) for each in CONTROL_REGISTERS
    ]
    for name, _, offset in named:
        values[f"{name}_OFFSET"] = offset
    named += [(f"CSR_{csr.name}", register, 0) for csr, register in CSRS.items()]
    named += [("SENDER_ENTRY", SENDER_ENTRY, 0), ("MASK", MASK, 0), ("REJECTED", REJECTED, 0)]
    for name, register, _ in named:
        for field in register.fields:
            if field.access != "reserved":
                values[f"{name}_{field.name.upper()}_MASK"] = field.mask
                values[f"{name}_{field.name.upper()}_LSB"] = field.lsb
    values |= {f"CSR_{csr.name}": csr.value for csr in CSRS}
    values |= {f"STATUS_{code.name}": code.value for code in Status}
    values |= {f"UIPI_{code.name}": code.value for code in UipiFunction}
    return values


def test_header_compiles_and_every_number_is_that_of_the_table(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    macros = expected_macros()
    prints = "".join(
        f'    printf("{name} %llu\\n", (unsigned long long)UINTR_{name});\n' for name in macros
    )
    offsets = "".join(
        f"_Static_assert(offsetof(struct uintr_slot, {each.name.lower()}) == {each.address}, "
        f'"{each.name}");\n'
        for each in SLOT_REGISTERS
    )
    (tmp_path / "uintr.h").write_text(c_header(SMALL))
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
    places = {
        f"SLOT[{slot}].{each.name}": slot * SLOT_BYTES + each.address
        for slot in range(layout.receivers)
        for each in SLOT_REGISTERS
    }
    places |= {each.name: CONTROL_OFFSET + each.address for each in CONTROL_REGISTERS}
    for register, offset, number, step in layout.arrays():
        places |= {f"{register.name}[{at}]": offset + at * step for at in range(number)}
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
    for register in (*SLOT_REGISTERS, *CONTROL_REGISTERS):
        for field in register.fields:
            if field.access != "reserved":
                assert fields[register.name, field.name] == (field.lsb, field.width)


@pytest.mark.parametrize("features", [SMALL.features, Feature(0)])
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
