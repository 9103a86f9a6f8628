"""Files that appear whole or not at all, and a try whether there is room before the work begins.

What the three programs share with `uintr.program`; the standard library alone.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["atomic_file", "check_file", "check_folder", "claimed", "write_atomically"]

_TRIAL = b"\0" * 4096
"""Written to see whether there is room: a block, since less may fit into what a file has left."""


@contextmanager
def _about(path: Path) -> Iterator[None]:
    """Errors name ``path``, whatever file beside it or none they were about."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file to be written, which stands at ``path`` when the block ends well.

    A reader sees the old content or the new, never a part of it; if the block fails, nothing is
    left. Folders above are made. A link keeps its place and what it leads to is replaced; what is
    no file, such as a device or a pipe, is written as it is.

    Raises
    ------
    OSError : it cannot be written; names ``path``.
    """
    with _about(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open("wb") as special:
                yield special
            return
        target = os.path.realpath(path)
        handle, name = tempfile.mkstemp(dir=os.path.dirname(target), prefix=f".{path.name[:40]}.")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
            # mkstemp makes files for their owner alone; results are for everyone that may read.
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(name, 0o666 & ~mask)
            os.replace(name, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, as `atomic_file` does."""
    with atomic_file(path) as file:
        file.write(content)


def check_folder(path: Path, name: str = "out") -> Path:
    """``path``, made if it is missing, after a try whether a file can be written there.

    Raises
    ------
    ValueError : it cannot; the sentence begins with ``name``.
    """
    if not str(path).strip() or path == Path():
        raise ValueError(f"{name} must be a folder with a name, not {str(path)!r}")
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as trial:
            trial.write(_TRIAL)
            trial.flush()
    except FileExistsError:
        if path.is_symlink() and not path.exists():
            raise ValueError(
                f"{name} must be a folder, and {_short(path)} is a link to nowhere"
            ) from None
        raise ValueError(f"{name} must be a folder, and {_short(path)} is a file") from None
    except OSError as error:
        raise ValueError(
            f"{name} must be a folder that can be written, and {_short(path)} is not: "
            f"{error.strerror}"
        ) from None
    return path


def check_file(path: Path, name: str = "out") -> Path:
    """``path``, after a try whether it can be written; its folder is made if it is missing.

    Raises
    ------
    ValueError : it cannot; the sentence begins with ``name``.
    """
    with _about(path):
        if path.is_dir() or not path.name:
            raise ValueError(f"{name} must be a file, and {_short(path)} is a folder")
        if path.exists() and not path.is_file():
            return path  # a device or a pipe
    check_folder(path.parent if path.parent != Path() else Path.cwd(), f"the folder of {name}")
    if path.exists() and not os.access(path, os.W_OK):
        raise ValueError(f"{name} must be a file that can be written, and {_short(path)} is not")
    try:
        path.stat()  # of a name that is too long, or a loop of links
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ValueError(
            f"{name} must be a file that can be written, and {_short(path)} is not: "
            f"{error.strerror}"
        ) from None
    return path


def _short(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 100 else f"{text[:60]}...{text[-30:]}"


@contextmanager
def claimed(path: Path, name: str = "out", *, file: bool = False) -> Iterator[Path]:
    """The folder or ``file`` at ``path``, which no other process claims meanwhile. The claim ends
    with this process.

    Raises
    ------
    ValueError : another process has it; or it cannot be written.
    """
    if file:
        check_file(path, name)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        what = "a file"
    else:
        check_folder(path, name)
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        what = "a folder"
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"{name} must be {what} that no other run writes to, and {_short(path)} is in use"
            ) from None
        except OSError:
            pass  # some network file systems lock no folders
        yield path
    finally:
        os.close(handle)
