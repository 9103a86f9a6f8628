"""Directed programs in address spaces: code at addresses of every kind, pages that cannot be
fetched from, and every bit of a page's number.

`rv64_verify.directed` has them beside the others.
"""

from rv64.memory_map import CLINT_BASE
from rv64_verify import layout
from rv64_verify.directed_frame import MPP, MPRV, csr, lowered, own_handler, store, usual_handler
from rv64_verify.encode import Code, encode, instruction_bytes
from rv64_verify.layout import BASE, A, D, G, R, U, V, W, X
from uintr.registers import Privilege

__all__ = ["code_anywhere", "jumps_beside_walks", "numbers_of_pages", "unfetchable"]

X1, X6, X7, X8, X10, X11, X12 = 1, 6, 7, 8, 10, 11, 12
_S, _U = Privilege.S, Privilege.U
_ROOT, _MIDDLE, _LOW = layout.ROOT, layout.MIDDLE, layout.DATA_TABLE
_ALL = V | R | W | X | A | D
_SIGN = 1 << 38
_PAGE = 0x1000


def _signed(virtual: int) -> int:
    """An address of Sv39 with its sign in all the bits above."""
    return ((virtual & 2 * _SIGN - 1 ^ _SIGN) - _SIGN) & (1 << 64) - 1


def _leaf(code: Code, table: int, index: int, physical: int, flags: int) -> None:
    store(code, table + 8 * index, physical >> 12 << 10 | flags)


def _begin(code: Code) -> None:
    """A handler that goes on; and an address space."""
    own_handler(code)
    csr(code, 0x180, 8 << 60 | _ROOT >> 12)


def code_anywhere(code: Code) -> None:
    """Branches that go wrong, jumps and links at addresses with every bit set and clear."""
    _begin(code)
    code("jal", to="tables")
    code.align(8)
    start = code.here
    for at_half in (0, 1):  # of a word of four bytes
        code.raw(instruction_bytes(encode("c.nop")) * at_half)
        code.li(X7, 3)
        again = code.here
        code("addi", X7, X7, imm=-1)
        code("bne", rs1=X7, imm=again - code.here)  # back, and at last on
        code("beq", imm=8)
        code("addi", X12, X12, imm=1)
        code("jal", X1, imm=8)
        code("addi", X12, X12, imm=1)
        code("auipc", X8, imm=0)
        code("addi", X8, X8, imm=14)
        code("c.jalr", rs1=X8)
        code("addi", X12, X12, imm=1)
        code("jalr", X1, X8, imm=6)
        code("c.nop")
        code("lb", X12, X8)
    code("ecall")
    code.label("tables")
    places = [(511, 511), (0x155, 0x0AA), (0x0AA, 0x155), (0x100, 0), (0x0FF, 0x1FF), (3, 0x40)]
    for privilege in (_S, _U):
        for upper, lower in places:
            _leaf(code, _ROOT, upper, _MIDDLE, V)
            _leaf(code, _MIDDLE, lower, BASE, _ALL | (U if privilege == _U else 0))
            code("sfence.vma")
            lowered(code, privilege, _signed(upper << 30 | lower << 21) + start - BASE)
    usual_handler(code)


def unfetchable(code: Code) -> None:
    """Jumps to pages that cannot be fetched from, each for another reason. What can be fetched is
    the beginning of main memory, whose instructions are not for these privileges."""
    _begin(code)
    beyond = 1 << 33
    for privilege in (_S, _U):
        user = U if privilege == _U else 0
        flags = [(_ALL | user) ^ other for other in (0, V, X, A, D, U, G, R, R | W, 1 << 54)]
        flags += [V | X | A | user, V | W | X | A | user]
        pages = [(BASE, each) for each in flags]
        pages += [(CLINT_BASE, _ALL | user), (beyond, _ALL | user)]
        _leaf(code, _ROOT, 5, _MIDDLE, V)
        _leaf(code, _MIDDLE, 1, _LOW, V)
        for number, (physical, each) in enumerate(pages):
            _leaf(code, _LOW, 2 * number + 1, physical, each)
        _leaf(code, _ROOT, 6, beyond, V)
        _leaf(code, _ROOT, 7, BASE + _PAGE, _ALL | user)
        code("sfence.vma")
        large = (5 << 30) + (1 << 21)
        places = [6 << 30, 7 << 30, 8 << 30, 1 << 38, 1 << 62, large + (1 << 21)]
        places += [large + _PAGE * (2 * each + 1) for each in range(len(pages))]
        for place in places:
            lowered(code, privilege, place)
    usual_handler(code)


