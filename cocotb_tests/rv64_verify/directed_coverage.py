"""Directed programs for what coverage has shown that no other program does: interrupts, an external
one among them, and who takes them; locked entries of PMP; sender tables where no memory is; stores
in a row; code all over memory; user interrupts that come as they are turned off; compressed jumps
by each bit of their offsets.

Each is in machine mode when it begins; see `rv64_verify.directed_frame`.
"""

from collections.abc import Callable

from rv64.memory_map import CLINT_BASE, CONTROLLER_BASE, MTIME_OFFSET
from rv64_verify import layout
from rv64_verify.directed_frame import (
    BACK,
    SLOW,
    Directed,
    csr,
    goes_on,
    lowered,
    own_handler,
    store,
    usual_handler,
)
from rv64_verify.encode import Code, encode
from rv64_verify.layout import BASE, MEMORY_BYTES
from uintr.registers import CONTROL_OFFSET, ENABLE, HIGH, LOW, SENDER_ENTRY, Csr, Privilege

__all__ = ["PROGRAMS"]

X5, X6, X7, X10, X11, X12 = 5, 6, 7, 10, 11, 12
_WORD = (1 << 64) - 1
_DATA = layout.DATA


def _jump(code: Code, name: str, register: int) -> None:
    """An instruction that may trap; the program goes on behind it by `BACK`."""
    code("auipc", BACK, imm=0)
    code("addi", BACK, BACK, imm=12)
    code(name, 1, register)


def _lines(code: Code) -> None:
    """Each interrupt: pending, waking, taken in machine mode, delegated to supervisor mode, and let
    by nobody."""

    def machine(code: Code) -> None:
        code("csrrs", X12, 0, imm=0x342)
        code("csrrs", X7, 0, imm=0x344)
        code("csrrw", X7, 0, imm=0x304)
        code("blt", rs1=X12, rs2=0, to="taken")
        goes_on(code)
        code.label("taken")
        code("mret")
        code.align(4)
        code.label("supervisor")
        code("csrrs", X12, 0, imm=0x142)
        code("csrrw", X7, 0, imm=0x104)
        code("sret")

    own_handler(code, machine)
    slot = CONTROLLER_BASE
    csr(code, 0x105, code.labels["supervisor"])
    store(code, CONTROLLER_BASE + CONTROL_OFFSET + ENABLE.address, ENABLE.mask())
    store(code, slot + LOW.address, LOW.pack(active=1, supervisor=1))
    software = 0x222

    def up(number: int) -> None:
        if number == 3:
            store(code, CLINT_BASE, 1, "sw")
        elif number == 16:
            store(code, slot, 3)
        else:
            code.li(X10, 1 << number)
            code("csrrs", 0, X10, imm=0x344)

    def lower() -> None:
        store(code, CLINT_BASE, 0, "sw")
        code.li(X10, software)
        code("csrrc", 0, X10, imm=0x344)
        code.li(X10, slot + HIGH.address)
        code("ld", X12, X10)
        for _ in range(12):
            code("addi")
        code("csrrs", X12, 0, imm=0x344)

    for number in (3, 1, 5, 9, 16):
        bit = 1 << (9 if number == 16 else number)
        for delegated in (0, software):
            for enabled in (0, 1):
                for supervisor in (0, 1):
                    code.li(X10, 0xAA)
                    code("csrrc", 0, X10, imm=0x300)
                    csr(code, 0x303, delegated)
                    csr(code, 0x304, bit)
                    up(number)
                    code("csrrs", X12, 0, imm=0x344)
                    code("wfi")
                    code.li(X10, enabled * 0xAA)
                    code("csrrs", 0, X10, imm=0x300)
                    lowered(code, Privilege.S if supervisor else Privilege.M)
                    for _ in range(4):
                        code("addi", X12, X12, imm=1)
                    _jump(code, "ecall", 0)
                    lower()
    csr(code, 0x303, 0)
    csr(code, 0x304, 0)
    usual_handler(code)


