"""The directions of imports that docs/architecture.md states."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOUSE = {
    "uintr": ROOT / "hw" / "uintr",
    "rv64": ROOT / "hw" / "rv64",
    "rel4": ROOT / "sw_model" / "rel4",
    "uintr_cosim": ROOT / "cocotb_tests" / "uintr_cosim",
    "uintr_fpga": ROOT / "fpga" / "uintr_fpga",
}
MAY_IMPORT = {
    "uintr": {"uintr"},
    "rv64": {"rv64", "uintr"},
    "rel4": {"rel4", "rv64", "uintr"},
    "uintr_cosim": {"uintr_cosim", "rel4", "rv64", "uintr"},
    "uintr_fpga": {"uintr_fpga", "uintr_cosim", "rel4", "rv64", "uintr"},
}
# The register tables and the memory map: pure data.
TABLES = {"uintr.registers", "uintr.intel.registers", "rv64.memory_map"}
# What makes files of the register table and checks a shape, and imports nothing else.
FILES = {"uintr.register_files", "uintr.c_header", "uintr.shape", "uintr.checks"}
# The manner of all programs: the standard library alone.
SHARED = {"uintr.files", "uintr.completion", "uintr.program", "uintr.entry"}
# Layers of rel4, lowest first: a layer may import itself and those before it.
LAYERS = ["machine", "reference", "abi", "kernel", "user", "trace", "compiled", "bench", "explore"]

# Floors of the kernel, lowest first: a module may import those of its own floor and below.
FLOORS = [
    {"errors", "account", "capability", "objects", "arguments", "mdb", "cspace", "registers"},
    {"lock", "scheduler", "harts", "fault", "transfer"},
    {"uintr_entries", "uintr_context", "uintr", "uintr_riscv", "uintr_intel"},
    {"async_runtime", "policies"},
    {"state"},
    {"endpoint", "notification", "thread", "tcb", "cnode", "untyped", "vspace", "asid", "irq"}
    | {"deletion", "uintr_invocations"},
    {"invocation", "async_calls", "syscall"},
    {"kernel"},
    {"boot", "invariants", "snapshot"},
]
# What may import each other: an object's slots hold capabilities, which name objects.
CIRCLES = {("rel4.kernel.capability", "rel4.kernel.objects")}


def imported(file: Path) -> Iterator[tuple[str, str]]:
    """Full names of all modules that a file imports, relative ones resolved, and of what it takes
    from each; that is the module itself where it takes nothing."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = file.relative_to(HOUSE["rel4"].parent).parts if node.level else ()
            module = ".".join(filter(None, (*parts[: -node.level], node.module)))
            yield from ((module, f"{module}.{alias.name}") for alias in node.names)


def imports(file: Path) -> set[str]:
    return {module for module, _ in imported(file)}


def sources(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


@pytest.mark.parametrize("package", HOUSE)
def test_nothing_imports_upward(package: str) -> None:
    for file in sources(HOUSE[package]):
        for name in imports(file):
            top = name.split(".")[0]
            assert top not in HOUSE or top in MAY_IMPORT[package], f"{file} imports {name}"


def test_software_knows_the_register_table_and_no_more_of_the_hardware() -> None:
    for file in sources(HOUSE["rel4"]):
        for name in imports(file):
            top = name.split(".")[0]
            assert top not in {"amaranth", "cocotb", "cocotb_tools"}, f"{file} imports {name}"
            tables = top not in {"uintr", "rv64"} or name in TABLES | FILES | SHARED
            assert tables, f"{file} imports {name}"


def test_the_register_table_is_pure_data() -> None:
    for name in imports(HOUSE["uintr"] / "registers.py"):
        assert name in {"collections.abc", "dataclasses", "enum"}
    for name in imports(HOUSE["uintr"] / "intel" / "registers.py"):
        assert name in {"collections.abc", "enum", "uintr.registers"}
    assert set(imports(HOUSE["rv64"] / "memory_map.py")) <= {"uintr.registers"}
    for module in FILES:
        for name in imports(HOUSE["uintr"] / f"{module.removeprefix('uintr.')}.py"):
            assert not name.startswith("uintr") or name in TABLES | FILES
            assert name.split(".")[0] not in {"amaranth", "cocotb"}


def test_what_all_programs_share_needs_the_standard_library_alone_and_shtab_to_complete() -> None:
    more = {"uintr.completion": {"shtab"}}
    for module in SHARED:
        for name in imports(HOUSE["uintr"] / f"{module.removeprefix('uintr.')}.py"):
            known = SHARED | more.get(module, set())
            assert name in known or name.split(".")[0] in sys.stdlib_module_names, name


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_of_the_software(layer: str) -> None:
    above = LAYERS[LAYERS.index(layer) + 1 :]
    for file in sources(HOUSE["rel4"] / layer):
        for name in imports(file):
            assert not any(
                name == f"rel4.{other}" or name.startswith(f"rel4.{other}.") for other in above
            ), f"{file} imports {name}"


def test_user_and_kernel_meet_in_the_abi_alone() -> None:
    for file in sources(HOUSE["rel4"] / "user"):
        assert not [name for name in imports(file) if name.startswith("rel4.kernel")]


def test_floors_of_the_kernel() -> None:
    floor_of = {module: number for number, floor in enumerate(FLOORS) for module in floor}
    for file in sources(HOUSE["rel4"] / "kernel"):
        if file.stem == "__init__":
            continue
        for name in modules(file):
            if name.startswith("rel4.kernel."):
                module = name.removeprefix("rel4.kernel.")
                assert floor_of[module] <= floor_of[file.stem], f"{file} imports {name}"


def test_a_mechanism_never_sees_the_kernel() -> None:
    for file in sources(HOUSE["rel4"] / "kernel"):
        if file.stem not in {"boot", "invariants", "snapshot"}:
            assert "rel4.kernel.kernel" not in modules(file), file


def modules(file: Path) -> set[str]:
    """The modules of ours that a file imports, also where it imports names for types alone."""
    found = {name for both in imported(file) for name in both}
    return {name for name in found if path_of(name) not in (None, file)}


def path_of(name: str) -> Path | None:
    """The file of a module of `rel4`; packages hold nothing."""
    path = HOUSE["rel4"].parent.joinpath(*name.split(".")).with_suffix(".py")
    return path if name.startswith("rel4.") and path.exists() else None


def test_import_circles() -> None:
    root = HOUSE["rel4"].parent
    graph = {
        ".".join(file.relative_to(root).with_suffix("").parts): modules(file)
        for file in sources(HOUSE["rel4"])
    }
    reach: dict[str, set[str]] = {}
    for start in graph:
        todo = [start]
        seen: set[str] = set()
        while todo:
            for name in graph[todo.pop()] - seen:
                seen.add(name)
                todo.append(name)
        reach[start] = seen
    circles = {
        tuple(sorted({start} | {name for name in reach[start] if start in reach[name]}))
        for start in graph
        if start in reach[start]
    }
    assert circles == CIRCLES


def test_nobody_outside_reaches_into_the_reference_device() -> None:
    """Its blocks are public, and an `Observer` is told what happens in them."""
    private = re.compile(
        r"\b(reference|device|controller|control|bus|fabric|units?(\[\w+\])?)\._(?!replace\()[a-z]"
    )
    inside = HOUSE["rel4"] / "reference"
    found = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for folder in ("sw_model", "cocotb_tests", "fpga", "docs", "examples")
        for file in (ROOT / folder).rglob("*.py")
        if inside not in file.parents
        for line in file.read_text(encoding="utf-8").splitlines()
        if private.search(line.replace("self._", ""))
    ]
    assert found == []
