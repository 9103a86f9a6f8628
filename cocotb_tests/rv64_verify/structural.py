"""Structural coverage of the hart: what its programs reach of its source, and what they do not.

The counters are Verilator's; `uintr_verify.structural` makes points of them. The programs are
those of lock-step, which have to agree with Spike here, too; now and then a debugger halts the hart
and takes steps.
"""

import ctypes
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rel4.bench.results import source_commit
from rv64_verify import directed_coverage, layout, litmus
from rv64_verify.directed import PROGRAMS
from rv64_verify.lockstep import lockstep
from rv64_verify.long_run import SHAPES, Shape
from rv64_verify.random_program import random_program
from rv64_verify.rtl import Rtl, build_library
from uintr_cosim.simulator import source_digest
from uintr_formal.bug import replaced
from uintr_verify import structural
from uintr_verify.long_run import write_json
from uintr_verify.waivers import load_waivers

__all__ = ["hart_coverage"]

_MAIN = Path(__file__).with_name("covered.cpp")
_WAIVERS = Path(__file__).with_name("waivers_structural.toml")
_COUNTED = sorted(
    path
    for part in ("structural.py", "covered.cpp", "rtl.*", "record.h", "lockstep.*", "litmus.py")
    for path in _MAIN.parent.glob(part)
)
"""What decides what is counted, beside programs and the design."""
_OURS = re.compile(r"hw/(rv64/\w+\.py):(\d+)")
_FILE = re.compile(r"rv64/(\w+)\.py")
_OUTSIDE = ("clint", "fabric", "soc", "trace", "uart")
"""Not the hart, but what stands around it, and what watches it."""
_CYCLES = 5_000_000
_HALTS = 97
"""Cycles from one halt to the next."""
_STEPPED = 5
"""As many where nearly every instruction is a step."""


_COVERAGE = ("--coverage-line", "--coverage-toggle", "--coverage-expr", "--coverage-user")


class _Covered(Rtl):
    """A system that counts what it meets, and whose harts are halted now and then."""

    halts = 0
    """Cycles from one halt to the next; 0: none."""

    def run(self, buffer: Any) -> int:
        if not self.halts:
            return super().run(buffer)
        run = self._library.rtl_run_halting
        run.restype = ctypes.c_uint64
        run.argtypes = (ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_uint64] * 2, ctypes.c_int)
        return int(run(self._rtl, buffer, len(buffer), self._limit, self.halts))

    def points(self, text: str) -> list[tuple[str, int]]:
        """Of the hart, and how often each was met so far."""
        with tempfile.TemporaryDirectory(prefix="coverage-") as work:
            path = Path(work) / "coverage.dat"
            write = self._library.rtl_coverage
            write.restype, write.argtypes = None, (ctypes.c_void_p, ctypes.c_char_p)
            write(self._rtl, os.fsencode(path))
            with (
                replaced(structural, "_OURS", lambda _: _OURS)(),
                replaced(structural, "TOP", lambda _: "soc")(),
            ):
                return [
                    (name, count)
                    for name, count in structural.points(text, path)
                    if _FILE.findall(name)[0] not in _OUTSIDE
                ]


def _system(harts: int, memory_bytes: int) -> tuple[_Covered, str]:
    from amaranth.back import verilog

    from rv64.soc import Soc

    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    text: str = verilog.convert(Soc(harts=harts), name="soc", emit_src=True)
    # Optimised, the counters of one hart run eight times as fast, and take minutes to compile.
    fast = "-O1" if harts == 1 else "-O0"
    path = build_library(text, harts, 4, main=_MAIN, fast=fast, options=_COVERAGE)
    return _Covered(harts=harts, memory_bytes=memory_bytes, path=path), text


def _followed(rtl: _Covered, program: bytes, shape: Shape, seed: int) -> None:
    rtl.start(
        program,
        tohost=layout.TOHOST,
        limit=_CYCLES,
        latency=shape.latency,
        jitter=shape.jitter,
        seed=seed,
    )
    lockstep(program, rtl, memory_bytes=len(program), limit=_CYCLES)


def hart_coverage(*, seeds: int, folder: Path) -> dict[str, Any]:
    """Coverage of the hart, by all directed programs, so many random ones and every litmus test of
    two harts. Its points are kept in ``folder``: to judge them anew by other waivers is quick.

    Raises
    ------
    LockstepError : hardware and Spike differ.
    """
    # What was counted is kept by what it was counted of; the commit is that of the judgement.
    contents = chain(
        [source_digest("uintr", "rv64").encode()],
        (path.read_bytes() for path in _COUNTED),
        (repr((name, each.shape)).encode() + each.image() for name, each in PROGRAMS.items()),
        map(random_program, range(seeds)),
    )
    digest = hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in contents))
    kept = folder / f"{digest.hexdigest()[:16]}.json"
    if not kept.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(kept, _points(seeds))
    merged = json.loads(kept.read_text(encoding="utf-8"))
    told = {"commit": source_commit(), "directed": len(PROGRAMS), "random": seeds}
    return told | structural.summary(merged, load_waivers("structural", _WAIVERS))


def _points(seeds: int) -> Mapping[str, int]:
    """Everything that can be met, and how often it was."""
    runs = []
    shapes = [shape for shape in SHAPES if shape.cache_kib == 4]
    for size in {each.memory_bytes for each in PROGRAMS.values()}:
        named = [name for name, each in PROGRAMS.items() if each.memory_bytes == size]
        rtl, text = _system(1, size)
        with closing(rtl):
            for name in tqdm(named, desc="directed", unit="program"):
                for rtl.halts in (0, _STEPPED)[: 1 + (name in directed_coverage.PROGRAMS)]:
                    _followed(rtl, PROGRAMS[name].image(), PROGRAMS[name].shape, 1)
            random = range(seeds if size == layout.MEMORY_BYTES else 0)
            for seed in tqdm(random, desc="random", unit="program"):
                rtl.halts = _HALTS if seed % 4 == 3 else 0
                _followed(rtl, random_program(seed), shapes[seed % len(shapes)], seed + 1)
            runs.append(rtl.points(text))
    rtl, text = _system(2, litmus.MEMORY_BYTES)
    with closing(rtl):
        for test in tqdm(litmus.TESTS.values(), desc="litmus", unit="test"):
            if len(test.threads) == 2:
                litmus.observed(test, rtl, rounds=10, seed=1, latency=2, jitter=3, spread=True)
        runs.append(rtl.points(text))
    return structural.merge(runs)
