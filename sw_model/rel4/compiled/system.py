"""The compiled system: kernel and runtimes in C as one program, and what is written into its image.

It is built once for a compiler and its options. What a run is about (policy, coroutines, harts,
timer) are words of the image, which `configured` writes: no run is compiled anew.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rel4.abi.c_header import c_header

from .compiler import compile_program
from .elf import Program, Segment, load_program
from .sources import sources_folder

__all__ = ["KERNEL_OFFSET", "build_system", "configured"]

KERNEL_OFFSET = 0xFFFF_FFFF_0000_0000
"""What the kernel's addresses are above the physical ones."""
WORD = 8


def build_system(
    out: Path,
    *,
    compiler: str = "clang",
    optimise: str = "2",
    program: str = "experiment",
    defines: tuple[str, ...] = (),
) -> Program:
    """Compile the kernel with one program of the initial thread into the ELF ``out``, and load it.

    Parameters
    ----------
    compiler, optimise, defines : as `compile_program`
    program : name of a file in ``user/programs``

    Raises
    ------
    ValueError : there is no such program.
    CompileError : as `compile_program`.
    """
    root = sources_folder()
    main = root / "user" / "programs" / f"{program}.c"
    if not main.is_file():
        known = ", ".join(sorted(path.stem for path in main.parent.glob("*.c")))
        raise ValueError(f"program must be one of {known}, not {program!r}")
    kernel, user = root / "kernel", root / "user"
    sources = [*kernel.glob("*.[cS]"), root / "lib" / "string.c", *user.glob("*.[cS]"), main]
    with TemporaryDirectory(prefix="rel4-abi-") as folder:
        (Path(folder) / "rel4_abi.h").write_text(c_header())
        compile_program(
            sorted(sources),
            out,
            compiler=compiler,
            optimise=optimise,
            includes=(Path(folder), user),
            defines=defines,
            script=kernel / "kernel.ld",
            library=False,
        )
    return load_program(out)


def configured(program: Program, words: Mapping[str, list[int]]) -> Program:
    """The same program with words of its image changed: a symbol's from its beginning on.

    Raises
    ------
    ValueError : there is no such symbol in the image.
    """
    segments = list(program.segments)
    for name, values in words.items():
        address = _physical(program, name)
        data = b"".join(value.to_bytes(WORD, "little") for value in values)
        for number, segment in enumerate(segments):
            start = address - segment.address
            if start >= 0 and start + len(data) <= len(segment.data):
                changed = segment.data[:start] + data + segment.data[start + len(data) :]
                segments[number] = Segment(segment.address, changed, segment.size)
                break
        else:
            raise ValueError(f"{name} must be initialised data of {program.path}")
    return replace(program, segments=tuple(segments))


def _physical(program: Program, name: str) -> int:
    """Where a symbol lies in memory: the kernel's are high, the user's low, both are moved."""
    addresses = program.symbols.addresses
    if name not in addresses:
        raise ValueError(f"{name} must be a symbol of {program.path}")
    address = addresses[name]
    if address >= KERNEL_OFFSET:
        return address - KERNEL_OFFSET
    return address - addresses["user_image"] + addresses["user_load"] - KERNEL_OFFSET
