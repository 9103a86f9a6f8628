"""Which operations of the runtime's source an exploration performed."""

import ast
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path

from rel4.abi import syscall_buffer
from rel4.kernel import async_runtime
from rel4.user import async_syscalls, executor

__all__ = ["Operation", "missed", "operations"]

Operation = tuple[str, int, int]
"""File, line and column of an ``await``."""

MODULES = (syscall_buffer, async_syscalls, executor, async_runtime)
NAMES = {"AmoAdd", "AmoOr", "Fence", "Load", "SpinWhile", "Store", "Swap", "Uipi", "Uret"}
"""Operations that the explorer performs one by one."""
BEFORE = {"SyscallBuffer.create", "SyscallBuffer.attach"}
"""Functions that are over before an explored program begins."""


def operations() -> dict[Operation, str]:
    """Every operation in the source of the runtime, with its function's name."""
    return {
        (file, node.lineno, node.col_offset): name
        for file in (inspect.getsourcefile(module) or "" for module in MODULES)
        for name, node in _awaits(ast.parse(Path(file).read_text(encoding="utf-8")), "")
        if name not in BEFORE
    }


def _awaits(tree: ast.AST, scope: str) -> Iterator[tuple[str, ast.Await]]:
    for node in ast.iter_child_nodes(tree):
        inner = scope
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            inner = f"{scope}.{node.name}" if scope else node.name
        elif isinstance(node, ast.Await) and isinstance(node.value, ast.Call):
            called = node.value.func
            if isinstance(called, ast.Name) and called.id in NAMES:
                yield scope, node
        yield from _awaits(node, inner)


def missed(performed: Iterable[Operation]) -> tuple[int, list[str]]:
    """How many operations there are, and which were not performed: function and line."""
    every = operations()
    left = sorted(set(every) - set(performed))
    return len(every), [f"{every[site]} (line {site[1]})" for site in left]
