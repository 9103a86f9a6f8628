"""The software below a random program: dispatcher, and handlers of all three privileges.

A handler must let the program go on whatever has happened, and a run must end: machine mode counts
its traps down, supervisor mode turns its interrupts off when it has had enough, and so does user
mode.
"""

from rv64.memory_map import CLINT_BASE, MTIME_OFFSET, MTIMECMP_OFFSET
from rv64_verify import layout
from rv64_verify.encode import Code
from uintr.registers import Csr

__all__ = ["DESCRIPTOR", "KEPT", "UNRESET", "machine_code", "supervisor_code", "user_handler"]

X5, X6, X7, X29, X30, X31 = 5, 6, 7, 29, 30, 31
SP, S0, S1 = 2, 8, 9
KEPT = (SP, S0, S1, 27, X29, X30)
"""Registers that random instructions do not write: pointers to data, a loop's counter, the user
handler's patience and its scratch register."""

MSTATUS, MEDELEG, MIDELEG, MIE, MTVEC, MCOUNTEREN = 0x300, 0x302, 0x303, 0x304, 0x305, 0x306
MENVCFG, MSCRATCH, MEPC, MCAUSE, MIP = 0x30A, 0x340, 0x341, 0x342, 0x344
SSTATUS, SIE, STVEC, SCOUNTEREN, SSCRATCH, SEPC, SCAUSE = (
    0x100,
    0x104,
    0x105,
    0x106,
    0x140,
    0x141,
    0x142,
)
SIP, STIMECMP, SATP, TIME = 0x144, 0x14D, 0x180, 0xC01

DESCRIPTOR: tuple[int | str, ...] = (
    *(MEPC, MSTATUS, SATP, MIE, MIDELEG, MEDELEG, MENVCFG, MCOUNTEREN, SCOUNTEREN, MTVEC, STVEC),
    *(Csr.SIDELEG, Csr.UIE, Csr.UTVEC, Csr.SUIST, Csr.SUIRS, Csr.USCRATCH, "timer", "stimer"),
    *(SP, S0, S1),
)
"""What a descriptor has, in this order: CSRs, both timers' delays, registers (of numbers below 32
that are not CSRs: the last three)."""

UNRESET = (
    *range(0x3B1, 0x3B8),
    *(0x105, SSCRATCH, SEPC, SCAUSE, 0x143, STIMECMP, MTVEC, MEPC, MCAUSE, 0x343),
)
"""CSRs that a reset may leave as they are: a program writes them first."""

_MTRAPS, _STRAPS, _NEXT = 0x800, 0x808, 0x810  # in the page of what is saved
_SUPERVISOR_SAVED = 0x400
_MTIME, _MTIMECMP = CLINT_BASE + MTIME_OFFSET, CLINT_BASE + MTIMECMP_OFFSET


def machine_code(code: Code, *, traps: int, registers: list[int]) -> None:
    """From reset on: registers get their first values, then the dispatcher, and the trap handler at
    the label ``machine``."""
    code.li(X5, layout.SAVED)
    code("csrrw", 0, X5, imm=MSCRATCH)
    code.li(X6, traps)
    _store(code, X6, _MTRAPS)
    code.li(X6, layout.DESCRIPTORS)
    _store(code, X6, _NEXT)
    for number in UNRESET:
        code("csrrwi", 0, 0, imm=number)
    for number, value in enumerate(registers):
        if number:
            code.li(number, value)
    _dispatcher(code)
    _machine_handler(code)


def _store(code: Code, register: int, place: int) -> None:
    code.li(X31, layout.SAVED + place)
    code("sd", rs1=X31, rs2=register)


