"""Lets the test files import what they share, whatever way pytest imports them."""

import sys
from pathlib import Path

for folder in (Path(__file__).parent, Path(__file__).parent / "rv64"):
    sys.path.insert(0, str(folder))
