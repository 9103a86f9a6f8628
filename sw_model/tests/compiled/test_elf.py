"""Reading ELF files: what is loaded, what things are called, and a sentence for every bad file."""

import random
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rel4.compiled.compiler import compile_program
from rel4.compiled.elf import ProgramError, load_program
from rel4.compiled.runner import RunConfig
from rel4.compiled.symbols import Symbols
from rv64.memory_map import RAM_BASE


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("elf")
    (folder / "main.c").write_text("char big[3 << 20];\nint main(void) { return big[5]; }\n")
    compile_program([folder / "main.c"], folder / "main.elf")
    return (folder / "main.elf").read_bytes()


def put(place: int, form: str, value: int) -> Callable[[bytes], bytes]:
    """Change a field of the file's header."""

    def change(data: bytes) -> bytes:
        out = bytearray(data)
        struct.pack_into(form, out, place, value)
        return bytes(out)

    return change


def first_segment(field: int, form: str, value: int) -> Callable[[bytes], bytes]:
    """Change a field of the first program header that is loaded."""

    def change(data: bytes) -> bytes:
        at, size, count = (
            struct.unpack_from("<Q", data, 32)[0],
            *struct.unpack_from("<HH", data, 54),
        )
        headers = [at + size * each for each in range(count)]
        load = next(each for each in headers if struct.unpack_from("<I", data, each)[0] == 1)
        return put(load + field, form, value)(data)

    return change


BAD = (
    (lambda _: b"", "must be a whole ELF file: Magic number does not match"),
    (lambda _: b"#!/bin/sh\n", "must be a whole ELF file: Magic number does not match"),
    (lambda data: data[:40], "must be a whole ELF file"),
    (lambda data: data[:4100], "must be a whole ELF file"),
    (put(18, "<H", 62), "must be built for RISC-V, not for X86_64"),
    (put(18, "<H", 0x7777), "must be built for RISC-V, not for machine 30583"),
    (put(16, "<H", 3), "must be linked as an executable, not ET_DYN"),
    (put(48, "<I", 5), "must be built for lp64, not for a floating-point ABI"),
    (put(48, "<I", 8), "must be built for rv64imac, not for rv64e"),
    (put(24, "<Q", 0x1000), "must begin at 0x80000000, where the harts do, not at 0x1000"),
    (first_segment(24, "<Q", 0x1000), "must lie in main memory, from 0x80000000 on, not at 0x1000"),
    (first_segment(40, "<Q", 1), "must be a whole ELF file, but a segment is cut short"),
    (
        lambda data: first_segment(40, "<Q", 1 << 62)(first_segment(32, "<Q", 1 << 62)(data)),
        "must be a whole ELF file, but a segment is cut short",
    ),
    (lambda data: data.replace(b"rv64i2p1", b"rv64f2p1"), "must be built for rv64imac, not for rv"),
    (lambda data: data.replace(b"rv64i2p1", b"rv32i2p1"), "must be built for rv64imac, not for rv"),
)


@pytest.mark.parametrize(("change", "sentence"), BAD)
def test_a_bad_file_is_one_sentence(
    good: bytes, change: Callable[[bytes], bytes], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.elf"
    path.write_bytes(change(good))
    with pytest.raises(ProgramError) as caught:
        load_program(path)
    assert str(caught.value).startswith(f"{path} {sentence}")
    assert "\n" not in str(caught.value)


def test_a_32_bit_program(tmp_path: Path) -> None:
    header = struct.pack(
        "<4sBBBBB7xHHIIIIIHHHHHH",
        *(b"\x7fELF", 1, 1, 1, 0, 0, 2, 243, 1, RAM_BASE, 0, 0, 0, 52, 32, 0, 40, 0, 0),
    )
    path = tmp_path / "rv32.elf"
    path.write_bytes(header)
    with pytest.raises(ProgramError, match="must be a 64-bit program, not one of 32 bits"):
        load_program(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="must be a readable file: No such file"):
        load_program(tmp_path / "none")
    with pytest.raises(ProgramError, match="must be a readable file: Is a directory"):
        load_program(tmp_path)


def test_damage_is_a_sentence_or_no_matter(good: bytes, tmp_path: Path) -> None:
    chance = random.Random(1)
    path = tmp_path / "damaged.elf"
    loaded = 0
    for _ in range(300):
        data = bytearray(good[: chance.choice((len(good), chance.randrange(len(good))))])
        for _ in range(chance.randrange(1, 9)):
            if data:
                place = chance.choice((chance.randrange(64), chance.randrange(len(data))))
                data[place % len(data)] = chance.randrange(256)
        path.write_bytes(data)
        with suppress(ProgramError):
            load_program(path)
            loaded += 1
    assert 10 < loaded < 290


def test_memory_that_is_too_small(good: bytes, tmp_path: Path) -> None:
    (tmp_path / "big.elf").write_bytes(good)
    program = load_program(tmp_path / "big.elf")
    RunConfig(memory_mib=4).check(program)
    with pytest.raises(ProgramError, match=r"memory must be at least 4 MiB for .*big.elf, not 3"):
        RunConfig(memory_mib=3).check(program)


def test_names_of_addresses() -> None:
    symbols = Symbols(
        [(0x100, 0x20, "one", True), (0x140, 0, "label", True), (0x104, 8, "data", False)]
    )
    names = {0x100: "one", 0x11F: "one+0x1f", 0x120: "0x120", 0x150: "label+0x10", 0x90: "0x90"}
    assert {address: symbols.name(address) for address in names} == names
    assert symbols.addresses["data"] == 0x104


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("harts", (0, 9), "harts must be 1 to 8, not"),
        ("memory_mib", (0, 2000), "memory must be 1 to 1024, not"),
        ("memory_latency", (0, 201), "memory-latency must be 1 to 200, not"),
        ("jitter", (-1, 201), "jitter must be 0 to 200, not"),
        ("seed", (-1, 1 << 32), "seed must be 0 to 4294967295, not"),
        ("cache_kib", (0, 5, 32), "cache must be 4, 8 or 16 KiB, not"),
        ("max_cycles", (0,), "max-cycles must be 1 to"),
        ("gdb", (-1, 65_536), "gdb must be 0 to 65535, not"),
    ],
)
def test_configurations_that_are_none(name: str, values: tuple[int, ...], sentence: str) -> None:
    for value in values:
        changed: dict[str, Any] = {name: value}
        with pytest.raises(ValueError, match=sentence):
            replace(RunConfig(), **changed)
