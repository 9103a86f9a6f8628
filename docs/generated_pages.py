"""Pages of the documentation that are made from data: registers, and costs with their sources."""

from collections.abc import Iterable
from pathlib import Path

from scaling_page import scaling_page

from rel4.bench.policies import find_policy, policy_names
from rel4.machine.costs import load_costs
from uintr.intel.registers import (
    INTERNAL_REGISTERS,
    MSRS,
    UITTE,
    UITTE_ADDRESS,
    UITTE_BYTES,
    UPID,
    UPID_BYTES,
    UPID_PIR,
    Fault,
    Instruction,
)
from uintr.registers import (
    CSRS,
    SENDER_ENTRY,
    SLOT_REGISTERS,
    Register,
    Status,
    UipiFunction,
    uipi_word,
)

__all__ = [
    "costs_page",
    "intel_registers_page",
    "policies_page",
    "registers_page",
    "write_pages",
]

_HEAD = "| bits | field | access | reset | |\n|---|---|---|---|---|\n"


def registers_page() -> str:
    """Every register of the table in ``uintr.registers``."""
    parts = [
        "# Registers\n",
        "Made from `hw/uintr/registers.py` when these pages are built; gateware, model "
        "and this page know registers from there alone. Reserved bits read as zero.\n",
        "## Controller\n",
        "One slot of 32 bytes for each receiver, from the controller's base on. All registers have "
        "64 bits and are accessed whole.\n",
        *(_register(register, f"offset {register.address:#04x}") for register in SLOT_REGISTERS),
        "## Sender table\n",
        _register(SENDER_ENTRY, "8 bytes each, in memory"),
        "## CSRs\n",
        *(_register(CSRS[csr], f"{csr:#05x}, privilege {'USHM'[csr.privilege]}") for csr in CSRS),
        "## Instructions\n",
        "| instruction | funct7 | word with rd = rs1 = x0 |\n|---|---|---|\n"
        + "".join(
            f"| UIPI {f.name} | {f.value} | `{uipi_word(f):#010x}` |\n" for f in UipiFunction
        ),
        "## How a request ends\n",
        "| status | number |\n|---|---|\n"
        + "".join(f"| {status.name} | {status.value} |\n" for status in Status),
    ]
    return "\n".join(parts)


def _register(register: Register, place: str) -> str:
    rows = []
    for field in sorted(register.fields, key=lambda f: -f.lsb):
        high = field.lsb + field.width - 1
        bits = str(field.lsb) if field.width == 1 else f"{high}:{field.lsb}"
        rows.append(f"| {bits} | {field.name} | {field.access} | {field.reset:#x} | {field.doc} |")
    return f"### {register.name}\n\n{place}. {register.doc}\n\n{_HEAD}" + "\n".join(rows) + "\n"


def intel_registers_page() -> str:
    """Every register and word in memory of the table in ``uintr.intel.registers``."""
    parts = [
        "# Registers of the Intel flavour\n",
        "Made from `hw/uintr/intel/registers.py` when these pages are built. All are 64 bits wide; "
        "those that are not in memory are 0 after reset. What they do is on "
        "[its own page](../intel.md).\n",
        "## In memory\n",
        _register(UITTE, f"entry of a UITT, {UITTE_BYTES} bytes each"),
        _register(UITTE_ADDRESS, f"offset {UITTE_ADDRESS.address:#x} of the entry"),
        _register(UPID, f"posted-interrupt descriptor, {UPID_BYTES} bytes each"),
        _register(UPID_PIR, f"offset {UPID_PIR.address:#x} of the descriptor"),
        "## MSRs\n",
        *(_register(MSRS[msr], f"{msr:#x}") for msr in MSRS),
        "## Internal registers\n",
        *(
            _register(INTERNAL_REGISTERS[name], f"1 << 32 \\| {name & 0xFF}")
            for name in INTERNAL_REGISTERS
        ),
        "## Instructions\n",
        "| instruction | function of a UIPI request |\n|---|---|\n"
        + "".join(f"| {each.name} | {each.value} |\n" for each in Instruction),
        "## Why SENDUIPI is refused\n",
        "| cause | number |\n|---|---|\n"
        + "".join(f"| {fault.name} | {fault.value} |\n" for fault in Fault),
    ]
    return "\n".join(parts)


def costs_page() -> str:
    """Every cost with its provenance."""
    rows = [
        f"| `{name}` | {cost.value} | {cost.provenance} | {cost.source} |"
        for name, cost in load_costs().table.items()
    ]
    count = _count(cost.provenance for cost in load_costs().table.values())
    return (
        "# Costs of software work\n\n"
        "Made from `rel4/machine/costs.toml` when these pages are built. "
        f"{count}.\n\n| cost | cycles | provenance | source |\n|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


def _count(words: Iterable[str]) -> str:
    found = list(words)
    return ", ".join(f"{found.count(word)} {word}" for word in sorted(set(found)))


def policies_page() -> str:
    """Every policy that is installed, with its style and number of harts."""
    rows = []
    for name in policy_names():
        policy = find_policy(name)
        style = policy.style
        replies = "handed over" if style.direct else "receiver coroutine"
        user = f"{replies}, told every {style.batch}" if policy.asynchronous else "-"
        rows.append(f"| `{name}` | {policy.harts} | {user} | {policy.summary} |")
    return (
        "# Policies\n\n"
        "Made from `rel4.bench.policies` when these pages are built. *Harts* is how many a policy "
        "runs with unless `--harts` says otherwise; *user side* is how replies reach their "
        "coroutines, and after how many submissions the kernel is told at the latest (sooner when "
        "no coroutine is ready).\n\n"
        "| policy | harts | user side | |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
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
