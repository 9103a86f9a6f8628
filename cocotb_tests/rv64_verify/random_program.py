"""Random programs for lock-step: all privileges, paging, traps, interrupts at random points, user
interrupts, compressed instructions, atomics, fences, code that changes itself and its page tables.

A program is a handful of blocks, run one after the other by the dispatcher (`handlers`), each with
its own privilege, address space, delegation, timers and user-interrupt state. A block is a row of
atoms: an instruction, or a few that belong together. Branches go over whole atoms, forward; loops
are atoms. So every program ends, whatever traps in between.
"""

from collections.abc import Callable
from random import Random

from rv64.memory_map import CLINT_BASE, CONTROLLER_BASE, MTIME_OFFSET, MTIMECMP_OFFSET, SSWI_BASE
from rv64_verify import layout
from rv64_verify.encode import Code, encode
from rv64_verify.handlers import (
    DESCRIPTOR,
    KEPT,
    machine_code,
    supervisor_code,
    user_handler,
)
from rv64_verify.layout import BASE, MEMORY_BYTES
from uintr.registers import SENDER_ENTRY, Csr, Privilege

__all__ = ["random_program"]

M, S, U = Privilege.M, Privilege.S, Privilege.U
X5, X6, X7, S0, S1, SP, X27, X30 = 5, 6, 7, 8, 9, 2, 27, 30

_FREE = tuple(each for each in range(32) if each not in KEPT)
_SHORT = tuple(each for each in range(8, 16) if each not in KEPT)
_RECEIVERS = 8
_WORD = (1 << 64) - 1

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
_READ_ONLY = (0xC00, 0xC01, 0xC02)
_SUPERVISOR_CSRS = (0x100, 0x104, 0x106, 0x10A, 0x141, 0x142, 0x143, 0x144)
_MACHINE_CSRS = (
    *(0x300, 0x301, 0x302, 0x303, 0x304, 0x306, 0x30A, 0x320, 0x341, 0x342, 0x343, 0x344),
    *(0x3B1, 0x3B7, 0xB00, 0xB02, 0xB03, 0xB1F, 0x323, 0x33F),
)
_NEVER_WRITTEN = {0x300: 0x1800, 0x304: 0x80, 0x302: 0x200}
"""Bits that set, clear and write leave alone: MPP goes with MRET; the machine timer wakes every
WFI; a call from S is not S's."""
_NUMBERS = (0x3A2, 0xF11, 0xF12, 0xF13, 0xF14, 0xF15, 0x3BF)
_ABSENT = (0x007, 0x200, 0x312, 0x5A8, 0x5C0, 0x7A0, 0x800, 0xB20, 0xC03, 0xC80, 0xFC0)
_VALUES = (0, 1, -1, 1 << 63, (1 << 63) - 1, 1 << 31, (1 << 31) - 1, -(1 << 31), 0xFF, 1 << 32)


def _value(random: Random) -> int:
    """An operand: often a corner."""
    kind = random.random()
    if kind < 0.4:
        return random.choice(_VALUES) & _WORD
    if kind < 0.6:
        return random.getrandbits(random.choice((4, 8, 12, 20, 32)))
    return random.getrandbits(64)


