"""The register table as a header for C and assembler: numbers, and what a program does with them.

It is complete by itself. Compilers know neither the CSRs nor the instructions any more, so the
header names both by number; it needs a compiler with GNU assembler statements. Like the table it
needs no HDL tool.
"""

from enum import IntEnum

from uintr.register_files import RegisterMap, described
from uintr.registers import (
    CONTROL_OFFSET,
    CSRS,
    LOW,
    NO_FEATURE,
    SENDER_ENTRY,
    SLOT_BYTES,
    UIPI_FUNCT3,
    UIPI_OPCODE,
    URET_WORD,
    VECTORS,
    Csr,
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

__all__ = ["c_header"]

_CODES: dict[str, list[IntEnum]] = {
    "PRIVILEGE": [*Privilege],
    "KIND": [*RequestKind],
    "CSR_FUNCTION": [*CsrFunction],
    "UIPI": [*UipiFunction],
    "OPERATION": [*OperationFunction],
    "STATUS": [each for each in Status if each not in (Status.UD, Status.GP)],
}
"""Numbers on the ports of hart units, by what their names begin with."""
_NEEDS = {
    "OPERATION_RESET_SLOT": Feature.SLOT_RESET,
    "OPERATION_READ_MASK": Feature.MASK,
    "OPERATION_WRITE_MASK": Feature.MASK,
    "OPERATION_CLAIM": Feature.NOTIFY,
    "STATUS_THROTTLED": Feature.THROTTLE,
}
"""The extension that some of them belong to."""

_TAKES = (UipiFunction.SEND, UipiFunction.WRITE)
"""UIPI instructions with an operand."""
_GIVES = (UipiFunction.READ,)
"""UIPI instructions with a result."""


def c_header(layout: RegisterMap) -> str:
    """The header: offsets, masks, CSR numbers and codes for both languages; in C the structure of a
    slot, words put together from their fields, and for RISC-V the instructions and CSR accesses; in
    assembler macros of the instructions' names.
    """
    lines = [
        "/* RISC-V user interrupts. */",
        "#ifndef UINTR_H",
        "#define UINTR_H",
        "",
        "#ifdef __ASSEMBLER__",
        "#define UINTR_WORD(number) number",
        "#else",
        "#include <stdint.h>",
        "#define UINTR_WORD(number) UINT64_C(number)",
        "#endif",
        "",
        *_numbers(layout),
        "",
        "#ifdef __ASSEMBLER__",
        *(_assembler() if layout.hart_units else []),
        "#else",
        "",
        *(_slots(layout) if layout.controller else []),
        *_words(layout),
        "#ifdef __riscv",
        "",
        *(_instructions() if layout.hart_units else []),
        "#endif",
        "#endif",
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def _macro(placed: Placed) -> str:
    """What the names of a register's macros begin with."""
    match placed.space:
        case Space.CSR:
            return f"CSR_{placed.register.name.upper()}"
        case Space.TABLE:
            return "SENDER_ENTRY"
        case Space.CONTROL if placed.step == 0:
            return f"CONTROL_{placed.register.name}"
        case _:
            return placed.register.name


def _numbers(layout: RegisterMap) -> list[str]:
    """Definitions of everything in the table."""
    lines: list[str] = []

    def define(name: str, value: int, doc: str = "") -> None:
        number = f"UINTR_WORD({value:#x})" if value >= 1 << 31 else f"{value:#x}"
        lines.append(f"#define UINTR_{name} {number}" + (f" /* {described(doc)} */" if doc else ""))

    if layout.controller:
        define("BASE", layout.base)
        define("HARTS", layout.harts)
        define("SLOT_BYTES", SLOT_BYTES)
        define("CONTROL_OFFSET", CONTROL_OFFSET)
    define("RECEIVERS", layout.receivers)
    define("VECTORS", VECTORS)
    for placed in layout.registers():
        name, doc = _macro(placed), placed.register.doc
        lines.append("")
        match placed.space:
            case Space.CSR:
                define(name, placed.offset, doc)
            case Space.TABLE:
                define(f"{name}_BYTES", placed.step, doc)
            case _:
                define(f"{name}_OFFSET", placed.offset, doc)
                if placed.step and placed.space != Space.SLOT:
                    define(f"{name}_BYTES", placed.step)
        for field in placed.register.visible:
            define(f"{name}_{field.name.upper()}_LSB", field.lsb)
            define(f"{name}_{field.name.upper()}_MASK", field.mask, field.doc)
    if not layout.hart_units:
        return lines
    for prefix, codes in _CODES.items():
        lines.append("")
        for code in codes:
            name = f"{prefix}_{code.name}"
            if _NEEDS.get(name, NO_FEATURE) in layout.features:
                define(name, code.value)
    lines.append("")
    define("UIPI_OPCODE", UIPI_OPCODE)
    define("UIPI_FUNCT3", UIPI_FUNCT3)
    define("URET_WORD", URET_WORD)
    return lines


def _insn(function: UipiFunction, rd: str, rs1: str) -> str:
    return f".insn r {UIPI_OPCODE:#x}, {UIPI_FUNCT3}, {function.value}, {rd}, {rs1}, x0"


def _assembler() -> list[str]:
    """Macros of the instructions: uipi_send rs1, uipi_read rd, ..., uret."""
    lines: list[str] = []
    for function in UipiFunction:
        takes, gives = function in _TAKES, function in _GIVES
        operand = " register" if takes or gives else ""
        body = _insn(function, r"\register" if gives else "x0", r"\register" if takes else "x0")
        lines += [f".macro uipi_{function.name.lower()}{operand}", f"    {body}", ".endm"]
    return [*lines, ".macro uret", f"    .4byte {URET_WORD:#010x}", ".endm"]


def _slots(layout: RegisterMap) -> list[str]:
    """What a program sees of the controller."""
    lines = ["/* One receiver's slot. */", "struct uintr_slot {"]
    lines += [
        f"    volatile uint64_t {each.register.name.lower()};"
        for each in layout.registers(Space.SLOT)
    ]
    return [
        *lines,
        "};",
        "",
        "static inline struct uintr_slot *uintr_slot(uint64_t receiver)",
        "{",
        "    return (struct uintr_slot *)UINTR_BASE + receiver;",
        "}",
        "",
        "/* Any register of the controller, by its offset. */",
        "static inline volatile uint64_t *uintr_register(uint64_t offset)",
        "{",
        "    return (volatile uint64_t *)(UINTR_BASE + offset);",
        "}",
        "",
    ]


def _words(layout: RegisterMap) -> list[str]:
    """Words from their fields."""
    lines: list[str] = []
    words = [("low", LOW.built(layout.features))] if layout.controller else []
    if layout.hart_units:
        words += [
            ("sender_entry", SENDER_ENTRY),
            ("suist", CSRS[Csr.SUIST]),
            ("suirs", CSRS[Csr.SUIRS]),
        ]
    for name, register in words:
        fields = register.visible
        parameters = ", ".join(f"uint64_t {field.name}" for field in fields)
        lines += [f"static inline uint64_t uintr_{name}({parameters})", "{"]
        terms = [f"({field.name} << {field.lsb} & UINTR_WORD({field.mask:#x}))" for field in fields]
        lines += ["    return " + "\n         | ".join(terms) + ";", "}", ""]
    return lines


def _instructions() -> list[str]:
    """Functions of the UIPI instructions, and CSR accesses by number. All of them are ordered with
    the accesses to memory around them."""
    lines: list[str] = []
    for function in UipiFunction:
        takes, gives = function in _TAKES, function in _GIVES
        body = _insn(function, "%0" if gives else "x0", "%0" if takes else "x0")
        result, parameter = "uint64_t" if gives else "void", "uint64_t operand" if takes else "void"
        lines += [f"static inline {result} uipi_{function.name.lower()}({parameter})", "{"]
        if gives:
            lines += ["    uint64_t result;"]
        outputs, inputs = '"=r"(result)' if gives else "", '"r"(operand)' if takes else ""
        lines += [f'    __asm__ volatile("{body}" : {outputs} : {inputs} : "memory");']
        lines += ["    return result;"] if gives else []
        lines += ["}", ""]
    lines.append("/* Accesses to a CSR; its number must be a constant. */")
    for name, code in (("swap", "csrrw"), ("set", "csrrs"), ("clear", "csrrc")):
        lines += [
            f"#define uintr_csr_{name}(csr, word) __extension__({{ \\",
            "    uint64_t uintr_before; \\",
            f'    __asm__ volatile("{code} %0, %1, %2" \\',
            '                     : "=r"(uintr_before) : "i"(csr), "r"((uint64_t)(word)) \\',
            '                     : "memory"); \\',
            "    uintr_before; })",
        ]
    return [
        *lines,
        "#define uintr_csr_write(csr, word) \\",
        '    __asm__ volatile("csrw %0, %1" : : "i"(csr), "r"((uint64_t)(word)) : "memory")',
        "#define uintr_csr_read(csr) __extension__({ \\",
        "    uint64_t uintr_value; \\",
        '    __asm__ volatile("csrr %0, %1" : "=r"(uintr_value) : "i"(csr) : "memory"); \\',
        "    uintr_value; })",
        "",
    ]
