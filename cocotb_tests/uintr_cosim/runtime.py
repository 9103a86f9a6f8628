"""Verilator's runtime, compiled once for all builds that compile it the same way.

It takes longer to compile than a small design, and no design changes it.
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["ONE_UNIT", "shared_runtime"]

ONE_UNIT = ("--output-split", "0")
"""Arguments that make one C++ file of a design, since reading the headers takes longest."""

_OBJECTS = "verilated*.o"
_LATER = 3600


@contextmanager
def shared_runtime(root: Path, objects: Path, *recipe: str) -> Iterator[None]:
    """Lend a build the runtime's objects, or keep those that it makes.

    Parameters
    ----------
    root : folder of all builds
    objects : the build's folder of objects
    recipe : everything that the objects depend on: versions, options
    """
    digest = hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:16]
    kept = root / f"runtime-{digest}"
    objects.mkdir(parents=True, exist_ok=True)
    lent = kept.is_dir()
    if lent:
        later = time.time() + _LATER
        for path in kept.iterdir():
            shutil.copy(path, objects)
            # Objects depend on the makefile, which Verilator is about to write.
            os.utime(objects / path.name, (later, later))
    yield
    made = list(objects.glob(_OBJECTS))  # none by a simulator that has no such runtime
    if lent or not made:
        return
    with tempfile.TemporaryDirectory(prefix=f"{kept.name}-", dir=root) as work:
        whole = Path(work) / "whole"
        whole.mkdir()
        for path in made:
            shutil.copy(path, whole)
        try:
            os.rename(whole, kept)
        except OSError:  # another build was faster
            if not kept.is_dir():
                raise
