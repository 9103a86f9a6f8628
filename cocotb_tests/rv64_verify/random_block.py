"""Blocks of random programs, and the atoms that every privilege may run.

A block is a row of atoms: an instruction, or a few that belong together. Branches go over whole
atoms, forward; loops are atoms. So every block ends, whatever traps in between.
"""

from collections.abc import Callable
from random import Random

from rv64_verify.encode import Code, encode
from rv64_verify.handlers import KEPT
from rv64_verify.random_illegal import (
    MACHINE_CSRS,
    READ_ONLY,
    SUPERVISOR_CSRS,
    forbidden_word,
    illegal_word,
)
from uintr.registers import Csr, Privilege

__all__ = ["RECEIVERS", "WORD", "Atom", "Block", "operand"]

Atom = tuple[float, Callable[[], None]]
"""A weight, and what puts the atom there."""

M, S, U = Privilege.M, Privilege.S, Privilege.U
X5, X6, X7, S0, S1, SP, X27, X30 = 5, 6, 7, 8, 9, 2, 27, 30

_FREE = tuple(each for each in range(32) if each not in KEPT)
_SHORT = tuple(each for each in range(8, 16) if each not in KEPT)
RECEIVERS = 8
WORD = (1 << 64) - 1

_ALU = (
    *("add", "sub", "sll", "slt", "sltu", "xor", "srl", "sra", "or", "and"),
    *("addw", "subw", "sllw", "srlw", "sraw"),
)
_MULDIV = (
    *("mul", "mulh", "mulhsu", "mulhu", "div", "divu", "rem", "remu"),
    *("mulw", "divw", "divuw", "remw", "remuw"),
)
_IMMEDIATE = ("addi", "slti", "sltiu", "xori", "ori", "andi", "addiw")
_SHIFTS = {"slli": 63, "srli": 63, "srai": 63, "slliw": 31, "srliw": 31, "sraiw": 31}
_LOADS = {"lb": 1, "lbu": 1, "lh": 2, "lhu": 2, "lw": 4, "lwu": 4, "ld": 8}
_STORES = {"sb": 1, "sh": 2, "sw": 4, "sd": 8}
_BRANCHES = ("beq", "bne", "blt", "bge", "bltu", "bgeu")
_AMOS = (
    *("amoswap", "amoadd", "amoxor", "amoand", "amoor"),
    *("amomin", "amomax", "amominu", "amomaxu"),
)
_USER_CSRS = (Csr.USTATUS, Csr.UIE, Csr.USCRATCH, Csr.UEPC, Csr.UCAUSE, Csr.UTVAL, Csr.UIP)
_NEVER_WRITTEN = {0x300: 0x1800, 0x304: 0x80, 0x302: 0x200}
"""Bits that set, clear and write leave alone: MPP goes with MRET; the machine timer wakes every
WFI; a call from S is not S's."""
_NUMBERS = (0x3A2, 0xF11, 0xF12, 0xF13, 0xF14, 0xF15, 0x3BF)
_VALUES = (0, 1, -1, 1 << 63, (1 << 63) - 1, 1 << 31, (1 << 31) - 1, -(1 << 31), 0xFF, 1 << 32)


def operand(random: Random) -> int:
    """An operand: often a corner."""
    kind = random.random()
    if kind < 0.4:
        return random.choice(_VALUES) & WORD
    if kind < 0.6:
        return random.getrandbits(random.choice((4, 8, 12, 20, 32)))
    return random.getrandbits(64)


