"""Names for what an explorer found: the same source, the same name.

A long run goes on after the source has been moved by what changes nothing, comments and layout, and
begins anew after everything else.
"""

import ast
import hashlib
import json
from functools import cache
from inspect import getfile
from pathlib import Path
from typing import Any

from uintr.registers import Flavour

__all__ = ["key", "meaning", "source"]

_ROOTS = (Path(__file__).parents[1], Path(getfile(Flavour)).parent)
_RUN = ("kernel", "machine", "reference", "abi", "user", "bench/policies.py")
_MEASURED = "costs.measured.toml"
"""Costs of the compiled system, which no explorer runs with."""
_HARDWARE = ("registers.py", "intel/registers.py", "shape.py")


@cache
def source(*explorers: str) -> str:
    """A digest of the kernel, of what it runs on and of these ``explorers`` (files or packages of
    ``rel4.explore``), as Python reads them: without comments, docstrings and layout."""
    digest = hashlib.sha256()
    for root in _ROOTS:
        for name in sorted((*_RUN, *_HARDWARE, *(f"explore/{each}" for each in explorers))):
            place = root / name
            for path in [place] if place.is_file() else sorted(place.rglob("*")):
                if path.suffix == ".toml" and path.name != _MEASURED:
                    digest.update(path.read_bytes())
                elif path.suffix == ".py":
                    digest.update(
                        f"{path.relative_to(root)} {meaning(path.read_text('utf-8'))}".encode()
                    )
    return digest.hexdigest()[:16]


def meaning(program: str) -> str:
    """A Python program as Python reads it: the same for another layout and other comments."""
    tree = ast.parse(program)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            # Not every node has a body; those that come here have.
            node.body = [each for each in body if not _is_text(each)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def key(*explorers: str, **about: Any) -> str:
    """The name of a task of these explorers: everything that its result depends on."""
    text = json.dumps({"source": source(*explorers), **about}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
