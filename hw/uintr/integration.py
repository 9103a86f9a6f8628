"""Files that fit the gateware into somebody else's build: FuseSoC core and device tree."""

from uintr.register_files import RegisterMap
from uintr.registers import (
    CONTROL_OFFSET,
    MASK_BYTES,
    MASK_OFFSET,
    PAGE_BYTES,
    SLOT_BYTES,
    Feature,
)

__all__ = ["COMPATIBLE", "devicetree_binding", "devicetree_example", "fusesoc_core"]

COMPATIBLE = "rel4,uintc"
"""The device tree's name of the controller."""


def fusesoc_core(*, name: str, arguments: str) -> str:
    """A FuseSoC core file (CAPI 2) for the generated files ``name``.v and ``name``.vlt, whose top
    is ``name``.

    ``arguments`` are those of ``uintr generate`` that make them; they stand in a comment.
    """
    generate = f"uintr generate {arguments}".rstrip()
    return f"""CAPI=2:
# The files are made by:
#   {generate} -o {name}.v
#   {generate} -t vlt -o {name}.vlt
name: rel4:uintr:{name}:0.1.0
description: RISC-V user interrupts
filesets:
  rtl:
    files:
      - {name}.v
    file_type: verilogSource
  waivers:
    files:
      - {name}.vlt
    file_type: vlt
targets:
  default: &default
    filesets: [rtl]
    toplevel: {name}
  lint:
    <<: *default
    filesets: [rtl, waivers]
    default_tool: verilator
    tools:
      verilator:
        mode: lint-only
        verilator_options: [-Wall]
"""


def devicetree_binding() -> str:
    """The binding as a schema of the device-tree project."""
    return f"""# SPDX-License-Identifier: BSD-2-Clause
%YAML 1.2
---
$id: http://devicetree.org/schemas/interrupt-controller/rel4,uintc.yaml#
$schema: http://devicetree.org/meta-schemas/core.yaml#

title: RISC-V user-interrupt controller

maintainers:
  - The rel4-uintr authors <authors@rel4-uintr.invalid>

description:
  Receivers of user interrupts. A write to a receiver's slot posts a vector, and the controller
  raises the user software interrupt of the hart to which the receiver belongs, without the kernel.

properties:
  compatible:
    const: {COMPATIBLE}

  reg:
    minItems: 2
    items:
      - description: slots of the receivers
      - description: control page
      - description: masks, only where there are any

  reg-names:
    minItems: 2
    items:
      - const: slots
      - const: control
      - const: masks

  interrupts-extended:
    description:
      The supervisor software interrupt of each hart, in the order of the controller's hart numbers.

  rel4,receivers:
    $ref: /schemas/types.yaml#/definitions/uint32
    minimum: 1
    maximum: 65536
    description: Number of receivers.

required:
  - compatible
  - reg
  - reg-names
  - interrupts-extended
  - rel4,receivers

additionalProperties: false
"""


def _cells(value: int) -> str:
    return f"{value >> 32:#x} {value & 0xFFFF_FFFF:#x}"


def devicetree_example(layout: RegisterMap) -> str:
    """A device tree with the controller of ``layout``."""
    regions = [
        ("slots", layout.base, SLOT_BYTES * layout.receivers),
        ("control", layout.base + CONTROL_OFFSET, PAGE_BYTES),
    ]
    if Feature.MASK in layout.features:
        regions.append(("masks", layout.base + MASK_OFFSET, MASK_BYTES * layout.receivers))
    registers = ",\n                  ".join(
        f"<{_cells(first)} {_cells(size)}>" for _, first, size in regions
    )
    names = ", ".join(f'"{name}"' for name, _, _ in regions)
    interrupts = ", ".join(f"<&cpu{hart}_intc 1>" for hart in range(layout.harts))
    harts = "\n".join(
        f"""        cpu@{hart:x} {{
            device_type = "cpu";
            compatible = "riscv";
            reg = <{hart:#x}>;
            riscv,isa-base = "rv64i";
            riscv,isa-extensions = "i", "m", "a", "c", "zicsr", "zifencei";
            cpu{hart}_intc: interrupt-controller {{
                #address-cells = <0>;
                #interrupt-cells = <1>;
                interrupt-controller;
                compatible = "riscv,cpu-intc";
            }};
        }};"""
        for hart in range(layout.harts)
    )
    return f"""/dts-v1/;

/ {{
    #address-cells = <2>;
    #size-cells = <2>;

    cpus {{
        #address-cells = <1>;
        #size-cells = <0>;
{harts}
    }};

    soc {{
        #address-cells = <2>;
        #size-cells = <2>;
        compatible = "simple-bus";
        ranges;

        uintc: interrupt-controller@{layout.base:x} {{
            compatible = "{COMPATIBLE}";
            reg = {registers};
            reg-names = {names};
            interrupts-extended = {interrupts};
            rel4,receivers = <{layout.receivers}>;
        }};
    }};
}};
"""
