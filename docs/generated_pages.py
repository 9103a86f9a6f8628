"""Pages of the documentation that are made from data: registers, and costs with their sources."""

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import IntEnum
from itertools import groupby
from pathlib import Path

from marked import table
from scaling_page import scaling_page

from rel4.bench.policies import find_policy, policy_names
from rel4.machine.costs import load_costs
from uintr.intel.registers import UPID_BYTES, Fault, Instruction
from uintr.intel.registers import registers as intel_registers
from uintr.registers import (
    SLOT_BYTES,
    Placed,
    Space,
    Status,
    UipiFunction,
    registers,
    uipi_word,
)

__all__ = [
    "costs_page",
    "intel_registers_page",
    "policies_page",
    "registers_page",
    "write_pages",
]


_SECTIONS = {
    Space.SLOT: (
        "Receivers",
        f"One slot of {SLOT_BYTES} bytes for each receiver, from the controller's base on. All "
        "registers have 64 bits and are accessed whole. `offset` counts from the slot's beginning.",
    ),
    Space.CONTROL: ("Control page", "`base +` counts from the controller's base."),
    Space.MASK: ("Masks", "Of the extension MASK."),
    Space.TABLE: ("Sender table", ""),
    Space.DESCRIPTOR: (
        "Posted-interrupt descriptor",
        f"In memory, {UPID_BYTES} bytes each, of which these are used.",
    ),
    Space.CSR: ("CSRs", ""),
    Space.MSR: ("MSRs", ""),
    Space.INTERNAL: (
        "Internal registers",
        "Between a hart unit and its core. No instruction can name them.",
    ),
}


def _place(placed: Placed) -> str:
    """Where a register is, in words."""
    match placed.space:
        case Space.SLOT | Space.DESCRIPTOR:
            return f"offset {placed.offset:#04x}"
        case Space.CONTROL | Space.MASK:
            of = "receiver" if placed.space == Space.MASK else "hart"
            array = f" + {placed.step} × {of}" if placed.step else ""
            feature = placed.register.feature.name
            return f"base + {placed.offset:#x}{array}" + (
                f", extension {feature}" if feature else ""
            )
        case Space.TABLE:
            return f"offset {placed.offset} of an entry of {placed.step} bytes, in memory"
        case Space.CSR:
            return f"{placed.offset:#05x}, privilege {'USHM'[placed.offset >> 8 & 3]}"
        case Space.INTERNAL:
            return f"1 << 32 \\| {placed.offset & 0xFF}"
        case _:
            return f"{placed.offset:#x}"


def _registers(all_of_them: Iterable[Placed]) -> Iterator[str]:
    """A section for each space, a table for each register."""
    for space, group in groupby(all_of_them, key=lambda placed: placed.space):
        title, text = _SECTIONS[space]
        yield f"## {title}\n" + (f"\n{text}\n" if text else "")
        for placed in group:
            rows = []
            for field in sorted(placed.register.fields, key=lambda each: -each.lsb):
                high = field.lsb + field.width - 1
                bits = str(field.lsb) if field.width == 1 else f"{high}:{field.lsb}"
                rows.append(
                    f"{bits} | {field.name} | {field.access} | {field.reset:#x} | {field.doc}"
                )
            text = f"### {placed.register.name}\n\n{_place(placed)}. {placed.register.doc}\n\n"
            yield text + table("bits | field | access | reset |", rows)


def registers_page() -> str:
    """Every register of hardware with all extensions."""
    parts = [
        "# Registers\n",
        "Made from `hw/uintr/registers.py` when these pages are built; gateware, model "
        "and this page know registers from there alone. Reserved bits read as zero.\n",
        *_registers(registers()),
        "## Instructions\n",
        table(
            "instruction | funct7 | word with rd = rs1 = x0",
            (f"UIPI {f.name} | {f.value} | `{uipi_word(f):#010x}`" for f in UipiFunction),
        ),
        "## How a request ends\n",
        _numbers("status | number", Status),
    ]
    return "\n".join(parts)


def _numbers(head: str, codes: Iterable[IntEnum]) -> str:
    return table(head, (f"{code.name} | {code.value}" for code in codes))


def intel_registers_page() -> str:
    """Every register and word in memory of the Intel flavour."""
    parts = [
        "# Registers of the Intel flavour\n",
        "Made from `hw/uintr/intel/registers.py` when these pages are built. All are 64 bits wide; "
        "those that are not in memory are 0 after reset. What they do is on "
        "[its own page](../intel.md).\n",
        *_registers(intel_registers()),
        "## Instructions\n",
        _numbers("instruction | function of a UIPI request", Instruction),
        "## Why SENDUIPI is refused\n",
        _numbers("cause | number", Fault),
    ]
    return "\n".join(parts)


def costs_page() -> str:
    """Every cost with its provenance."""
    costs = load_costs().table
    counts = sorted(Counter(cost.provenance for cost in costs.values()).items())
    rows = (
        f"`{name}` | {cost.value} | {cost.provenance} | {cost.source}"
        for name, cost in costs.items()
    )
    return (
        "# Costs of software work\n\n"
        "Made from `rel4/machine/costs.toml` when these pages are built. "
        f"{', '.join(f'{count} {word}' for word, count in counts)}.\n\n"
        + table("cost | cycles | provenance | source", rows)
    )


def policies_page() -> str:
    """Every policy that is installed, with its style and number of harts."""
    rows = []
    for name in policy_names():
        policy = find_policy(name)
        style = policy.style
        replies = "handed over" if style.direct else "receiver coroutine"
        user = f"{replies}, told every {style.batch}" if policy.asynchronous else "-"
        keeps = "yes" if policy.kernel.keeps_time or not policy.asynchronous else "no"
        rows.append(f"`{name}` | {policy.harts} | {user} | {keeps} | {policy.summary}")
    return (
        "# Policies\n\n"
        "Made from `rel4.bench.policies` when these pages are built. *Harts* is how many a policy "
        "runs with unless `--harts` says otherwise; *user side* is how replies reach their "
        "coroutines, and after how many submissions the kernel is told at the latest (sooner when "
        "no coroutine is ready); *keeps time* is whether calls of one thread cost others a bounded "
        "part of their time ([security](../security.md)).\n\n"
        + table("policy | harts | user side | keeps time |", rows)
    )


def write_pages(folder: Path) -> None:
    """Write them into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {
        "registers": registers_page(),
        "intel_registers": intel_registers_page(),
        "policies": policies_page(),
        "costs": costs_page(),
        "scaling": scaling_page(),
    }
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
