"""Lets the test files import what they share, whatever way pytest imports them; says which of them
simulate."""

import sys
from pathlib import Path

import pytest

SIMULATES = (
    "simulate",
    "Simulator(",
    "_bench import",
    "rv64bench",
    "rv64machine",
    "rv64csr",
    "rv64walks",
)
"""A file with one of these runs Amaranth's simulator."""

for folder in (Path(__file__).parent, Path(__file__).parent / "rv64"):
    sys.path.insert(0, str(folder))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of files that simulate."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            text = item.path.read_text()
            if any(word in text for word in SIMULATES):
                item.add_marker(pytest.mark.sim)
