"""Directed programs for what coverage has shown that no other program does: interrupts, an external
one among them, and who takes them; locked entries of PMP; every bit of a page number; sender tables
where no memory is; stores in a row; code all over memory; user interrupts that come as they are
turned off; compressed jumps by each bit of their offsets.

Each is in machine mode when it begins; see `rv64_verify.directed_frame`.
"""

from collections.abc import Callable

from rv64.memory_map import CLINT_BASE, CONTROLLER_BASE, MTIME_OFFSET
from rv64_verify import layout
from rv64_verify.encode import Code, encode
from rv64_verify.layout import BASE, MEMORY_BYTES
from uintr.registers import CONTROL_OFFSET, ENABLE, HIGH, LOW, SENDER_ENTRY, Csr

__all__ = ["PROGRAMS"]

X5, X6, X7, X10, X11, X12 = 5, 6, 7, 10, 11, 12
_BACK = 9  # where a program's own handler goes on
_WORD = (1 << 64) - 1
_DATA = layout.DATA
_MPRV, _MPP = 1 << 17, 3 << 11


def _csr(code: Code, number: int, value: int) -> None:
    code.li(X10, value)
    code("csrrw", X12, X10, imm=number)


def _store(code: Code, address: int, value: int, name: str = "sd") -> None:
    code.li(X10, address)
    code.li(X11, value)
    code(name, rs1=X10, rs2=X11)


def _jump(code: Code, name: str, register: int) -> None:
    """An instruction that may trap; the program goes on behind it by `_BACK`."""
    code("auipc", _BACK, imm=0)
    code("addi", _BACK, _BACK, imm=12)
    code(name, 1, register)


def _own_handler(code: Code, body: Callable[[Code], None]) -> None:
    """A handler of machine mode, whose address is put into mtvec."""
    code("jal", to="begin")
    code.align(4)
    code.label("handler")
    body(code)
    code.label("begin")
    _csr(code, 0x305, code.labels["handler"])


def _goes_on(code: Code) -> None:
    """Back to machine mode, where `_BACK` says."""
    code("csrrs", X12, 0, imm=0x342)
    code("csrrs", X12, 0, imm=0x343)
    code.li(X12, _MPP)
    code("csrrs", 0, X12, imm=0x300)
    code("csrrw", 0, _BACK, imm=0x341)
    code("mret")


def _lines(code: Code) -> None:
    """Each interrupt: pending, waking, taken in machine mode, delegated to supervisor mode, and let
    by nobody."""

    def machine(code: Code) -> None:
        code("csrrs", X12, 0, imm=0x342)
        code("csrrs", X7, 0, imm=0x344)
        code("csrrw", X7, 0, imm=0x304)
        code("blt", rs1=X12, rs2=0, to="taken")
        _goes_on(code)
        code.label("taken")
        code("mret")
        code.align(4)
        code.label("supervisor")
        code("csrrs", X12, 0, imm=0x142)
        code("csrrw", X7, 0, imm=0x104)
        code("sret")

    _own_handler(code, machine)
    slot = CONTROLLER_BASE
    _csr(code, 0x105, code.labels["supervisor"])
    _store(code, CONTROLLER_BASE + CONTROL_OFFSET + ENABLE.address, ENABLE.mask())
    _store(code, slot + LOW.address, LOW.pack(active=1, supervisor=1))
    software = 0x222
    raises: dict[int, Callable[[], None]] = {
        3: lambda: _store(code, CLINT_BASE, 1, "sw"),
        **{bit: lambda bit=bit: _set(bit) for bit in (1, 5, 9)},  # type: ignore[misc]
        16: lambda: _store(code, slot, 3),
    }

    def _set(bit: int) -> None:
        code.li(X10, 1 << bit)
        code("csrrs", 0, X10, imm=0x344)

    def lower() -> None:
        _store(code, CLINT_BASE, 0, "sw")
        code.li(X10, software)
        code("csrrc", 0, X10, imm=0x344)
        code.li(X10, slot + HIGH.address)
        code("ld", X12, X10)
        for _ in range(12):
            code("addi")
        code("csrrs", X12, 0, imm=0x344)

    for number, up in raises.items():
        bit = 1 << (9 if number == 16 else number)
        for delegated in (0, software):
            for enabled in (0, 1):
                for supervisor in (0, 1):
                    code.li(X10, 0xAA)
                    code("csrrc", 0, X10, imm=0x300)
                    _csr(code, 0x303, delegated)
                    _csr(code, 0x304, bit)
                    up()
                    code("csrrs", X12, 0, imm=0x344)
                    code("wfi")
                    code.li(X10, _MPP | 0xAA)
                    code("csrrc", 0, X10, imm=0x300)
                    status = (enabled * 0xAA) | (0x800 if supervisor else _MPP)
                    code.li(X10, status)
                    code("csrrs", 0, X10, imm=0x300)
                    code("auipc", X10, imm=0)
                    code("addi", X10, X10, imm=16)
                    code("csrrw", 0, X10, imm=0x341)
                    code("mret")
                    for _ in range(4):
                        code("addi", X12, X12, imm=1)
                    _jump(code, "ecall", 0)
                    lower()
    _csr(code, 0x303, 0)
    _csr(code, 0x304, 0)
    _csr(code, 0x305, BASE + 0x800)


