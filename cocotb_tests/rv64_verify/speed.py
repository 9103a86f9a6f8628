"""How fast the system simulates: cycles for each second of the processor, by how many harts."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rel4.compiled import RunConfig, compile_program, load_program, run_program

__all__ = ["Speed", "speeds"]

_PROGRAM = """#include <csr.h>
static uint64_t words[8][256];
static uint64_t work(uint64_t hart)
{
    uint64_t sum = 0;
    for (int each = 0; each < 256; each++) {
        sum = sum * 31 + words[hart][each];
        if (sum & 4)
            words[hart][(sum >> 7) & 255] += sum;
    }
    return sum;
}
void hart_main(uint64_t hart)
{
    for (;;)
        work(hart);
}
int main(int hart)
{
    for (;;)
        work(hart);
}
"""
"""Loads, stores, branches and multiplications, on every hart, without an end."""


class Speed(NamedTuple):
    """Of one system; an instruction is any hart's."""

    harts: int
    cycles: int
    instructions: int
    seconds: float


def speeds(harts: tuple[int, ...] = (1, 2, 4), *, cycles: int = 3_000_000) -> Iterator[Speed]:
    """Run every hart of each system for so many cycles."""
    with tempfile.TemporaryDirectory(prefix="speed-") as work:
        source, out = Path(work) / "main.c", Path(work) / "main.elf"
        source.write_text(_PROGRAM)
        compile_program([source], out)
        program = load_program(out)
        for number in harts:
            result = run_program(program, RunConfig(harts=number, max_cycles=cycles))
            yield Speed(number, result.cycles, sum(result.instructions), result.seconds)
