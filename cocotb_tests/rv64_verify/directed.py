"""Directed programs for lock-step: every instruction with the corners of its operands, every CSR
number from every privilege, every page-table flag.

Each is a list of small programs in machine mode unless it says otherwise, put into memory by
`rv64_verify.directed_frame`.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from random import Random

from rv64_verify import directed_coverage, layout
from rv64_verify import encode as e
from rv64_verify.directed_frame import SLOW, Directed
from rv64_verify.directed_privileged import (
    bits_of_pages,
    csr_numbers,
    csr_writes,
    far,
    permissions,
    protection,
    system,
)
from rv64_verify.directed_translated import (
    code_anywhere,
    jumps_beside_walks,
    numbers_of_pages,
    unfetchable,
)
from rv64_verify.encode import Code
from rv64_verify.layout import MEMORY_BYTES
from uintr.registers import Privilege

__all__ = ["PROGRAMS"]

X5, X6, X7, X10, X11, X12, X31 = 5, 6, 7, 10, 11, 12, 31
M, S, U = Privilege.M, Privilege.S, Privilege.U
_WORD = (1 << 64) - 1
_CORNERS = (0, 1, 2, _WORD, 1 << 63, (1 << 63) - 1, 1 << 31, (1 << 31) - 1, -(1 << 31) & _WORD, 63)
_DATA = layout.DATA


def _arithmetic(names: Iterable[str]) -> Callable[[Code], None]:
    def body(code: Code) -> None:
        for a in _CORNERS:
            code.li(X10, a)
            for b in _CORNERS:
                code.li(X11, b)
                for name in names:
                    code(name, X12, X10, X11)
        for name in names:
            code(name, X10, X10, X10)
            code(name, 0, X10, X11)

    return body


def _immediates(code: Code) -> None:
    for a in _CORNERS:
        code.li(X10, a)
        for name in e.IMMEDIATES:
            for imm in (0, 1, -1, 2047, -2048):
                code(name, X12, X10, imm=imm)
        for name, most in e.SHIFTS.items():
            for imm in (0, 1, 31, most):
                code(name, X12, X10, imm=imm)
    for imm in (0, 1, 0x7FFFF, 0x80000, 0xFFFFF):
        code("lui", X12, imm=imm)
        code("auipc", X12, imm=imm)


def _branches(code: Code) -> None:
    place = 0
    for a, b in product(_CORNERS[:8], repeat=2):
        code.li(X10, a)
        code.li(X11, b)
        for name in e.BRANCHES:
            code(name, rs1=X10, rs2=X11, to=f"b{place}")
            code("addi", X12, X12, imm=1)
            code.label(f"b{place}")
            place += 1
    for name in ("c.beqz", "c.bnez"):
        for a in (0, 1, 1 << 63):
            code.li(X10, a)
            code(name, rs1=X10, to=f"b{place}")
            code("addi", X12, X12, imm=1)
            code.label(f"b{place}")
            place += 1
    # Backwards, far, over the end of a page, and to odd halves.
    code("jal", 1, to="far")
    code.label("near")
    code("jal", 0, to="behind")
    code.raw(bytes(-(code.here + 2) % 0x1000))
    code.label("far")
    code("jal", 5, to="near")
    code.label("behind")
    code("auipc", X10, imm=0)
    code("jalr", X10, X10, imm=13)
    code("addi", X12, X12, imm=1)
    code("c.j", to="last")
    code.label("last")
    code("auipc", X10, imm=0)
    code("addi", X10, X10, imm=10)
    code("c.jalr", rs1=X10)


def _memory(code: Code) -> None:
    code.li(X10, _DATA + 0x1000)
    code.li(X11, 0xFEDC_BA98_7654_3210)
    for offset in (*range(-9, 18), 2040, -2048):
        for name in e.LOADS:
            code(name, X12, X10, imm=offset)
        for name in e.STORES:
            code(name, rs1=X10, rs2=X11, imm=offset)
            code("ld", X12, X10, imm=offset & ~7)
            code("addi", X11, X11, imm=0x123)
    # Stores that the next loads hit, wholly and in part.
    for first, second in product(e.STORES, e.LOADS):
        for shift in (0, 2, 4):
            code(first, rs1=X10, rs2=X11, imm=16 + shift if first != "sd" else 16)
            code(second, X12, X10, imm=16)
            code("add", X11, X11, X12)
    for address in (0, 0x1000, 0x7FFF_FFF8, 0x8000_0000 + MEMORY_BYTES, 1 << 32, 1 << 55, 1 << 63):
        code.li(X10, address)
        code("ld", X12, X10)
        code("sd", rs1=X10, rs2=X11)


def _forwarding(code: Code) -> None:
    """Loads that stores before them hit, at every distance at which the cache has them not yet."""
    random = Random(1)
    base = _DATA + 0x1000
    for offset in range(0, 0x1000, 32):
        code.li(X7, base + offset)
        code("ld", X12, X7)
    parts = [(name, at) for each, name in enumerate(e.STORES) for at in range(0, 8, 1 << each)]
    for (name, at), distance, _ in product(parts, range(3), range(3)):
        word = 8 * random.randrange(512)
        for other in (word, word ^ 8 << random.randrange(9)):
            code.li(X10, base + word)
            code.li(X7, base + other)
            code.li(X11, random.getrandbits(64))
            code(name, rs1=X10, rs2=X11, imm=at)
            for _ in range(distance):
                code("addi", X5, X5, imm=1)
            code("ld", X12, X7)


def _stores(code: Code) -> None:
    """As many stores as fit into an instruction cache's line, while the next one is on its way: if
    memory is slow, the store buffer is full."""
    for before in range(9):
        code.li(2, _DATA + 0x200 * before)
        code.align(32)
        for _ in range(before):
            code("c.nop")
        code("mul", X12, X10, X11)
        for place in range(40):
            code("c.sdsp", rs2=1 + (place + before) % 31, imm=8 * place)


def _large_memory(code: Code) -> None:
    """Every bit of an address in main memory, for systems that have so much of it."""
    for bit in (*range(20, 31), 20):
        code.li(X10, layout.BASE + (1 << bit) + 0x5_0000)
        code.li(X11, 0x0123_4567_89AB_CDEF << bit % 3)
        code("ld", X12, X10)
        code("sd", rs1=X10, rs2=X11)
        code("ld", X12, X10)
        for name in ("amoadd.d", "amoxor.w"):
            code(name, X12, X10, X11)
            code("ld", X12, X10)
        code("lr.d", X12, X10)
        code("sc.d", X12, X10, X12)
        code("ld", X12, X10)


def _atomics(code: Code) -> None:
    code.li(X10, _DATA + 0x800)
    for a, b in product(_CORNERS, repeat=2):
        code.li(X11, b)
        for name, size in product(e.AMOS, "wd"):
            code.li(X12, a)
            code("sd", rs1=X10, rs2=X12)
            code(f"{name}.{size}", X12, X10, X11)
            code("ld", X12, X10)
    for size, order in product("wd", range(4)):
        for other in (0, 4, 8, 64):
            code("addi", X7, X10, imm=other)
            code(f"lr.{size}", X12, X10, imm=order)
            code(f"sc.{size}", X12, X7, X11, imm=order)
            code(f"sc.{size}", X12, X10, X11, imm=order)
        code(f"lr.{size}", X12, X10)
        code("sd", rs1=X10, rs2=X11, imm=8)
        code(f"sc.{size}", X12, X10, X11)
    for offset in (1, 2, 4, 7):
        code("addi", X7, X10, imm=offset)
        for name in ("lr", "sc", "amoadd", "amoswap"):
            for size in "wd":
                code(f"{name}.{size}", X12, X7, 0 if name == "lr" else X11)


def _compressed(code: Code) -> None:
    code.li(8, _DATA + 0x800)
    code.li(2, _DATA + 0x400)
    for a in _CORNERS:
        code.li(X10, a)
        code.li(X11, a ^ 0x5555)
        for imm in (-32, -1, 1, 31):
            for name in ("c.addi", "c.addiw", "c.andi", "c.li"):
                code(name, X10, imm=imm)
        for imm in (1, 31, 32, 63):
            for name in ("c.srli", "c.srai", "c.slli"):
                code(name, X10, imm=imm)
                code.li(X10, a)
        for name in ("c.sub", "c.xor", "c.or", "c.and", "c.subw", "c.addw", "c.mv", "c.add"):
            code(name, X10, rs2=X11)
    for imm in (-32, -1, 1, 31):
        code("c.lui", X10, imm=imm)
    for imm in (4, 8, 512, 1020):
        code("c.addi4spn", X10, imm=imm)
    for imm in (-512, 16, 496, -16):
        code("c.addi16sp", imm=imm)
    code.li(2, _DATA + 0x400)
    for imm in (0, 4, 64, 124):
        code("c.lw", X10, 8, imm=imm)
        code("c.sw", rs1=8, rs2=X11, imm=imm)
        code("c.lwsp", X10, imm=2 * imm)
        code("c.swsp", rs2=X11, imm=2 * imm)
    for imm in (0, 8, 128, 248):
        code("c.ld", X10, 8, imm=imm)
        code("c.sd", rs1=8, rs2=X11, imm=imm)
        code("c.ldsp", X10, imm=2 * imm)
        code("c.sdsp", rs2=X11, imm=2 * imm)
    code("c.nop")
    code("c.ebreak")


def _all_compressed(first: int, last: int) -> Callable[[Code], None]:
    """Every half word of a range that neither jumps nor writes sp, s0 or the handler's register."""

    def body(code: Code) -> None:
        code.li(2, _DATA + 0x400)
        for short in range(8, 16):
            code.li(short, _DATA + 0x800 + 8 * short)
        for half in range(first, last):
            quadrant, funct3, rd = half & 3, half >> 13, half >> 7 & 31
            if quadrant == 3 or (quadrant == 1 and funct3 >= 5):
                continue
            jumps = quadrant == 2 and funct3 == 4 and not half >> 2 & 31
            if jumps and half != 0x8002:
                continue
            writes = quadrant == 2 or (quadrant == 1 and funct3 < 4)
            if writes and (rd == 2 or 8 <= rd < 16 or rd == X31) and funct3 not in (6, 7):
                continue
            if quadrant != 2 and ((quadrant == 0 and funct3 < 4) or funct3 == 4):
                # They write one of x8 to x15, which is a pointer: put it back.
                code.word(half)
                for short in range(8, 16):
                    code("c.mv", short, rs2=short)
                touched = 8 + (half >> 2 & 7 if quadrant == 0 else half >> 7 & 7)
                code.li(touched, _DATA + 0x800 + 8 * touched)
                continue
            code.word(half)

    return body


