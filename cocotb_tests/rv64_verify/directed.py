"""Directed programs for lock-step: every instruction with the corners of its operands, every CSR
number from every privilege, every page-table flag.

Each is a list of small programs in machine mode unless it says otherwise, put into memory by
`rv64_verify.directed_frame`.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import product

from rv64_verify import encode as e
from rv64_verify import layout
from rv64_verify.encode import Code, encode
from rv64_verify.layout import BASE, MEMORY_BYTES
from uintr.registers import Privilege

__all__ = ["PROGRAMS"]

X5, X6, X7, X10, X11, X12, X31 = 5, 6, 7, 10, 11, 12, 31
_BACK = 9  # where a program's own handler goes on
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


def _csr_numbers(first: int, last: int) -> Callable[[Code], None]:
    """Reads and writes without effect of every number, some of which there are."""

    def body(code: Code) -> None:
        for number in range(first, last):
            code("csrrs", X12, 0, imm=number)
            code("csrrci", X12, 0, imm=number)

    return body


_WRITTEN = (
    *(0x300, 0x301, 0x302, 0x303, 0x304, 0x306, 0x30A, 0x320, 0x341, 0x342, 0x343, 0x344),
    *(0x100, 0x104, 0x105, 0x106, 0x10A, 0x140, 0x141, 0x142, 0x143, 0x144, 0x14D),
    *(0x3B1, 0x3B2, 0x3B6, 0x3B7, 0x3B8, 0x3A2, 0xB00, 0xB02, 0xB03, 0xB1F, 0x323, 0x33F),
    *(0x000, 0x004, 0x005, 0x040, 0x041, 0x042, 0x043, 0x044, 0x103, 0x1B0, 0x1B1, 0x1B2),
)


def _csr_writes(code: Code) -> None:
    """Every CSR that may be anything, with every instruction; what it reads as afterwards."""
    patterns = (_WORD, 0, 0x5555_5555_5555_5555, 0xAAAA_AAAA_AAAA_AAAA, 0x0123_4567_89AB_CDEF)
    for number in _WRITTEN:
        for pattern in patterns:
            # Interrupts stay off, and so does access by another privilege.
            kept = 0x2_000A if number == 0x300 else 0
            code.li(X10, pattern & ~kept)
            for name in ("csrrw", "csrrs", "csrrc"):
                code(name, X11, X10, imm=number)
                code("csrrs", X12, 0, imm=number)
            for name in ("csrrwi", "csrrsi", "csrrci"):
                code(name, X11, 0x15 if number != 0x300 else 0, imm=number)
                code("csrrs", X12, 0, imm=number)
        code("csrrw", 0, 0, imm=number)
    for number in (0xC00, 0xC01, 0xC02, 0xF11, 0xF14):
        for name in ("csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi", "csrrci"):
            code(name, X12, X10, imm=number)
            code(name, X12, 0, imm=number)


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


def _system(code: Code) -> None:
    """Everything below SYSTEM that is no CSR access, less what leaves the program or waits."""
    left = {encode(name) for name in ("ecall", "mret", "sret", "uret", "wfi")}
    for funct12 in range(4096):
        for rd, rs1 in ((0, 0), (1, 0), (0, X10)):
            word = funct12 << 20 | rs1 << 15 | rd << 7 | 0x73
            if word not in left:
                code.word(word)


def _bits_of_pages(privilege: Privilege) -> Callable[[Code], None]:
    """Each flag of a page alone and taken away, at every size of page; reads, writes, SUM and MXR.

    Runs in machine mode, and accesses memory with the privilege of MPP.
    """

    def body(code: Code) -> None:
        root, middle, low = layout.ROOT, layout.MIDDLE, layout.DATA_TABLE
        code.li(X10, 8 << 60 | root >> 12)
        code("csrrw", 0, X10, imm=0x180)
        usual = 0b1100_0111 | (privilege == U) << 4
        variants = [usual, 0, *(usual ^ 1 << bit for bit in range(10)), *(1 << b for b in range(8))]
        variants += [usual | 1 << bit for bit in (54, 60, 63)] + [0b1100_1001 | usual & 16, 0xFF]
        bits = (0, 1 << 18, 1 << 19, 3 << 18)
        for level, table in enumerate((root, middle, low)):
            for index, (other, inner) in enumerate(((root, middle), (middle, low))[:level]):
                code.li(X11, inner >> 12 << 10 | 1)
                code.li(X10, other + 8 * (5 + index))
                code("sd", rs1=X10, rs2=X11)
            virtual = 5 << 30 | (6 << 21 if level else 0) | (7 << 12 if level == 2 else 0)
            if level == 0:
                virtual = 7 << 30
            index = (7, 6, 7)[level]
            for number, flags in enumerate(variants):
                code.li(X10, table + 8 * index)
                physical = (BASE, layout.LARGE, _DATA)[level]
                code.li(X11, physical >> 12 << 10 | flags)
                code("sd", rs1=X10, rs2=X11)
                code("sfence.vma")
                offset = (_DATA - BASE, 0x1000, 0)[level] + 8 * (number % 64)
                code.li(X7, virtual + offset)
                for status in bits if number < 12 else (0,):
                    code.li(X6, 3 << 18 | 3 << 11)
                    code("csrrc", 0, X6, imm=0x300)
                    code.li(X6, 1 << 17 | privilege << 11 | status)
                    code("csrrs", 0, X6, imm=0x300)
                    code("ld", X12, X7)
                    code("sd", rs1=X7, rs2=X7)
                    code("amoadd.d", X12, X7, X7)
                    code("lr.w", X12, X7)
                    code.li(X6, 1 << 17)
                    code("csrrc", 0, X6, imm=0x300)

    return body


def _far(code: Code) -> None:
    """Jumps and accesses all over the address space, every bit of the address for itself. There is
    nothing: each traps, and the handler of its own reads cause, value and pc."""
    code("jal", to="begin")
    handler = code.here
    for number in (0x341, 0x342, 0x343):
        code("csrrs", X12, 0, imm=number)
    code("csrrw", 0, _BACK, imm=0x341)
    code("mret")
    code.label("begin")
    code.li(X10, handler)
    code("csrrw", 0, X10, imm=0x305)
    ones = [1 << bit for bit in range(32, 64)]
    for address in (*ones, *(_WORD ^ each ^ 0xFFF for each in ones), 0x5555 << 47, 0xAAAA << 47):
        code.li(X10, address)
        for name, rd, rs2 in (
            ("jalr", X11, 0),
            ("ld", X11, 0),
            ("sd", 0, X11),
            ("amoadd.d", X11, X11),
        ):
            code("auipc", _BACK, imm=0)
            code("addi", _BACK, _BACK, imm=12)
            code(name, rd, X10, rs2)
    code.li(X10, BASE + 0x800)
    code("csrrw", 0, X10, imm=0x305)


def _protection(code: Code) -> None:
    """PMP, for accesses as from user mode: each entry, each size, each bit of an address; then one
    that is locked."""
    place, off, mode_tor, mode_napot = _DATA >> 2, 0, 1 << 3, 3 << 3
    code.li(X6, 1 << 17)

    def entries(addresses: dict[int, int], modes: dict[int, int]) -> None:
        for number, address in addresses.items():
            code.li(X10, address)
            code("csrrw", X11, X10, imm=0x3B0 + number)
            code("csrrs", X12, 0, imm=0x3B0 + number)
        code.li(X10, sum(mode << 8 * number for number, mode in modes.items()))
        code("csrrw", X11, X10, imm=0x3A0)
        code("csrrs", X12, 0, imm=0x3A0)

    def accesses(*offsets: int) -> None:
        for offset in offsets:
            code.li(X7, _DATA + offset)
            code("csrrs", 0, X6, imm=0x300)
            code("ld", X12, X7)
            code("sd", rs1=X7, rs2=X12)
            code("csrrc", 0, X6, imm=0x300)

    for number in range(8):
        for size in (12, 13, 14, 16, 30, 32, 33, 55):
            entries({number: place | (1 << size - 3) - 1}, {number: mode_napot | 7})
            accesses(0, 0x1000, 0x2000)
        for rights in (0, 1, 2, 3, 4, 5):
            entries({number: place | 0x1FF}, {number: mode_napot | rights, (number + 1) % 8: off})
            accesses(0)
        if number:
            bounds = {number - 1: place + 0x400, number: place + 0x800}
            entries(bounds, {number: mode_tor | 3})
            accesses(0, 0x1000, 0x2000)
            entries(bounds, {number - 1: mode_tor | 1, number: mode_tor | 3})
            accesses(0, 0x1000, 0x2000)
    for bit in range(10, 54):
        entries({1: (place | 0x1FF) ^ 1 << bit}, {1: mode_napot | 3})
        accesses(0)
        entries({1: place ^ 1 << bit, 2: place + 0x400}, {2: mode_tor | 3})
        accesses(0)
        entries({1: place, 2: place + 0x400 ^ 1 << bit}, {2: mode_tor | 3})
        accesses(0)
    entries({4: place, 5: place + 0x400}, {5: mode_tor | 0x80, 6: mode_napot | 7})
    for number in (3, 4, 5, 6):
        entries({number: 0x1234_5678}, {5: 7})
    code.li(X7, _DATA)
    code("ld", X12, X7)


def _permissions(code: Code) -> None:
    """Counters, timers and what mstatus keeps from supervisor and user, whatever enables them."""
    code("jal", to="begin")
    handler = code.here  # passes an illegal instruction over; a call goes back to machine mode
    code("csrrs", X12, 0, imm=0x342)
    code("addi", X11, 0, imm=2)
    code("bne", rs1=X12, rs2=X11, to="back")
    code("csrrs", X12, 0, imm=0x341)
    code("addi", X12, X12, imm=4)
    code("csrrw", 0, X12, imm=0x341)
    code("mret")
    code.label("back")
    code.li(X12, 3 << 11)
    code("csrrs", 0, X12, imm=0x300)
    code("csrrw", 0, _BACK, imm=0x341)
    code("mret")
    code.label("begin")
    code.li(X10, handler)
    code("csrrw", 0, X10, imm=0x305)
    code.li(X7, _WORD)
    code("csrrw", 0, X7, imm=0x14D)
    ones = (0, 1, 2, 4, 7)
    cases = [*product((M, S, U), ones, ones, (0, 1 << 63), (0,))]
    cases += [(S, 7, 7, 1 << 63, 1 << bit) for bit in (20, 21, 22)]
    for privilege, machine, supervisor, timer, status in cases:
        code.li(X10, machine)
        code("csrrw", 0, X10, imm=0x306)
        code.li(X10, supervisor)
        code("csrrw", 0, X10, imm=0x106)
        code.li(X10, timer)
        code("csrrw", 0, X10, imm=0x30A)
        code.li(X10, 3 << 11 | 7 << 20)
        code("csrrc", 0, X10, imm=0x300)
        code.li(X10, privilege << 11 | status)
        code("csrrs", 0, X10, imm=0x300)
        code("auipc", X10, imm=0)
        code("addi", X10, X10, imm=16)
        code("csrrw", 0, X10, imm=0x341)
        code("mret")
        for number in (0xC00, 0xC01, 0xC02, 0x14D, 0x180):
            code("csrrs", X12, 0, imm=number)
        code("csrrw", X12, X7, imm=0x14D)
        code("sfence.vma")
        if status == 1 << 21:
            code("wfi")
        code("auipc", _BACK, imm=0)
        code("addi", _BACK, _BACK, imm=12)
        code("ecall")
    code.li(X10, BASE + 0x800)
    code("csrrw", 0, X10, imm=0x305)


def _chunks(total: int, size: int) -> Iterator[tuple[int, int]]:
    return ((first, min(first + size, total)) for first in range(0, total, size))


def _all() -> Iterator[tuple[str, Callable[[Code], None], Privilege]]:
    names = e.REGISTERS
    for place in range(0, len(names), 7):
        part = names[place : place + 7]
        yield f"arithmetic {part[0]} to {part[-1]}", _arithmetic(part), M
    yield "immediates", _immediates, U
    yield "branches", _branches, U
    yield "memory", _memory, M
    yield "atomics", _atomics, M
    yield "compressed", _compressed, U
    for first, last in _chunks(0x10000, 0x1000):
        yield f"halves {first:#06x}", _all_compressed(first, last), M
    for privilege in (M, S, U):
        for first, last in _chunks(0x1000, 0x800):
            yield f"CSR numbers {first:#05x} {privilege.name}", _csr_numbers(first, last), privilege
    yield "CSR writes", _csr_writes, M
    yield "far addresses", _far, M
    yield "protection", _protection, M
    yield "permissions", _permissions, M
    for opcode in (0x33, 0x3B, 0x13, 0x1B, 0x03, 0x23, 0x0F, 0x2F, 0x7B):
        yield f"words {opcode:#04x}", _words(opcode), M
    for privilege in (M, S, U):
        yield f"SYSTEM {privilege.name}", _system, privilege
    for privilege in (S, U):
        yield f"pages {privilege.name}", _bits_of_pages(privilege), M


PROGRAMS = {name: (body, privilege) for name, body, privilege in _all()}
"""By name: what is in it, and the privilege that it runs in."""