def _time(code: Code) -> None:
    """Mtime is written, every bit of it; nobody waits for it."""
    for value in (_WORD, 0, 0x5555_5555_5555_5555, 0xAAAA_AAAA_AAAA_AAAA, 0):
        _store(code, CLINT_BASE + MTIME_OFFSET, value)
        code("csrrs", X12, 0, imm=0xC01)


def _locked(mode: int) -> Callable[[Code], None]:
    """Every entry of PMP is locked, one after the other, and holds in machine mode; nothing of it
    can be written any more."""

    def body(code: Code) -> None:
        napot = mode == 3
        for number in range(8):
            place = (_DATA >> 2) + 0x400 * number
            _csr(code, 0x3B0 + number, place | 0x1FF if napot else place)
        # The first one has everything below when it is an upper bound.
        for number in range(8):
            rights = 1 + 2 * (number % 2) + 4 * (number % 3 == 0)
            code.li(X10, (0x80 | mode << 3 | rights) << 8 * number)
            code("csrrs", X12, X10, imm=0x3A0)
            code("csrrs", X12, 0, imm=0x3A0)
            code("sfence.vma")
            for other in range(8):
                code.li(X7, _DATA + 0x1000 * other - (0 if napot else 0x1000 * (number > 0)))
                code("ld", X12, X7)
                if other or napot:
                    code.li(X7, _DATA + 0x1000 * other)
                    code("sd", rs1=X7, rs2=X12)
            for other in range(max(number - 1, 0), min(number + 2, 8)):
                new = 0x1234_5678 if other < number else (_DATA >> 2) + 0x400 * other
                _csr(code, 0x3B0 + other, new)
                code("csrrs", X12, 0, imm=0x3B0 + other)
            if napot:
                _csr(code, 0x3B0 + min(number + 1, 7), (_DATA >> 2) + 0x400 * (number + 1) | 0x1FF)

    return body


def _as_supervisor(code: Code, virtual: int) -> None:
    """A load and a store there."""
    code.li(X7, virtual)
    code.li(X6, _MPP)
    code("csrrc", 0, X6, imm=0x300)
    code.li(X6, _MPRV | 1 << 11)
    code("csrrs", 0, X6, imm=0x300)
    code("ld", X12, X7)
    code("sd", rs1=X7, rs2=X7)
    code.li(X6, _MPRV)
    code("csrrc", 0, X6, imm=0x300)


def _page_numbers(code: Code) -> None:
    """Every bit of the root, and every bit of an entry at each level, above the flags."""
    for bits in (*(1 << bit for bit in range(44)), (1 << 44) - 1, 0):
        _csr(code, 0x180, 8 << 60 | bits)
        _as_supervisor(code, layout.VIRTUAL_DATA)
    _csr(code, 0x180, 8 << 60 | layout.ROOT >> 12)
    usual = 0b1100_0111
    _store(code, layout.ROOT + 8, layout.MIDDLE >> 12 << 10 | 1)
    _store(code, layout.MIDDLE + 8, layout.DATA_TABLE >> 12 << 10 | 1)
    places = (
        (layout.ROOT + 8 * 7, BASE >> 12, usual, 7 << 30),
        (layout.ROOT + 8 * 7, layout.MIDDLE >> 12, 1, 7 << 30),
        (layout.MIDDLE + 8 * 6, layout.LARGE >> 12, usual, 1 << 30 | 6 << 21),
        (layout.MIDDLE + 8 * 6, layout.DATA_TABLE >> 12, 1, 1 << 30 | 6 << 21),
        (layout.DATA_TABLE + 8 * 7, _DATA >> 12, usual, 1 << 30 | 1 << 21 | 7 << 12),
    )
    for place, frame, flags, virtual in places:
        for bit in range(10, 64):
            _store(code, place, (frame << 10 | flags) ^ 1 << bit)
            code("sfence.vma")
            _as_supervisor(code, virtual + 0x38)
    _csr(code, 0x180, 0)


def _tables(code: Code) -> None:
    """Sender tables at every bit of their address, most of them where no memory is."""
    code.li(X7, 1)
    frames = [*(BASE >> 12 ^ 1 << bit for bit in range(44)), (BASE + MEMORY_BYTES) >> 12]
    for frame in (*frames, layout.SENDERS >> 12):
        _csr(code, Csr.SUIST, 1 << 63 | 1 << 44 | frame)
        code("uipi.send", X12, X7)


