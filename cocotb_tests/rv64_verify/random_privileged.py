"""What blocks of random programs do in supervisor and machine mode beside everything else."""

from rv64.memory_map import CLINT_BASE, CONTROLLER_BASE, MTIME_OFFSET, MTIMECMP_OFFSET, SSWI_BASE
from rv64_verify import layout
from rv64_verify.encode import encode
from rv64_verify.random_block import RECEIVERS, Atom, Block, operand
from uintr.registers import Csr, Privilege

__all__ = ["PrivilegedBlock"]

M, S = Privilege.M, Privilege.S
X5, X6, X7, S0, S1 = 5, 6, 7, 8, 9


class PrivilegedBlock(Block):
    """A block of any privilege, with what its own may do beside."""

    def atoms(self) -> list[Atom]:
        atoms = super().atoms()
        if self.privilege >= S:
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
        if self.privilege == M:
            atoms += [(3, self.write_machine_csr), (0.6, self.mret), (1, self.as_if_lower)]
        return atoms

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
            self._write(random.choice((0x141, 0x142, 0x143, 0x106, 0x10A)), operand(random))
        elif kind == 4:
            self.code("csrrs", X5, 0, imm=0xC01)
            self.code("addi", X5, X5, imm=random.randrange(2047))
            self.code("csrrw", self._rd(), X5, imm=0x14D)
        else:
            self._write(
                *random.choice(
                    (
                        (Csr.SIDELEG, random.choice((0, 1, 0x111))),
                        (Csr.SUIRS, 1 << 63 | random.randrange(RECEIVERS + 1)),
                        (Csr.SUIRS, 600 | 1 << 63),
                        (Csr.SUIST, layout.SENDERS >> 12 | 1 << 44 | 1 << 63),
                        (Csr.SUICFG, operand(random)),
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
            slot = random.choice((*range(RECEIVERS), 512))
            self.code.li(X5, CONTROLLER_BASE + 32 * slot)
            operation = random.randrange(6)
            if operation == 0:
                self.code("addi", X6, 0, imm=random.randrange(66))
                self.code("sd", rs1=X5, rs2=X6)
            elif operation == 1:
                self.code.li(X6, random.choice((0, 1, 1, 3, 5, 1 << 16 | 1, 4)))
                self.code("sd", rs1=X5, rs2=X6, imm=8)
            elif operation == 2:
                self.code.li(X6, operand(random))
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
            value = random.choice((0, 0x111, 0x222, 0x333)) if number == 0x303 else operand(random)
            self._write(number, value)
        else:
            self._write(random.choice((0x3B1, 0x3B2, 0x3B7)), operand(random))

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
