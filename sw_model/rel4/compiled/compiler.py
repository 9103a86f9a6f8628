"""Compilers: finding one, and making an ELF of C and assembler sources."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rel4.compiled.headers import write_headers
from rel4.compiled.sources import include_folder, library_sources, linker_script
from uintr.program import say

__all__ = ["ARCH", "COMPILERS", "CompileError", "Compiler", "compile_program", "find_compiler"]

ARCH = "rv64imac_zicsr_zifencei"
"""What the hart has, in the words of a compiler. Counters and user interrupts need no word."""

COMPILERS = ("clang", "gcc")

OPTIMISATIONS = ("0", "1", "2", "3", "s", "g", "z")

_GCC = ("riscv64-unknown-elf-gcc", "riscv64-elf-gcc", "riscv64-none-elf-gcc")

_ALWAYS = (
    *(f"-march={ARCH}", "-mabi=lp64", "-mcmodel=medany", "-ffreestanding", "-g"),
    *("-std=gnu11", "-ffunction-sections", "-fdata-sections", "-fno-common", "-Wall", "-Wextra"),
)
_LINK = ("--gc-sections", "--discard-locals", "--build-id=none")


class CompileError(Exception):
    """A program could not be built; one sentence, below what the compiler itself has said."""


@dataclass(frozen=True, kw_only=True)
class Compiler:
    """A compiler that can be used.

    Parameters
    ----------
    name : one of `COMPILERS`
    compile : the command that compiles, less sources
    link : the command that links, less objects and script
    version : first line of what it says about itself
    """

    name: str
    compile: tuple[str, ...]
    link: tuple[str, ...]
    version: str


def find_compiler(name: str = COMPILERS[0]) -> Compiler:
    """The compiler called ``name``.

    Raises
    ------
    ValueError : there is none of that name.
    CompileError : it is not installed.
    """
    if name not in COMPILERS:
        raise ValueError(f"compiler must be {' or '.join(COMPILERS)}, not {name!r}")
    return _clang() if name == "clang" else _gcc()


def _clang() -> Compiler:
    package = importlib.util.find_spec("ziglang")
    if package is None or package.origin is None:
        raise CompileError(
            "clang must be installed (pip install 'rel4-uintr[compiler]'), but ziglang is not"
        )
    zig = (sys.executable, "-m", "ziglang")
    # Its clang does not find its own headers, such as stdarg.h.
    headers = Path(package.origin).parent / "lib" / "include"
    return Compiler(
        name="clang",
        compile=(
            *(*zig, "clang", "-target", "riscv64-unknown-none-elf", "-nostdlibinc"),
            *("-isystem", str(headers)),
        ),
        link=(*zig, "ld.lld", *_LINK),
        version=_first_line(*zig, "clang", "--version"),
    )


def _gcc() -> Compiler:
    program = next((name for name in _GCC if shutil.which(name)), None)
    if program is None:
        raise CompileError(
            f"gcc must be installed as one of {', '.join(_GCC)}, but none is in PATH"
        )
    options = (f"-march={ARCH}", "-mabi=lp64", "-mcmodel=medany", "-nostdlib")
    return Compiler(
        name="gcc",
        compile=(program,),
        link=(program, *options, *(f"-Wl,{each}" for each in (*_LINK, "--no-warn-rwx-segments"))),
        version=_first_line(program, "--version"),
    )


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.stdout.partition("\n")[0].strip()


def compile_program(
    sources: Sequence[Path],
    out: Path,
    *,
    compiler: str = COMPILERS[0],
    optimise: str = "2",
    includes: Iterable[Path] = (),
    defines: Iterable[str] = (),
    script: Path | None = None,
    library: bool = True,
) -> Compiler:
    """Make the ELF ``out``, whole or not at all; returns what compiled it.

    Parameters
    ----------
    sources : C (.c) and assembler (.S, .s) files
    optimise : what follows -O
    includes : folders of headers, before those of this package
    defines : NAME or NAME=VALUE
    script : linker script instead of this package's
    library : with start-up code, console, printf and the rest of this package's library

    Raises
    ------
    ValueError : an argument is not right.
    CompileError : no such compiler, or it refused a source; its own words went to standard error.
    """
    if not sources:
        raise ValueError("sources must be one file or more, not none")
    for source in sources:
        if source.suffix not in (".c", ".S", ".s"):
            raise ValueError(f"source must end in .c, .S or .s, not {str(source)!r}")
    script = linker_script() if script is None else script
    for file in (*sources, script):
        if not file.is_file():
            raise ValueError(f"{file} must be a file, but there is none")
    for folder in includes:
        if not folder.is_dir():
            raise ValueError(f"include must be a folder, not {str(folder)!r}")
    if optimise not in OPTIMISATIONS:
        raise ValueError(f"-O must be one of {', '.join(OPTIMISATIONS)}, not {optimise!r}")
    if out.is_dir() or not out.parent.is_dir():
        raise ValueError(f"output must be a file in a folder that exists, not {str(out)!r}")
    found = find_compiler(compiler)
    say(f"compiling {out.name} with {compiler}")
    everything = [*sources, *(library_sources() if library else ())]
    with tempfile.TemporaryDirectory(prefix="rel4-cc-") as work:
        made = Path(work)
        write_headers(made)
        options = [
            *(f"-O{optimise}", *_ALWAYS, *(f"-D{each}" for each in defines)),
            *(f"-I{folder}" for folder in includes),
            *("-isystem", str(made), "-isystem", str(include_folder())),
        ]
        objects = [
            made / f"{number}-{source.parent.name}-{source.stem}.o"
            for number, source in enumerate(everything)
        ]

        def one(source: Path, result: Path) -> None:
            _run([*found.compile, *options, "-c", str(source), "-o", str(result)], source)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(one, everything, objects))
        whole = made / "program.elf"
        command = [*found.link, "-T", str(script), *map(str, objects), "-o", str(whole)]
        _run(command, out)
        shutil.copyfile(whole, out.with_name(out.name + ".part"))
    out.with_name(out.name + ".part").replace(out)
    return found


def _run(command: Sequence[str], what: Path) -> None:
    # In a group of its own it hears no Ctrl-C, of which a compiler from a wheel says much.
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, process_group=0
    )
    sys.stderr.write(done.stderr)  # warnings too
    if done.returncode:
        raise CompileError(f"{what} could not be built; the compiler said why")
