"""A compiled program: what an ELF file says must be in memory, and what things are called."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from rel4.compiled.symbols import Symbols
from rv64.memory_map import RAM_BASE, TOHOST

__all__ = ["Program", "ProgramError", "Segment", "load_program"]

_EXTENSIONS = frozenset(
    (
        *("i", "m", "a", "c", "zicsr", "zifencei", "zicntr", "zihpm"),
        *("zmmul", "zaamo", "zalrsc", "zca", "svade", "sstc"),
    )
)
"""What may stand in a program's attributes: the hart has it, or it means nothing to code."""

_FLOAT_ABI, _RVE = 6, 8  # bits of e_flags

_BROKEN = (
    *(ELFError, ConstructError, AssertionError, LookupError, TypeError, AttributeError),
    *(ValueError, ArithmeticError, MemoryError),
)
"""What reading a damaged file may end with."""


class ProgramError(ValueError):
    """A file is no program for this hart; one sentence."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes at a physical address; memory behind them up to ``size`` is zero."""

    address: int
    data: bytes = field(repr=False)
    size: int


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program for the hart.

    Parameters
    ----------
    path : where it came from
    segments : what is in memory when the harts begin, at the beginning of main memory
    symbols : names of its addresses
    tohost : the word whose stores end the run
    """

    path: Path
    segments: tuple[Segment, ...]
    symbols: Symbols = field(repr=False)
    tohost: int = TOHOST

    @property
    def end(self) -> int:
        """The first address behind it."""
        return max(segment.address + segment.size for segment in self.segments)


def load_program(path: Path) -> Program:
    """Read the ELF file ``path``.

    Raises
    ------
    ProgramError : it cannot be read, or is not for this hart.
    """
    try:
        with path.open("rb") as stream:
            try:
                return _load(path, ELFFile(stream))
            except ProgramError:
                raise
            except _BROKEN as bad:
                raise ProgramError(f"{path} must be a whole ELF file: {_why(bad)}") from None
    except OSError as error:
        raise ProgramError(f"{path} must be a readable file: {error.strerror or error}") from None


def _why(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _load(path: Path, elf: Any) -> Program:
    _check_kind(path, elf)
    segments = []
    for each in elf.iter_segments("PT_LOAD"):
        address, size, there = each["p_paddr"], each["p_memsz"], each["p_filesz"]
        if size == 0:
            continue
        # Its length is asked before it is read: a damaged one may be longer than any memory.
        data = each.data() if there <= min(size, path.stat().st_size) else b""
        if len(data) != there:
            raise ProgramError(f"{path} must be a whole ELF file, but a segment is cut short")
        if address < RAM_BASE:
            raise ProgramError(
                f"{path} must lie in main memory, from {RAM_BASE:#x} on, not at {address:#x}"
            )
        segments.append(Segment(address, data, size))
    if not segments:
        raise ProgramError(f"{path} must have something to load, but has no segment")
    if elf["e_entry"] != RAM_BASE:
        raise ProgramError(
            f"{path} must begin at {RAM_BASE:#x}, where the harts do, not at {elf['e_entry']:#x}"
        )
    symbols = _symbols(elf)
    tohost = symbols.addresses.get("tohost", TOHOST)
    return Program(path=path, segments=tuple(segments), symbols=symbols, tohost=tohost)


def _check_kind(path: Path, elf: Any) -> None:
    machine = elf["e_machine"]
    if machine != "EM_RISCV":
        raise ProgramError(f"{path} must be built for RISC-V, not for {_machine(machine)}")
    if elf.elfclass != 64:
        raise ProgramError(f"{path} must be a 64-bit program, not one of {elf.elfclass} bits")
    if not elf.little_endian:
        raise ProgramError(f"{path} must be little-endian, not big-endian")
    if elf["e_type"] != "ET_EXEC":
        raise ProgramError(f"{path} must be linked as an executable, not {elf['e_type']}")
    flags = elf["e_flags"]
    if flags & _FLOAT_ABI:
        raise ProgramError(f"{path} must be built for lp64, not for a floating-point ABI")
    if flags & _RVE:
        raise ProgramError(f"{path} must be built for rv64imac, not for rv64e")
    arch = _arch(elf)
    if arch is not None:
        odd = [name for name in _extensions(arch) if name not in _EXTENSIONS]
        if odd or not arch.startswith("rv64"):
            raise ProgramError(f"{path} must be built for rv64imac, not for {arch}")


def _machine(name: str | int) -> str:
    return name.removeprefix("EM_") if isinstance(name, str) else f"machine {name}"


def _arch(elf: Any) -> str | None:
    """The ISA that the compiler has noted down, if it did."""
    section = elf.get_section_by_name(".riscv.attributes")
    if section is None:
        return None
    for subsection in section.iter_subsections():
        for subsubsection in subsection.iter_subsubsections():
            for attribute in subsubsection.iter_attributes("TAG_ARCH"):
                return str(attribute.value)
    return None


def _extensions(arch: str) -> list[str]:
    """Names of the extensions in a string such as rv64i2p1_m2p0_zicsr2p0."""
    names: list[str] = []
    for part in arch[4:].split("_"):
        letters = part.rstrip("0123456789")
        if letters.endswith("p"):
            letters = letters[:-1].rstrip("0123456789")
        names += [letters] if letters[:1] in "zsx" else list(letters)
    return names


def _symbols(elf: Any) -> Symbols:
    found = []
    for section in elf.iter_sections():
        if not isinstance(section, SymbolTableSection):
            continue
        for each in section.iter_symbols():
            kind = each["st_info"]["type"]
            local = each.name.startswith((".L", "$"))
            if not each.name or local or each["st_shndx"] == "SHN_UNDEF":
                continue
            if kind in ("STT_FUNC", "STT_OBJECT", "STT_NOTYPE"):
                code = kind == "STT_FUNC" or (kind == "STT_NOTYPE" and _in_code(elf, each))
                found.append((each["st_value"], each["st_size"], each.name, code))
    return Symbols(found)


def _in_code(elf: Any, symbol: Any) -> bool:
    """Assembler labels have no kind; those in code name functions."""
    index = symbol["st_shndx"]
    return isinstance(index, int) and bool(elf.get_section(index)["sh_flags"] & 4)
