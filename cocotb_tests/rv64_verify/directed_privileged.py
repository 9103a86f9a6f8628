"""Directed programs of what privileges are for: CSRs, SYSTEM, pages, PMP, addresses far away.

`rv64_verify.directed` has them beside the others.
"""

from collections.abc import Callable
from itertools import product

from rv64.memory_map import CLINT_BASE
from rv64_verify import layout
from rv64_verify.encode import Code, encode
from rv64_verify.layout import BASE
from uintr.registers import Privilege

__all__ = [
    "bits_of_pages",
    "csr_numbers",
    "csr_writes",
    "far",
    "permissions",
    "protection",
    "system",
]

X5, X6, X7, X10, X11, X12, X31 = 5, 6, 7, 10, 11, 12, 31
_BACK = 9  # where a program's own handler goes on
M, S, U = Privilege.M, Privilege.S, Privilege.U
_WORD = (1 << 64) - 1
_DATA = layout.DATA


def csr_numbers(first: int, last: int) -> Callable[[Code], None]:
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


def csr_writes(code: Code) -> None:
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
    for bit, mode in product(range(60), (8 << 60, 0)):
        code.li(X10, mode | 1 << bit)
        code("csrrw", 0, X10, imm=0x180)
        code("csrrs", X12, 0, imm=0x180)
    for number in (0xC00, 0xC01, 0xC02, 0xF11, 0xF14):
        for name in ("csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi", "csrrci"):
            code(name, X12, X10, imm=number)
            code(name, X12, 0, imm=number)


def system(code: Code) -> None:
    """Everything below SYSTEM that is no CSR access, less what leaves the program or waits."""
    left = {encode(name) for name in ("ecall", "mret", "sret", "uret", "wfi")}
    for funct12 in range(4096):
        for rd, rs1 in ((0, 0), (1, 0), (0, X10)):
            word = funct12 << 20 | rs1 << 15 | rd << 7 | 0x73
            if word not in left:
                code.word(word)


def bits_of_pages(privilege: Privilege) -> Callable[[Code], None]:
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


def far(code: Code) -> None:
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


def protection(code: Code) -> None:
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
    compare = CLINT_BASE + 0x4000  # a bound below a device, whose page has few bits
    for bit in range(10, 23):
        entries({1: 1 << bit, 2: (compare >> 2) + 0x400}, {2: mode_tor | 3})
        accesses(compare - _DATA)
    entries({4: place, 5: place + 0x400}, {5: mode_tor | 0x80, 6: mode_napot | 7})
    for number in (3, 4, 5, 6):
        entries({number: 0x1234_5678}, {5: 7})
    code.li(X7, _DATA)
    code("ld", X12, X7)
    for number in range(8):
        for rights in (0x80 | number % 4 + 4 * (number % 2), 0x1F, 0):
            entries({number: place + number}, {number: rights})


def permissions(code: Code) -> None:
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