def _dispatcher(code: Code) -> None:
    code.label("dispatch")
    code.li(X31, layout.SAVED)
    code("csrrw", 0, X31, imm=MSCRATCH)
    code("addi", X31, X31, imm=_SUPERVISOR_SAVED)
    code("csrrw", 0, X31, imm=SSCRATCH)
    code.li(X31, layout.SAVED + _NEXT)
    code("ld", X30, X31)
    code("ld", X5, X30)
    code("beq", rs1=X5, to="exit")
    code("addi", X6, X30, imm=8 * len(DESCRIPTOR))
    code("sd", rs1=X31, rs2=X6)
    code.li(X6, 50)
    code.li(X31, layout.SAVED + _STRAPS)
    code("sd", rs1=X31, rs2=X6)
    for place, what in enumerate(DESCRIPTOR):
        if what == "timer":
            code("ld", X5, X30, imm=8 * place)
            _set_timer(code)
        elif what == "stimer":
            code("ld", X5, X30, imm=8 * place)
            code("csrrs", X6, 0, imm=TIME)
            code("add", X5, X5, X6)
            code("csrrw", 0, X5, imm=STIMECMP)
        elif place >= len(DESCRIPTOR) - 3:
            code("ld", int(what), X30, imm=8 * place)
        else:
            code("ld", X5, X30, imm=8 * place)
            code("csrrw", 0, X5, imm=int(what))
    code("sfence.vma")
    code("addi", X29, 0, imm=20)
    code("mret")

    code.label("exit")
    code.li(X5, layout.TOHOST)
    code("addi", X6, 0, imm=1)
    code("sd", rs1=X5, rs2=X6)
    code.label("ended")
    code("jal", to="ended")


def _set_timer(code: Code) -> None:
    """Mtimecmp := mtime + x5; x6 and x7 are lost."""
    code.li(X6, _MTIME)
    code("ld", X7, X6)
    code("add", X5, X5, X7)
    code.li(X6, _MTIMECMP)
    code("sd", rs1=X6, rs2=X5)


def _delay(code: Code, counter: int) -> None:
    """x5 := some delay, another one each time, from the counter in a register."""
    code("slli", X5, counter, imm=5)
    code("xor", X5, X5, counter)
    code("andi", X5, X5, imm=0x3FF)
    code("slli", X5, X5, imm=2)
    code("addi", X5, X5, imm=300)


def _machine_handler(code: Code) -> None:
    code.align(4)
    code.label("machine")
    code("csrrw", X31, X31, imm=MSCRATCH)
    for place, register in enumerate((X5, X6, X7)):
        code("sd", rs1=X31, rs2=register, imm=8 * place)
    code.li(X6, _MTRAPS)
    code("add", X6, X6, X31)
    code("ld", X7, X6)
    code("addi", X7, X7, imm=-1)
    code("sd", rs1=X6, rs2=X7)
    code("bge", rs1=0, rs2=X7, to="exit")
    code("csrrs", X5, 0, imm=MCAUSE)
    code("blt", rs1=X5, rs2=0, to="interrupt")

    # Calls and what cannot be fetched end this piece of program.
    for cause in (8, 9, 11, 1, 12):
        code("addi", X6, 0, imm=cause)
        code("beq", rs1=X5, rs2=X6, to="dispatch")
    # Anything else is passed over: read the instruction as its privilege sees it.
    code.li(X6, 1 << 17 | 1 << 19)
    code("csrrs", X7, X6, imm=MSTATUS)
    code("csrrs", X5, 0, imm=MEPC)
    code("lhu", X6, X5)
    code("csrrw", 0, X7, imm=MSTATUS)
    _pass_over(code, MEPC)
    code("jal", to="back")

    code.label("interrupt")
    code("andi", X5, X5, imm=15)
    for number, label in ((7, "mti"), (3, "msi"), (1, "ssi"), (5, "sti")):
        code("addi", X6, 0, imm=number)
        code("beq", rs1=X5, rs2=X6, to=label)
    code.li(X6, 0x200)  # an external one: its line may stay
    code("csrrc", 0, X6, imm=MIE)
    code("jal", to="back")
    code.label("mti")
    _delay(code, X7)
    _set_timer(code)
    code("jal", to="back")
    code.label("msi")
    code.li(X6, CLINT_BASE)
    code("sw", rs1=X6, rs2=0)
    code("jal", to="back")
    code.label("ssi")
    code("csrrci", 0, 2, imm=MIP)
    code("jal", to="back")
    code.label("sti")
    _delay(code, X7)
    code("csrrs", X6, 0, imm=TIME)
    code("add", X5, X5, X6)
    code("csrrw", 0, X5, imm=STIMECMP)
    code.li(X6, 1 << 5)
    code("csrrc", 0, X6, imm=MIP)

    code.label("back")
    _restore(code, MSCRATCH)
    code("mret")
    _vector(code, "machine")


