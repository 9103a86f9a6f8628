"""Where a long exploration keeps what it found."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rel4.bench.campaign import Store
from uintr.files import claimed
from uintr.program import NOTHING_KEPT, Stopped

__all__ = ["store_at"]


@contextmanager
def store_at(path: Path | None) -> Iterator[Store]:
    """The store at ``path``, which no other run uses meanwhile; without a path one that goes at the
    end, and an interrupt says so.

    Raises
    ------
    ValueError : the file cannot be used.
    """
    if path is not None:
        with claimed(path, "store", file=True):
            yield Store(path)
        return
    with TemporaryDirectory() as folder:
        try:
            yield Store(Path(folder) / "store.jsonl")
        except Stopped:
            raise Stopped(f"{NOTHING_KEPT} without --store") from None
