"""A second opinion: the hart's instructions one by one against QEMU's, where it is installed.

QEMU tells its registers before each instruction. It does what this hart leaves to software
(accesses that are not aligned, accessed and dirty bits), and it has no user interrupts. So the
programs are those that need none of these, and all of them run in machine mode.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from rv64_verify import layout
from rv64_verify.directed import PROGRAMS
from rv64_verify.directed_frame import directed_program
from rv64_verify.lockstep import CAPACITY, LockstepError, Record
from rv64_verify.rtl import Rtl

__all__ = ["NAMES", "PROGRAM", "compared", "follow", "instructions", "missing", "qemu", "states"]

PROGRAM = "qemu-system-riscv64"
_CPU = "rv64,f=off,d=off,v=off,h=off,zba=off,zbb=off,zbc=off,zbs=off"
_FETCH = (0, 1, 12)
"""Causes of an instruction that could not be fetched: QEMU tells nothing of it."""
NAMES = tuple(
    name
    for name in PROGRAMS
    if name.startswith(("arithmetic", "immediates", "branches", "halves"))
    or name in ("words 0x33", "words 0x3b", "words 0x13", "words 0x1b", "words 0x0f")
)
"""The directed programs that are compared. Not "compressed": QEMU's mtval is zero after `ebreak`,
which the specification leaves open."""
_REGISTER = re.compile(rb"x\d+/\S+ +([0-9a-f]{16})")
State = tuple[int, list[int]]
"""The pc of an instruction, and x0 to x31 before it."""


def compared(rtl: Rtl, name: str) -> int:
    """Run one of `NAMES` on both; answers how many instructions agree.

    Raises
    ------
    LockstepError : they differ.
    """
    program = directed_program(PROGRAMS[name].body)
    return follow(instructions(rtl, program), qemu(program))


def instructions(rtl: Rtl, program: bytes) -> list[Record]:
    """What the gateware retires of ``program``.

    Raises
    ------
    LockstepError : it does not end.
    """
    rtl.start(program, tohost=layout.TOHOST, limit=3_000_000)
    buffer = (Record * CAPACITY)()
    found: list[Record] = []
    while count := rtl.run(buffer):
        found += [Record.from_buffer_copy(buffer[each]) for each in range(count)]
    if not rtl.ended:
        raise LockstepError("the program must end in time")
    return found


def qemu(program: bytes) -> Iterator[State]:
    """The same from QEMU, which goes on until nobody listens any more."""
    command = [PROGRAM, "-machine", "virt", "-cpu", _CPU, "-m", "64M", "-bios", "none"]
    command += ["-display", "none", "-singlestep", "-d", "nochain,cpu"]
    with tempfile.TemporaryDirectory(prefix="rv64-qemu-") as folder:
        image = Path(folder) / "image"
        image.write_bytes(program)
        command += ["-device", f"loader,file={image},addr={layout.BASE:#x},force-raw=on"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            try:
                yield from states(process.stderr)
            finally:
                process.kill()


def states(lines: Iterable[bytes]) -> Iterator[State]:
    """What the lines of QEMU's log say."""
    pc = 0
    registers: list[int] = []
    for line in lines:
        words = line.split()
        if words[:1] == [b"pc"]:
            pc, registers = int(words[1], 16), []
        elif b"/" in line and (found := _REGISTER.findall(line)):
            registers += [int(word, 16) for word in found]
            if len(registers) == 32:
                yield pc, registers


def follow(records: Iterable[Record], told: Iterable[State]) -> int:
    """Compare; answers how many instructions that were. QEMU's reset code comes before.

    Raises
    ------
    LockstepError : they differ; the sentence says where.
    """
    steps = iter(told)
    registers: list[int] = []
    number = 0
    for number, record in enumerate(records, 1):
        if record.trap and record.cause in _FETCH:
            continue
        pc, theirs = next(steps)
        while not registers and pc != layout.BASE:
            pc, theirs = next(steps)
        registers = registers or list(theirs)
        if pc != record.pc or theirs != registers:
            different = [n for n in range(32) if theirs[n] != registers[n]]
            raise LockstepError(
                f"instruction {number}: QEMU is at {pc:#x}, "
                f"with other registers {different}, and not at\n{record}"
            )
        if record.rd and not record.trap:
            registers[record.rd] = record.value
    return number


def missing() -> str | None:
    """Why there is no second opinion, or None."""
    return None if shutil.which(PROGRAM) else f"{PROGRAM} is not installed"