def _time(code: Code) -> None:
    """Mtime is written, every bit of it; nobody waits for it."""
    for value in (_WORD, 0, 0x5555_5555_5555_5555, 0xAAAA_AAAA_AAAA_AAAA, 0):
        store(code, CLINT_BASE + MTIME_OFFSET, value)
        code("csrrs", X12, 0, imm=0xC01)


def _locked(mode: int) -> Callable[[Code], None]:
    """Every entry of PMP is locked, one after the other, and holds in machine mode; nothing of it
    can be written any more."""

    def body(code: Code) -> None:
        napot = mode == 3
        for number in range(8):
            place = (_DATA >> 2) + 0x400 * number
            csr(code, 0x3B0 + number, place | 0x1FF if napot else place)
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
                csr(code, 0x3B0 + other, new)
                code("csrrs", X12, 0, imm=0x3B0 + other)
            if napot:
                csr(code, 0x3B0 + min(number + 1, 7), (_DATA >> 2) + 0x400 * (number + 1) | 0x1FF)

    return body


def _tables(code: Code) -> None:
    """Sender tables at every bit of their address, most of them where no memory is."""
    code.li(X7, 1)
    frames = [*(BASE >> 12 ^ 1 << bit for bit in range(44)), (BASE + MEMORY_BYTES) >> 12]
    for frame in (*frames, layout.SENDERS >> 12):
        csr(code, Csr.SUIST, 1 << 63 | 1 << 44 | frame)
        code("uipi.send", X12, X7)


def _all_over(code: Code) -> None:
    """Stores in a row, reservations and code at each bit of an address of main memory; jumps to
    each bit of any address."""
    code.li(X7, _DATA)
    for place in range(40):
        code("sd", rs1=X7, rs2=X7, imm=8 * place)
    code("ld", X12, X7, imm=312)
    own_handler(code)
    places = [BASE + (1 << bit) for bit in range(18, MEMORY_BYTES.bit_length() - 1)]
    for place in (*places, BASE + MEMORY_BYTES - 0x1000):
        for word in (encode("jalr", rs1=1), encode("addi")):
            store(code, place, word, "sw")
        code("lr.d", X12, X10)
        code("sc.d", X12, X10, X11)
        code("sw", rs1=X10, rs2=X11)
        store(code, place, encode("jalr", rs1=1), "sw")
        code("fence.i")
        code.li(X10, place)
        code("jalr", 1, X10)
    ones = [1 << bit for bit in range(12, 64) if 1 << bit != BASE]
    for address in (*ones, *(_WORD ^ each ^ 0xFFF for each in ones), 0x5555 << 47, 0xAAAA << 47):
        code.li(X10, address)
        _jump(code, "jalr", X10)
    usual_handler(code)


def _denied(code: Code) -> None:
    """In user mode, a post that comes while it is being turned off, at every distance."""
    own_handler(code)
    code("jal", to="enter")
    code.align(4)
    code.label("user")
    code("uipi.read", X12)
    code("csrrci", 0, 1, imm=Csr.UIP)
    code("uret")
    code.label("enter")
    csr(code, 0x303, 1)
    for number, value in ((Csr.SIDELEG, 1), (Csr.UTVEC, code.labels["user"])):
        csr(code, number, value)
    csr(code, Csr.SUIRS, 1 << 63)
    csr(code, Csr.SUIST, 1 << 63 | 1 << 44 | layout.SENDERS >> 12)
    store(code, layout.SENDERS, SENDER_ENTRY.pack(valid=1, vector=5))
    store(code, CONTROLLER_BASE + LOW.address, LOW.pack(active=1))
    lowered(code, Privilege.U)
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
    csr(code, 0x303, 0)
    usual_handler(code)


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


_BODIES: dict[str, Callable[[Code], None]] = {
    "interrupt lines": _lines,
    "time written": _time,
    "locked ranges": _locked(1),
    "locked pages": _locked(3),
    "sender tables": _tables,
    "all over memory": _all_over,
    "interrupts that are gone": _denied,
    "short jumps": _short_jumps,
}
PROGRAMS = {name: Directed(body, shape=SLOW) for name, body in _BODIES.items()}
"""By name."""