class Block:
    """One block under construction.

    Parameters
    ----------
    privilege : that it runs in
    translated : whether its addresses are virtual
    """

    def __init__(self, random: Random, code: Code, privilege: Privilege, translated: bool) -> None:
        self.random, self.code = random, code
        self.privilege, self.translated = privilege, translated
        self._begin, self._labels = code.here, 0
        atoms = self.atoms()
        self._weights = [weight for weight, _ in atoms]
        self._atoms = [atom for _, atom in atoms]

    def atoms(self) -> list[Atom]:
        """What a block of this privilege is made of, and how often."""
        return [
            (30, self.alu),
            (8, self.immediate),
            (12, self.compressed),
            (6, self.multiply),
            (22, self.load),
            (16, self.store),
            (5, self.amo),
            (2, self.reserved),
            (8, self.branch),
            (2, self.loop),
            (3, self.jump),
            (3, self.read_csr),
            (2, self.write_user_csr),
            (2, self.uipi),
            (1, self.fence),
            (1, self.illegal),
            (0.5, self.breakpoint),
            (0.15, self.call),
            (0.5, self.forbidden),
            (0.5, self.uret),
        ]

    def build(self, length: int) -> None:
        """About ``length`` atoms, and the call that ends the block."""
        targets: list[tuple[int, str]] = []
        for place in range(length):
            for _, name in [each for each in targets if each[0] <= place]:
                self.code.label(name)
            targets = [each for each in targets if each[0] > place]
            if self.random.random() < 0.06:
                name = self._name()
                self._branch_to(name)
                targets.append((place + 1 + self.random.randrange(6), name))
            else:
                self.random.choices(self._atoms, self._weights)[0]()
        for _, name in targets:
            self.code.label(name)
        self.code("ecall")

    # --- operands ---

    def _name(self) -> str:
        self._labels += 1
        return f"{self._begin:x} {self._labels}"

    def _rd(self) -> int:
        return self.random.choice(_FREE)

    def _rs(self) -> int:
        return self.random.randrange(32)

    def _pointer(self) -> int:
        return self.random.choice((S0, S0, S1, SP))

    def _offset(self, size: int) -> int:
        """From a pointer: mostly aligned, often among a few words, sometimes across a page."""
        random = self.random
        span = random.choice((32, 256, 2040))
        offset = random.randrange(-span, span)
        return offset if random.random() < 0.03 else offset // size * size

    # --- atoms of every privilege ---

    def alu(self) -> None:
        self.code(self.random.choice(_ALU), self._rd(), self._rs(), self._rs())

    def immediate(self) -> None:
        random = self.random
        kind = random.random()
        if kind < 0.5:
            imm = random.choice((0, 1, -1, 2047, -2048, random.randrange(-2048, 2048)))
            self.code(random.choice(_IMMEDIATE), self._rd(), self._rs(), imm=imm)
        elif kind < 0.75:
            name = random.choice(tuple(_SHIFTS))
            self.code(name, self._rd(), self._rs(), imm=random.randint(0, _SHIFTS[name]))
        elif kind < 0.9:
            self.code(random.choice(("lui", "auipc")), self._rd(), imm=random.getrandbits(20))
        else:
            self.code.li(self._rd(), operand(random))

    def multiply(self) -> None:
        self.code(self.random.choice(_MULDIV), self._rd(), self._rs(), self._rs())

    def compressed(self) -> None:
        random = self.random
        rd = random.choice([each for each in _FREE if each])
        short, other = random.choice(_SHORT), random.choice(_SHORT)
        signed = random.randrange(-32, 32)
        choices: list[Callable[[], None]] = [
            lambda: self.code("c.addi", rd, imm=signed),
            lambda: self.code("c.addiw", rd, imm=signed),
            lambda: self.code("c.li", rd, imm=signed),
            lambda: self.code("c.lui", rd, imm=signed or 1),
            lambda: self.code("c.addi4spn", short, imm=4 * random.randrange(1, 256)),
            lambda: self.code("c.srli", short, imm=random.randrange(64)),
            lambda: self.code("c.srai", short, imm=random.randrange(64)),
            lambda: self.code("c.andi", short, imm=signed),
            lambda: self.code(
                random.choice(("c.sub", "c.xor", "c.or", "c.and", "c.subw", "c.addw")),
                short,
                rs2=other,
            ),
            lambda: self.code("c.slli", rd, imm=random.randrange(64)),
            lambda: self.code("c.mv", rd, rs2=random.randrange(1, 32)),
            lambda: self.code("c.add", rd, rs2=random.randrange(1, 32)),
            lambda: self.code("c.nop"),
            lambda: self.code("c.lw", short, random.choice((S0, S1)), imm=4 * random.randrange(32)),
            lambda: self.code("c.ld", short, random.choice((S0, S1)), imm=8 * random.randrange(32)),
            lambda: self.code(
                "c.sw", rs1=random.choice((S0, S1)), rs2=short, imm=4 * random.randrange(32)
            ),
            lambda: self.code(
                "c.sd", rs1=random.choice((S0, S1)), rs2=short, imm=8 * random.randrange(32)
            ),
            lambda: self.code("c.lwsp", rd, imm=4 * random.randrange(64)),
            lambda: self.code("c.ldsp", rd, imm=8 * random.randrange(64)),
            lambda: self.code("c.swsp", rs2=self._rs(), imm=4 * random.randrange(64)),
            lambda: self.code("c.sdsp", rs2=self._rs(), imm=8 * random.randrange(64)),
        ]
        random.choice(choices)()

    def load(self) -> None:
        name = self.random.choice(tuple(_LOADS))
        self.code(name, self._rd(), self._pointer(), imm=self._offset(_LOADS[name]))

    def store(self) -> None:
        name = self.random.choice(tuple(_STORES))
        self.code(name, rs1=self._pointer(), rs2=self._rs(), imm=self._offset(_STORES[name]))

    def _address(self, size: int) -> int:
        """A register with an address for an atomic."""
        register = self.random.choice([each for each in _FREE if each])
        self.code("addi", register, self._pointer(), imm=self._offset(size))
        return register

    def amo(self) -> None:
        random = self.random
        size, letter = random.choice(((4, "w"), (8, "d")))
        address = self._address(size)
        name = f"{random.choice(_AMOS)}.{letter}"
        self.code(name, self._rd(), address, self._rs(), imm=random.randrange(4))

    def reserved(self) -> None:
        """LR, something, SC: most often of the same word."""
        random = self.random
        size, letter = random.choice(((4, "w"), (8, "d")))
        address = self._address(size)
        free = [each for each in _FREE if each != address]
        if random.random() < 0.9:
            self.code(f"lr.{letter}", random.choice(free), address, imm=random.randrange(4))
        for _ in range(random.randrange(3)):
            self.code(random.choice(_ALU), random.choice(free), self._rs(), self._rs())
        if random.random() < 0.1:
            self.code("sd", rs1=address, rs2=self._rs(), imm=self._offset(8))
        if random.random() < 0.1:
            self.code("addi", address, address, imm=size)
        self.code(f"sc.{letter}", self._rd(), address, self._rs(), imm=random.randrange(4))

    def _branch_to(self, name: str) -> None:
        random = self.random
        if random.random() < 0.2:
            self.code("jal", random.choice((0, 1, self._rd())), to=name)
        else:
            self.code(random.choice(_BRANCHES), rs1=self._rs(), rs2=self._rs(), to=name)

    def branch(self) -> None:
        """Over a few simple instructions."""
        name = self._name()
        random = self.random
        if random.random() < 0.3:
            if random.random() < 0.3:
                self.code("c.j", to=name)
            else:
                short = random.choice(range(8, 16))
                self.code(random.choice(("c.beqz", "c.bnez")), rs1=short, to=name)
        else:
            self._branch_to(name)
        for _ in range(random.randrange(1, 5)):
            random.choice((self.alu, self.compressed, self.load, self.store))()
        self.code.label(name)

    def loop(self) -> None:
        random = self.random
        name = self._name()
        self.code("addi", X27, 0, imm=random.randrange(2, 12))
        self.code.label(name)
        for _ in range(random.randrange(1, 8)):
            random.choice(
                (self.alu, self.compressed, self.load, self.store, self.multiply, self.branch)
            )()
        self.code("addi", X27, X27, imm=-1)
        self.code(random.choice(("bne", "blt")), rs1=0, rs2=X27, to=name)

    def jump(self) -> None:
        """By a register, to behind a word that is no instruction."""
        random = self.random
        target = random.choice([each for each in _FREE if each])
        narrow = random.random() < 0.4
        self.code("auipc", target, imm=0)
        skipped = random.choice((2, 4))
        distance = 4 + (2 if narrow else 4) + skipped
        if narrow:
            self.code("addi", target, target, imm=distance + 4)
            self.code(random.choice(("c.jr", "c.jalr")), rs1=target)
        else:
            odd = random.randrange(2)  # JALR clears bit 0
            self.code("jalr", self._rd(), target, imm=distance + odd)
        self.code.raw(bytes(skipped))

    def read_csr(self) -> None:
        csrs = [*_USER_CSRS, Csr.UTVEC, *READ_ONLY]
        if self.privilege >= S:
            csrs += [*SUPERVISOR_CSRS, 0x105, 0x140, 0x14D, 0x180]
            csrs += [Csr.SIDELEG, Csr.SUIST, Csr.SUIRS]
        if self.privilege == M:
            csrs += [*MACHINE_CSRS, *_NUMBERS, 0x305, 0x340, 0x3A0, 0x3B0]
        name, register = self.random.choice((("csrrs", 0), ("csrrsi", 0), ("csrrci", 0)))
        self.code(name, self._rd(), register, imm=self.random.choice(csrs))

    def _write(self, number: int, value: int) -> None:
        random = self.random
        kept = _NEVER_WRITTEN.get(number, 0)
        if random.random() < 0.3 and not kept:
            name = random.choice(("csrrwi", "csrrsi", "csrrci"))
            self.code(name, self._rd(), value & 31, imm=number)
            return
        self.code.li(X5, value & ~kept)
        name = random.choice(("csrrs", "csrrc") if kept else ("csrrw", "csrrs", "csrrc"))
        self.code(name, self._rd(), X5, imm=number)

    def write_user_csr(self) -> None:
        random = self.random
        number = random.choice(_USER_CSRS)
        narrow = number in (Csr.USTATUS, Csr.UIE, Csr.UIP)
        self._write(number, random.choice((0, 1, 0x11, 0x111)) if narrow else operand(random))

    def uipi(self) -> None:
        random = self.random
        name = random.choice(("send", "send", "send", "read", "write", "activate", "deactivate"))
        form = random.randrange(3)
        if name == "send":
            index = random.choice((0, 1, 2, 3, 4, 5, 6, 7, 511, 512, operand(random)))
            self.code.li(X5, index)
        elif name == "write":
            self.code.li(X5, 1 << random.randrange(64))
        rd = self._rd() if name == "read" or random.random() < 0.2 else 0
        self.code.word(encode(f"uipi.{name}", rd, X5, form=form))

    def fence(self) -> None:
        random = self.random
        if random.random() < 0.3:
            self.code("fence.i")
        else:
            self.code("fence", imm=random.choice((0xFF, 0x33, 0x31, 0x12, random.getrandbits(8))))

    def breakpoint(self) -> None:
        self.code(self.random.choice(("ebreak", "c.ebreak")))

    def call(self) -> None:
        self.code("ecall")

    def illegal(self) -> None:
        """A word that is no instruction."""
        self.code.word(illegal_word(self.random, self._rd))

    def forbidden(self) -> None:
        """What a privilege below may not; in M-mode nothing is."""
        word = forbidden_word(self.random, self.privilege, self._rd)
        if word is not None:
            self.code.word(word)

    def _return(self, csr: int, name: str) -> None:
        """To behind itself."""
        self.code("auipc", X5, imm=0)
        self.code("addi", X5, X5, imm=16)
        self.code("csrrw", 0, X5, imm=csr)
        self.code(name)

    def uret(self) -> None:
        """From above it leads into user mode, so only there it is sure to go on."""
        if self.privilege == U:
            self._return(Csr.UEPC, "uret")