def jumps_beside_walks(code: Code) -> None:
    """Jumps from the end of a page, in every cycle in which the page behind it, which is not there,
    may be looked for: how long that takes is a matter of how many entries the PMP has."""
    _begin(code)
    page, last = layout.DATA + 0x3000, 511
    _leaf(code, _ROOT, 5, _MIDDLE, V)
    _leaf(code, _MIDDLE, last, _LOW, V)
    _leaf(code, _LOW, last, page, _ALL)
    virtual = (5 << 30) + (last << 21) + (last << 12)
    store(code, page, encode("ecall"))
    code.li(X8, virtual)
    for slow in ([], ["mul"], ["mul"] * 2, ["mul"] * 3, ["divw"]):
        for nops in range(7 - 2 * len(slow)):
            words = [encode(name, X12, X12, X12) for name in slow]
            words += [encode("c.nop")] * nops + [encode("c.jr", rs1=X8)]
            text = b"".join(map(instruction_bytes, words))
            padded = text.rjust(16, b"\0")
            for place in (0, 8):
                half = int.from_bytes(padded[place : place + 8], "little")
                store(code, page + _PAGE - 16 + place, half)
            code("fence.i")
            for entry in range(8):
                csr(code, 0x3B0 + entry, (1 << 64) - 1)
                csr(code, 0x3A0, (3 << 3 | 7) << 8 * entry)
                lowered(code, _S, virtual + _PAGE - len(text))
    usual_handler(code)


def numbers_of_pages(code: Code) -> None:
    """Every bit of an entry above its flags turned round: of a page of each size, of each table;
    and of the root, in a load and a store. Then pages that may only be executed, in every place of
    a lookaside buffer."""

    def access(virtual: int, *, stores: bool = True, status: int = 0) -> None:
        code.li(X7, virtual)
        code.li(X6, MPP | 1 << 19)
        code("csrrc", 0, X6, imm=0x300)
        code.li(X6, MPRV | _S << 11 | status)
        code("csrrs", 0, X6, imm=0x300)
        code("ld", X12, X7)
        if stores:
            code("sd", rs1=X7, rs2=X7)
        code.li(X6, MPRV)
        code("csrrc", 0, X6, imm=0x300)

    root = 8 << 60 | _ROOT >> 12
    csr(code, 0x180, root)
    _leaf(code, _ROOT, 5, _MIDDLE, V)
    _leaf(code, _MIDDLE, 1, _LOW, V)
    _leaf(code, _LOW, 2, layout.DATA, _ALL)
    small = (5 << 30) + (1 << 21) + (2 << 12)
    entries = (
        *((_LOW, 2, layout.DATA, _ALL, small), (_MIDDLE, 3, layout.LARGE, _ALL, 5 << 30 | 3 << 21)),
        *((_ROOT, 6, BASE, _ALL, 6 << 30), (_MIDDLE, 1, _LOW, V, small)),
        (_ROOT, 5, _MIDDLE, V, small),
    )
    for table, index, physical, flags, virtual in entries:
        entry = physical >> 12 << 10 | flags
        for bit in range(10, 64):
            store(code, table + 8 * index, entry ^ 1 << bit)
            code("sfence.vma")
            access(virtual + 0x38)
        store(code, table + 8 * index, entry)
    for bits in (*(1 << bit for bit in range(44)), (1 << 44) - 1):
        csr(code, 0x180, root ^ bits)
        code("sfence.vma")
        access(small)
    csr(code, 0x180, root)
    code("sfence.vma")
    for index in range(9):
        _leaf(code, _MIDDLE, index << 5 | 7, layout.LARGE, V | X | A | D)
    for status in (1 << 19, 0):
        for index in (*range(9), *range(9)):
            access((5 << 30) + ((index << 5 | 7) << 21), stores=False, status=status)