class _Block:
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
        own = privilege
        atoms: list[tuple[float, Callable[[], None]]] = [
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
        if own >= S:
            atoms += [
                (2, self.write_supervisor_csr),
                (1, self.sfence),
                (0.6, self.sret),
                (0.3, self.wfi),
                (1.5, self.device),
                (0.7, self.changed_code),
                (1, self.changed_table),
                (0.3, self.space),
            ]
        if own == M:
            atoms += [(3, self.write_machine_csr), (0.6, self.mret), (1, self.as_if_lower)]
        self._weights = [weight for weight, _ in atoms]
        self._atoms = [atom for _, atom in atoms]

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
            self.code.li(self._rd(), _value(random))

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
        csrs = [*_USER_CSRS, Csr.UTVEC, *_READ_ONLY]
        if self.privilege >= S:
            csrs += [*_SUPERVISOR_CSRS, 0x105, 0x140, 0x14D, 0x180]
            csrs += [Csr.SIDELEG, Csr.SUIST, Csr.SUIRS]
        if self.privilege == M:
            csrs += [*_MACHINE_CSRS, *_NUMBERS, 0x305, 0x340, 0x3A0, 0x3B0]
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
        self._write(number, random.choice((0, 1, 0x11, 0x111)) if narrow else _value(random))

    def uipi(self) -> None:
        random = self.random
        name = random.choice(("send", "send", "send", "read", "write", "activate", "deactivate"))
        form = random.randrange(3)
        if name == "send":
            index = random.choice((0, 1, 2, 3, 4, 5, 6, 7, 511, 512, _value(random)))
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
        random = self.random
        rd, rs1 = random.choice(_FREE) << 7, random.choice((S0, S1)) << 15
        noise = random.getrandbits(32)
        words = [
            noise & ~0x7F | random.choice((0x07, 0x0B, 0x27, 0x2B, 0x43, 0x53, 0x57, 0x5B, 0x77)),
            noise & 0x01FF_F000 | 0x4200_0000 | rd | 0x33,
            noise & 0x01FF_0000 | 0x1000 | 0x4000_0000 | rd | 0x13,
            noise & 0x01FF_0000 | 0x2000 | rd | 0x1B,
            noise & 0xFE00_0000 & ~0x0200_0000 | 0x0200_1000 | rd | rs1 | 0x3B,
            noise & 0xFFF0_0000 | 0x7000 | rd | rs1 | 0x03,
            noise & 0xFE00_0F80 | random.choice((4, 5, 6, 7)) << 12 | rs1 | 0x23,
            noise & 0xFE00_0000 | random.choice((2, 3)) << 12 | 0x63,
            noise & 0xFFF0_0000 | random.randrange(1, 8) << 12 | rd | rs1 | 0x67,
            noise & 0xFFFF_8F80 | random.randrange(3, 8) << 12 | 0x0F,
            noise & 0x01F0_0000
            | random.choice((0x28, 0x38, 0x70, 0xF8)) << 24
            | 0x3000
            | rs1
            | 0x2F,
            noise & 0x0600_0000 | 0x1010_3000 | rd | rs1 | 0x2F,  # LR with rs2
            noise & 0x01F0_0000 | random.choice((0, 1, 4, 5, 6, 7)) << 12 | rd | rs1 | 0x2F,
            noise & ~0x7FFF | 0x4073,
            random.choice((0x0030_0073, 0x7B20_0073, 0x0000_0173, 0x1040_0073, 0x1200_00F3)),
            noise & ~0x707F | random.choice((0, 1, 3, 4, 5, 7)) << 12 | 0x7B,
            random.randrange(5, 128) << 25 | 0x607B | rs1,
            encode("csrrs", self._rd(), 0, imm=random.choice(_ABSENT)),
            encode("csrrw", self._rd(), 0, imm=random.choice(_READ_ONLY)),
            0x0000,
            random.choice((0x2000, 0xA000, 0x8000, 0x2002, 0xA002)) | random.getrandbits(10) << 2,
            0x6001 | rd & 0xF80,
            0x2001 | (random.getrandbits(5) << 2),
            0x4002,
            0x6002,
            0x8002,
            0x9C41 | random.choice((0x00, 0x20)),
        ]
        word = random.choice(words)
        self.code.word(word if word & 3 == 3 else word & 0xFFFF)

    def forbidden(self) -> None:
        """What a privilege below may not; in M-mode nothing is."""
        random = self.random
        if self.privilege == U:
            self.code.word(
                random.choice(
                    (
                        encode("sret"),
                        encode("mret"),
                        encode("wfi"),
                        encode("sfence.vma", 0, S0, 0),
                        encode("csrrs", self._rd(), 0, imm=random.choice(_SUPERVISOR_CSRS)),
                        encode("csrrw", self._rd(), S0, imm=random.choice(_SUPERVISOR_CSRS)),
                        encode("csrrs", self._rd(), 0, imm=random.choice((Csr.SUIST, Csr.SIDELEG))),
                    )
                )
            )
        elif self.privilege == S:
            self.code.word(
                random.choice(
                    (
                        encode("mret"),
                        encode("csrrs", self._rd(), 0, imm=random.choice(_MACHINE_CSRS)),
                        encode("csrrw", self._rd(), S0, imm=random.choice((0x300, 0x341, 0xF14))),
                    )
                )
            )

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

    # --- supervisor and machine ---

    def write_supervisor_csr(self) -> None:
        random = self.random
        kind = random.randrange(6)
        if kind == 0:  # SUM, MXR, SIE, SPIE
            bits = random.choice((1 << 18, 1 << 19, 1 << 1, 1 << 5, 0x11, 1 << 18 | 1 << 19))
            self.code.li(X5, bits)
            self.code(random.choice(("csrrs", "csrrc")), self._rd(), X5, imm=0x100)
        elif kind == 1:
            self._write(0x104, random.choice((0, 2, 0x20, 0x22, 0x222, 0x111, 0x333)))
        elif kind == 2:
            self._write(0x144, random.choice((0, 1, 2, 3)))
        elif kind == 3:
            self._write(random.choice((0x141, 0x142, 0x143, 0x106, 0x10A)), _value(random))
        elif kind == 4:
            self.code("csrrs", X5, 0, imm=0xC01)
            self.code("addi", X5, X5, imm=random.randrange(2047))
            self.code("csrrw", self._rd(), X5, imm=0x14D)
        else:
            self._write(
                *random.choice(
                    (
                        (Csr.SIDELEG, random.choice((0, 1, 0x111))),
                        (Csr.SUIRS, 1 << 63 | random.randrange(_RECEIVERS + 1)),
                        (Csr.SUIRS, 600 | 1 << 63),
                        (Csr.SUIST, layout.SENDERS >> 12 | 1 << 44 | 1 << 63),
                        (Csr.SUICFG, _value(random)),
                    )
                )
            )

    def sfence(self) -> None:
        self.code("sfence.vma", 0, self.random.choice((0, S0, S1)), self.random.choice((0, 0, X5)))

    def sret(self) -> None:
        """Stays in supervisor mode; in machine mode it would leave it."""
        if self.privilege == S:
            self.code.li(X5, 1 << 8)
            self.code("csrrs", 0, X5, imm=0x100)
            self._return(0x141, "sret")

    def wfi(self) -> None:
        self.code("wfi")

    def space(self) -> None:
        """Another number for the same address space."""
        if self.translated:
            self.code("csrrs", X5, 0, imm=0x180)
            self.code.li(X6, 1 << 44 + self.random.randrange(16))
            self.code("xor", X5, X5, X6)
            self.code("csrrw", self._rd(), X5, imm=0x180)

    def device(self) -> None:
        random = self.random
        kind = random.randrange(8)
        if kind == 0:
            self.code.li(X5, SSWI_BASE)
            self.code("addi", X6, 0, imm=1)
            self.code("sw", rs1=X5, rs2=X6)
        elif kind == 1:
            self.code.li(X5, CLINT_BASE)
            self.code("addi", X6, 0, imm=random.randrange(2))
            self.code("sw", rs1=X5, rs2=X6)
            self.code("lw", self._rd(), X5)
        elif kind == 2:
            self.code.li(X5, CLINT_BASE + MTIME_OFFSET)
            self.code("ld", X6, X5)
            self.code("addi", X6, X6, imm=random.randrange(100, 2047))
            self.code.li(X5, CLINT_BASE + MTIMECMP_OFFSET)
            self.code("sd", rs1=X5, rs2=X6)
            self.code("ld", self._rd(), X5)
        elif kind == 3:  # nothing is there
            self.code.li(X5, random.choice((0x100_0000, 0x2F1_0000, 0x9000_0000, 1 << 33)))
            self.code(random.choice(("ld", "lw")), self._rd(), X5)
            self.code("sd", rs1=X5, rs2=X6)
        else:
            slot = random.choice((*range(_RECEIVERS), 512))
            self.code.li(X5, CONTROLLER_BASE + 32 * slot)
            operation = random.randrange(6)
            if operation == 0:
                self.code("addi", X6, 0, imm=random.randrange(66))
                self.code("sd", rs1=X5, rs2=X6)
            elif operation == 1:
                self.code.li(X6, random.choice((0, 1, 1, 3, 5, 1 << 16 | 1, 4)))
                self.code("sd", rs1=X5, rs2=X6, imm=8)
            elif operation == 2:
                self.code.li(X6, _value(random))
                self.code("sd", rs1=X5, rs2=X6, imm=16)
            elif operation == 3:
                self.code("ld", self._rd(), X5, imm=16)
            elif operation == 4:
                self.code("ld", self._rd(), X5, imm=random.choice((0, 8, 24)))
            else:
                self.code.li(X5, CONTROLLER_BASE + 0x20_0000 + random.choice((0, 8, 0x20, 0x400)))
                self.code("ld", self._rd(), X5)

    def changed_code(self) -> None:
        """An instruction is stored over one that comes soon, and fetched anew."""
        word = encode("addi", self._rd(), self._rs(), imm=self.random.randrange(2048))
        # The code's physical address, at which both M and S write; see `layout`.
        self.code.li(X6, word)
        if self.code.here % 4:
            self.code("c.nop")
        place = self.code.here + 4 * 6
        self.code("lui", X5, imm=(place + 0x800) >> 12)
        self.code("addi", X5, X5, imm=((place & 0xFFF) ^ 0x800) - 0x800)
        # LUI has sign-extended.
        self.code("slli", X5, X5, imm=32)
        self.code("srli", X5, X5, imm=32)
        self.code("sw", rs1=X5, rs2=X6)
        self.code("fence.i")
        self.code("addi", imm=0)

    def changed_table(self) -> None:
        """Other flags for a page of data."""
        random = self.random
        self.code.li(X5, layout.DATA_TABLE + 8 * random.randrange(layout.DATA_PAGES))
        self.code.li(X6, random.choice((layout.U, layout.R, layout.W, layout.A, layout.D, 1)))
        self.code(random.choice(("amoxor.d", "amoor.d")), self._rd(), X5, X6)
        self.code("sfence.vma", 0, 0, 0)

    # --- machine alone ---

    def write_machine_csr(self) -> None:
        random = self.random
        kind = random.randrange(5)
        if kind == 0:
            bits = random.choice((1 << 3, 1 << 7, 1 << 1, 0x11, 1 << 17, 1 << 18, 1 << 19, 7 << 20))
            self._write(0x300, bits)
            if bits == 1 << 17:
                self.load()
                self.code.li(X5, bits)
                self.code("csrrc", 0, X5, imm=0x300)
        elif kind == 1:
            self._write(0x304, random.choice((2, 0x20, 0x222, 0x8, 0x111, 0x333)))
        elif kind == 2:
            self._write(0x344, random.choice((0, 1, 2, 0x20, 0x200, 0x222)))
        elif kind == 3:
            numbers = (0x302, 0x303, 0x306, 0x30A, 0x320, 0x341, 0x342, 0x343, 0xB00, 0xB02, 0x301)
            number = random.choice(numbers)
            value = random.choice((0, 0x111, 0x222, 0x333)) if number == 0x303 else _value(random)
            self._write(number, value)
        else:
            self._write(random.choice((0x3B1, 0x3B2, 0x3B7)), _value(random))

    def mret(self) -> None:
        """Stays in machine mode."""
        self.code.li(X5, 3 << 11)
        self.code("csrrs", 0, X5, imm=0x300)
        self._return(0x341, "mret")

    def as_if_lower(self) -> None:
        """An access with the privilege of MPP."""
        random = self.random
        self.code.li(X6, 3 << 11)
        self.code("csrrc", 0, X6, imm=0x300)
        self.code.li(X6, 1 << 17 | random.choice((0, 1)) << 11 | random.choice((0, 1)) << 18)
        self.code("csrrs", 0, X6, imm=0x300)
        self.code.li(X7, layout.VIRTUAL_DATA + 8 * random.randrange(0, 0x2000))
        self.code("ld", self._rd(), X7)
        self.code("sd", rs1=X7, rs2=X6)
        self.code("csrrc", 0, X6, imm=0x300)


def _flags(random: Random, usual: int) -> int:
    """Of a page: mostly as usual, now and then without a right, or not there."""
    kind = random.random()
    if kind < 0.75:
        return usual
    if kind < 0.95:
        return usual & ~random.choice((layout.R, layout.W, layout.U, layout.A, layout.D))
    return random.choice((0, usual & ~1, layout.V | layout.W, usual | 1 << 54, usual | 1 << 60))


def _pointers(random: Random, privilege: Privilege, translated: bool) -> tuple[int, int, int]:
    """Values of sp, s0 and s1."""
    physical = (layout.DATA, layout.LARGE)
    virtual = (
        *([layout.VIRTUAL_DATA] * 6),
        *(layout.VIRTUAL_LARGE, layout.VIRTUAL_LARGE, layout.VIRTUAL_CROOKED),
        *(layout.VIRTUAL_KERNEL, layout.NEGATIVE + layout.DATA - BASE),
        *(layout.DATA if privilege != U else layout.VIRTUAL_DATA,) * 3,
    )

    def one() -> int:
        kind = random.random()
        if kind < 0.03:
            return random.choice((0, 1 << 38, 1 << 62, 0x8800_0000, 0xFFFF_FFC0_0000_0000))
        base = random.choice(virtual if translated else physical)
        inside = random.choice((0, 0x1000, 0x2000, 0x3000)) + random.choice((0, 8, 0xFF8, 0x7F0))
        return base + inside

    return one(), one(), one()


def random_program(seed: int, *, blocks: int = 10, turns: int = 24, atoms: int = 120) -> bytes:
    """Main memory at the beginning of a program: the same for the same parameters.

    Parameters
    ----------
    seed : of chance
    blocks : pieces of code
    turns : how often one of them is run
    atoms : about as many in a block
    """
    random = Random(seed)
    memory = bytearray(MEMORY_BYTES)

    def put(address: int, content: bytes) -> None:
        memory[address - BASE : address - BASE + len(content)] = content

    def word(address: int, value: int) -> None:
        put(address, (value & _WORD).to_bytes(8, "little"))

    low = Code(BASE)
    machine_code(low, traps=40 * turns, registers=[_value(random) for _ in range(32)])
    assert len(low.finish()) <= layout.TOHOST - BASE
    put(BASE, low.finish())
    kernel = Code(layout.SUPERVISOR)
    supervisor_code(kernel)
    put(layout.SUPERVISOR, kernel.finish())

    # Blocks, one after the other, and the user handler at the beginning of them.
    code = Code(layout.CODE)
    user_handler(code)
    kinds = [(M, False), (S, False), (U, False), (S, True), (U, True), (U, True)]
    built: list[tuple[int, Privilege, bool]] = []
    for _ in range(blocks):
        privilege, translated = random.choice(kinds)
        code.align(2)
        if random.random() < 0.3:  # over the end of a page
            code.raw(bytes(-code.here % 0x1000))
            code.raw(bytes(0x1000 - 2 * random.randrange(1, 60)))
        if code.here + 16 * atoms > layout.CODE + 0x1000 * layout.CODE_PAGES:
            break
        built.append((code.here, privilege, translated))
        _Block(random, code, privilege, translated).build(random.randrange(atoms // 2, atoms))
    put(layout.CODE, code.finish())
    assert code.here <= layout.CODE + 0x1000 * layout.CODE_PAGES

    usual_code = layout.V | layout.R | layout.X | layout.U | layout.A | layout.D
    usual_data = layout.V | layout.R | layout.W | layout.U | layout.A | layout.D
    pages = [usual_code] + [
        _flags(random, usual_code) if random.random() < 0.15 else usual_code
        for _ in range(layout.CODE_PAGES - 1)
    ]
    # Blocks of supervisor mode need pages of its own.
    data = [_flags(random, usual_data) for _ in range(layout.DATA_PAGES)]
    for entry in layout.page_tables(pages, data):
        word(entry.address, entry.word)
    for index in range(512):
        kind = random.random()
        word(
            layout.SENDERS + 8 * index,
            SENDER_ENTRY.pack(
                valid=kind < 0.85,
                vector=random.choice((*range(64), 64, 0xFFFF)),
                receiver=random.choice((*range(_RECEIVERS), 511, 512, 0xFFFF)),
            ),
        )
    for place in range(0, 0x1000 * layout.DATA_PAGES, 8):
        word(layout.DATA + place, _value(random))

    descriptor = layout.DESCRIPTORS
    for _ in range(turns):
        for value in _descriptor(random, low, kernel, *random.choice(built)):
            word(descriptor, value)
            descriptor += 8
    assert descriptor < layout.TABLES
    return bytes(memory)


def _descriptor(
    random: Random, low: Code, kernel: Code, entry: int, privilege: Privilege, translated: bool
) -> list[int]:
    virtual = entry - layout.CODE + layout.VIRTUAL_CODE
    handler = layout.CODE
    pc = entry
    if translated and privilege == U:
        pc, handler = virtual, layout.VIRTUAL_CODE
    asid = random.choice((0, 1, 0xFFFF))
    mstatus = privilege << 11 | random.getrandbits(1) << 7 | random.getrandbits(1) << 5
    mstatus |= random.getrandbits(1) << 1 | random.getrandbits(2) << 18
    mstatus |= random.choice((0, 1, 1, 0x11))
    if random.random() < 0.1:
        mstatus |= random.getrandbits(3) << 20
    vector = random.random() < 0.5
    sp, s0, s1 = _pointers(random, privilege, translated)
    values = {
        "timer": random.choice((300, 1000, 3000, 100_000)),
        "stimer": random.choice((200, 800, 2500, 1 << 60)),
        0x341: pc,
        0x300: mstatus,
        0x180: (8 << 60 if translated else 0) | asid << 44 | layout.ROOT >> 12,
        0x304: 0x80
        | random.choice((0, 0x8, 0x2A, 0x222, 0x22A, 0x222))
        | random.choice((0, 0x111)),
        0x303: random.choice((0, 0x222, 0x333, 0x111, 0x333, 0x333)),
        0x302: random.choice((0, 0xB1FF, random.getrandbits(16))) & ~0x200,
        0x30A: random.choice((0, 1 << 63, 1 << 63)),
        0x306: random.choice((7, 7, 7, 0, 5)),
        0x106: random.choice((7, 7, 0, 2)),
        0x305: low.labels["machine vector"] | 1 if vector else low.labels["machine"],
        0x105: kernel.labels["supervisor vector"] | 1 if vector else kernel.labels["supervisor"],
        Csr.SIDELEG: random.choice((1, 1, 0x111, 0)),
        Csr.UIE: random.choice((1, 1, 0x111, 0)),
        Csr.UTVEC: handler | random.getrandbits(1),
        Csr.SUIST: random.choice((1 << 63, 1 << 63, 1 << 63, 0))
        | random.choice((1, 1, 0, 2)) << 44
        | random.choice((layout.SENDERS, layout.SENDERS, 0x1000_0000)) >> 12,
        Csr.SUIRS: random.choice((1 << 63, 1 << 63, 0)) | random.randrange(_RECEIVERS),
        Csr.USCRATCH: _value(random),
    }
    if mstatus & 1 << 22:  # TSR: supervisor mode cannot return
        values[0x303] = values[0x302] = 0
    if values[0x303] & 1 << 5:  # then supervisor mode sets its timer
        values[0x30A] = 1 << 63
        values[0x306] |= 2
    return [
        (sp, s0, s1)[place - len(DESCRIPTOR) + 3] if place >= len(DESCRIPTOR) - 3 else values[what]
        for place, what in enumerate(DESCRIPTOR)
    ]
