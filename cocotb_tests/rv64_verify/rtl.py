"""The system's RTL as a library of this process (`rtl.cpp`), for lock-step and litmus tests."""

import ctypes
import hashlib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rv64.memory_map import RAM_BASE
from rv64_verify.lockstep import Record
from uintr_cosim.harness import build_harness
from uintr_cosim.simulator import build_root, source_digest

__all__ = ["Rtl", "build_library", "verilog"]

_MAIN = Path(__file__).with_name("rtl.cpp")


def verilog(harts: int, cache_kib: int) -> str:
    """The system's Verilog."""
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    from rv64.soc import Soc
    from uintr.generate import verilog_text

    return verilog_text(Soc(harts=harts, cache_bytes=cache_kib << 10), name="soc")


def _build(harts: int, cache_kib: int) -> Path:
    header = (_MAIN.parent / "record.h").read_text()
    # Whether there is a library is known without making Verilog, which takes long.
    text = f"{source_digest('uintr', 'rv64')} {harts} {cache_kib} {_MAIN.read_text()} {header}"
    known = build_root() / f"lockstep-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    if known.is_file() and (library := Path(known.read_text())).is_file():
        return library
    library = build_library(verilog(harts, cache_kib), harts, cache_kib)
    part = known.with_name(f"{known.name}.{os.getpid()}")
    part.write_text(str(library))
    part.replace(known)
    return library


def build_library(
    text: str,
    harts: int,
    cache_kib: int,
    *,
    main: Path = _MAIN,
    fast: str = "-O3",
    options: Sequence[str] = (),
) -> Path:
    """The library of a system of the given Verilog.

    Parameters
    ----------
    text, harts, cache_kib : Verilog and shape
    main : the C++ file, which includes `rtl.cpp`
    fast : how hard the C++ compiler tries
    options : of Verilator
    """
    header = (_MAIN.parent / "record.h").read_text()
    ports = (
        f"#define HARTS {harts}\n#define RAM_BASE {RAM_BASE:#x}ull\n"
        f"#define EACH_HART(X) {' '.join(f'X({hart})' for hart in range(harts))}\n"
    )
    return build_harness(
        f"rv64-lockstep-{harts}x{cache_kib}",
        {"soc.v": text, "ports.h": ports, "record.h": header},
        main,
        top="soc",
        make=f"OPT_FAST={fast} OPT_SLOW=-O1 OPT_GLOBAL=-O2",
        options=("-CFLAGS", "-fPIC", "-LDFLAGS", "-shared", *options),
    )


@cache
def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    pointer, word, number = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int
    for name, result, arguments in (
        ("harts", number, ()),
        ("new", pointer, (word, number)),
        ("delete", None, (pointer,)),
        ("memory", pointer, (pointer,)),
        ("cycle", word, (pointer,)),
        ("tohost", word, (pointer,)),
        ("ended", number, (pointer,)),
        ("waiting", number, (pointer,)),
        ("reset", None, (pointer, number, number, ctypes.c_uint32, word)),
        ("settle", None, (pointer,)),
        ("run", word, (pointer, ctypes.POINTER(Record), word, word)),
    ):
        function = getattr(library, f"rtl_{name}")
        function.restype, function.argtypes = result, arguments
    return library


class Rtl:
    """A system; a `rv64_verify.lockstep.Source` from `start` on.

    Parameters
    ----------
    harts, cache_kib : its shape
    memory_bytes : main memory
    path : a library that `build_library` made, instead of the design's own
    mutant : which one, if the library holds mutants; 0 is none
    """

    def __init__(
        self,
        *,
        harts: int = 1,
        cache_kib: int = 4,
        memory_bytes: int,
        path: Path | None = None,
        mutant: int = 0,
    ) -> None:
        self._library = _load(_build(harts, cache_kib) if path is None else path)
        self._rtl = self._library.rtl_new(memory_bytes // 8, mutant)
        start = self._library.rtl_memory(self._rtl)
        self._memory = memoryview((ctypes.c_ubyte * memory_bytes).from_address(start)).cast("B")
        self._limit = 0

    def close(self) -> None:
        """Give everything back."""
        self._memory.release()
        self._library.rtl_delete(self._rtl)

    def start(
        self,
        program: bytes,
        *,
        tohost: int,
        limit: int,
        latency: int = 1,
        jitter: int = 0,
        seed: int = 1,
    ) -> None:
        """Reset, with ``program`` in main memory and zeroes behind it; `run` ends after ``limit``
        cycles. Latency, jitter and seed are those of main memory; see `rv64.soc.Soc`."""
        self._memory[: len(program)] = program
        self._memory[len(program) :] = bytes(len(self._memory) - len(program))
        self._library.rtl_reset(self._rtl, latency, jitter, seed, tohost)
        self._limit = limit

    def run(self, buffer: Any) -> int:
        return int(self._library.rtl_run(self._rtl, buffer, len(buffer), self._limit))

    @property
    def cycle(self) -> int:
        """Cycles since the reset."""
        return int(self._library.rtl_cycle(self._rtl))

    @property
    def tohost(self) -> int:
        """What the program has ended with, or 0."""
        return int(self._library.rtl_tohost(self._rtl))

    @property
    def ended(self) -> bool:
        return bool(self._library.rtl_ended(self._rtl))

    def memory(self) -> bytes:
        self._library.rtl_settle(self._rtl)
        return bytes(self._memory)