def _all_over(code: Code) -> None:
    """Stores in a row, reservations and code at each bit of an address of main memory; jumps to
    each bit of any address."""
    code.li(X7, _DATA)
    for place in range(40):
        code("sd", rs1=X7, rs2=X7, imm=8 * place)
    code("ld", X12, X7, imm=312)
    _own_handler(code, _goes_on)
    places = [BASE + (1 << bit) for bit in range(18, MEMORY_BYTES.bit_length() - 1)]
    for place in (*places, BASE + MEMORY_BYTES - 0x1000):
        for word in (encode("jalr", rs1=1), encode("addi")):
            _store(code, place, word, "sw")
        code("lr.d", X12, X10)
        code("sc.d", X12, X10, X11)
        code("sw", rs1=X10, rs2=X11)
        _store(code, place, encode("jalr", rs1=1), "sw")
        code("fence.i")
        code.li(X10, place)
        code("jalr", 1, X10)
    ones = [1 << bit for bit in range(12, 64) if 1 << bit != BASE]
    for address in (*ones, *(_WORD ^ each ^ 0xFFF for each in ones), 0x5555 << 47, 0xAAAA << 47):
        code.li(X10, address)
        _jump(code, "jalr", X10)
    _csr(code, 0x305, BASE + 0x800)


def _denied(code: Code) -> None:
    """In user mode, a post that comes while it is being turned off, at every distance."""
    _own_handler(code, _goes_on)
    code("jal", to="enter")
    code.align(4)
    code.label("user")
    code("uipi.read", X12)
    code("csrrci", 0, 1, imm=Csr.UIP)
    code("uret")
    code.label("enter")
    _csr(code, 0x303, 1)
    for number, value in ((Csr.SIDELEG, 1), (Csr.UTVEC, code.labels["user"])):
        _csr(code, number, value)
    _csr(code, Csr.SUIRS, 1 << 63)
    _csr(code, Csr.SUIST, 1 << 63 | 1 << 44 | layout.SENDERS >> 12)
    _store(code, layout.SENDERS, SENDER_ENTRY.pack(valid=1, vector=5))
    _store(code, CONTROLLER_BASE + LOW.address, LOW.pack(active=1))
    code.li(X10, _MPP)
    code("csrrc", 0, X10, imm=0x300)
    code("auipc", X10, imm=0)
    code("addi", X10, X10, imm=16)
    code("csrrw", 0, X10, imm=0x341)
    code("mret")
    for off in (Csr.UIE, Csr.USTATUS, Csr.UIP, None):
        for raises in ("uipi.send", "uipi.write", "csrrsi", None):
            for distance in range(10):
                code("csrrsi", 0, 1, imm=Csr.UIE)
                code("csrrsi", 0, 1, imm=Csr.USTATUS)
                code.li(X5, 0 if raises == "uipi.send" else 2)
                if raises == "csrrsi":
                    code(raises, 0, 1, imm=Csr.UIP)
                elif raises is not None:
                    code(raises, 0, X5)
                else:
                    code("csrrci", 0, 1, imm=Csr.USTATUS)
                    code("uipi.write", 0, X5)
                    code("csrrsi", 0, 1, imm=Csr.USTATUS)
                for _ in range(distance):
                    code("addi", X12, X12, imm=1)
                if off is None:
                    code("uipi.read", X12)
                else:
                    code("csrrci", 0, 1, imm=off)
                code("addi", X12, X12, imm=1)
                code("csrrci", 0, 1, imm=Csr.UIP)
                code("uipi.read", X12)
    code.li(X10, 0)
    _jump(code, "ecall", 0)
    _csr(code, 0x303, 0)
    _csr(code, 0x305, BASE + 0x800)


def _short_jumps(code: Code) -> None:
    """Compressed jumps and branches by each bit of their offsets, forward and backward."""
    code.li(8, 0)
    code.li(X11, 1)
    for name, rs1, bits in (("c.j", 0, 12), ("c.beqz", 8, 9), ("c.bnez", X11, 9)):
        for offset in (4, *(1 << bit for bit in range(3, bits - 1)), (1 << bits - 1) - 2):
            there = f"{name} {offset}"
            code(name, rs1=rs1, to=there)
            code.raw(bytes(offset - 2))
            code.label(there)
        for offset in (6, *(1 << bit for bit in range(3, bits))):
            there = f"{name} {-offset}"
            code("jal", to=f"from {there}")
            code.label(there)
            code("jal", to=f"behind {there}")
            code.raw(bytes(offset - 4))
            code.label(f"from {there}")
            code(name, rs1=rs1, to=there)
            code.label(f"behind {there}")


PROGRAMS = {
    "interrupt lines": _lines,
    "time written": _time,
    "locked ranges": _locked(1),
    "locked pages": _locked(3),
    "page numbers": _page_numbers,
    "sender tables": _tables,
    "all over memory": _all_over,
    "interrupts that are gone": _denied,
    "short jumps": _short_jumps,
}
"""By name: what is in it."""