def _vector(code: Code, to: str) -> None:
    """A vector of sixteen that all go to one place."""
    code.align(64)
    code.label(f"{to} vector")
    for _ in range(16):
        code("jal", to=to)


def _pass_over(code: Code, epc: int) -> None:
    """x5 is the pc and x6 the first half of the instruction there."""
    code("andi", X6, X6, imm=3)
    code("addi", X6, X6, imm=-3)
    code("sltiu", X6, X6, imm=1)
    code("slli", X6, X6, imm=1)
    code("addi", X6, X6, imm=2)
    code("add", X5, X5, X6)
    code("csrrw", 0, X5, imm=epc)


def _restore(code: Code, scratch: int) -> None:
    for place, register in enumerate((X5, X6, X7)):
        code("ld", register, X31, imm=8 * place)
    code("csrrw", X31, X31, imm=scratch)


def supervisor_code(code: Code) -> None:
    """The handler of supervisor mode, at the label ``supervisor``; it runs where physical and
    virtual addresses are the same."""
    _vector(code, "supervisor")
    code.label("supervisor")
    code("csrrw", X31, X31, imm=SSCRATCH)
    for place, register in enumerate((X5, X6, X7)):
        code("sd", rs1=X31, rs2=register, imm=8 * place)
    place = _STRAPS - _SUPERVISOR_SAVED
    code("ld", X7, X31, imm=place)
    code("addi", X7, X7, imm=-1)
    code("sd", rs1=X31, rs2=X7, imm=place)
    code("blt", rs1=0, rs2=X7, to="s patient")
    code("csrrw", 0, 0, imm=SIE)
    code("addi", X6, X7, imm=60)
    code("blt", rs1=X6, rs2=0, to="s call")
    code.label("s patient")
    code("csrrs", X5, 0, imm=SCAUSE)
    code("blt", rs1=X5, rs2=0, to="s interrupt")
    for cause in (8, 1, 12):
        code("addi", X6, 0, imm=cause)
        code("beq", rs1=X5, rs2=X6, to="s call")
    code.li(X6, 1 << 18 | 1 << 19)
    code("csrrs", X7, X6, imm=SSTATUS)
    code("csrrs", X5, 0, imm=SEPC)
    code("lhu", X6, X5)
    code("csrrw", 0, X7, imm=SSTATUS)
    _pass_over(code, SEPC)
    code("jal", to="s back")

    code.label("s call")  # on to machine mode
    _restore(code, SSCRATCH)
    code("ecall")

    code.label("s interrupt")
    code("andi", X5, X5, imm=15)
    for number, label in ((1, "s ssi"), (5, "s sti")):
        code("addi", X6, 0, imm=number)
        code("beq", rs1=X5, rs2=X6, to=label)
    code.li(X6, 0x200)
    code("csrrc", 0, X6, imm=SIE)
    code("jal", to="s back")
    code.label("s ssi")
    code("csrrci", 0, 2, imm=SIP)
    code("jal", to="s back")
    code.label("s sti")
    _delay(code, X7)
    code("csrrs", X6, 0, imm=TIME)
    code("add", X5, X5, X6)
    code("csrrw", 0, X5, imm=STIMECMP)
    code.label("s back")
    _restore(code, SSCRATCH)
    code("sret")


def user_handler(code: Code) -> None:
    """Takes what is pending; after a while it turns user interrupts off."""
    code("uipi.read", X30)
    code("csrrs", X30, 0, imm=Csr.UEPC)
    code("addi", X29, X29, imm=-1)
    code("blt", rs1=0, rs2=X29, to="u patient")
    code("csrrci", 0, 1, imm=Csr.UIE)
    code.label("u patient")
    code("uret")