def _words(opcode: int) -> Callable[[Code], None]:
    """Words of one opcode with every funct3 and many funct7; most of them are no instruction."""

    def body(code: Code) -> None:
        code.li(X10, _DATA + 0x800)
        code.li(X11, 3)
        for funct3 in range(8):
            for funct7 in range(128):
                for rs2 in (0, X11):
                    word = funct7 << 25 | rs2 << 20 | X10 << 15 | funct3 << 12 | X12 << 7 | opcode
                    code.word(word)

    return body


def _chunks(total: int, size: int) -> Iterator[tuple[int, int]]:
    return ((first, min(first + size, total)) for first in range(0, total, size))


def _all() -> Iterator[tuple[str, Directed]]:
    names = e.REGISTERS
    for place in range(0, len(names), 7):
        part = names[place : place + 7]
        yield f"arithmetic {part[0]} to {part[-1]}", Directed(_arithmetic(part))
    yield "immediates", Directed(_immediates, U)
    yield "branches", Directed(_branches, U)
    yield "memory", Directed(_memory)
    yield "forwarding", Directed(_forwarding)
    yield "stores", Directed(_stores, shape=SLOW)
    yield "large memory", Directed(_large_memory, memory_bytes=16 << 20)
    yield "atomics", Directed(_atomics)
    yield "compressed", Directed(_compressed, U)
    for first, last in _chunks(0x10000, 0x1000):
        yield f"halves {first:#06x}", Directed(_all_compressed(first, last))
    for privilege in (M, S, U):
        for first, last in _chunks(0x1000, 0x800):
            yield (
                f"CSR numbers {first:#05x} {privilege.name}",
                Directed(csr_numbers(first, last), privilege),
            )
    yield "CSR writes", Directed(csr_writes)
    yield "far addresses", Directed(far)
    yield "protection", Directed(protection)
    yield "permissions", Directed(permissions)
    for opcode in (0x33, 0x3B, 0x13, 0x1B, 0x03, 0x23, 0x0F, 0x2F, 0x7B):
        yield f"words {opcode:#04x}", Directed(_words(opcode))
    for privilege in (M, S, U):
        yield f"SYSTEM {privilege.name}", Directed(system, privilege)
    for privilege in (S, U):
        yield f"pages {privilege.name}", Directed(bits_of_pages(privilege))
    yield "numbers of pages", Directed(numbers_of_pages)
    yield "code anywhere", Directed(code_anywhere)
    yield "unfetchable pages", Directed(unfetchable)
    yield "jumps beside walks", Directed(jumps_beside_walks)


PROGRAMS = {**dict(_all()), **directed_coverage.PROGRAMS}
"""By name."""
