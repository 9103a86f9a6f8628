"""Machine code for test programs: every instruction of the hart by name, and a small assembler.

Written from the ISA manual on its own, so that a mistake of the hart's decoder is not made here.
"""

from collections.abc import Iterable

__all__ = ["ALL", "Code", "encode", "instruction_bytes"]

_OPCODES = {
    "load": 0x03,
    "fence": 0x0F,
    "imm": 0x13,
    "imm32": 0x1B,
    "store": 0x23,
    "amo": 0x2F,
    "op": 0x33,
    "op32": 0x3B,
    "branch": 0x63,
    "system": 0x73,
    "uipi": 0x7B,
}

# name: (opcode, funct3, funct7)
_R = {
    **{
        name: ("op", funct3, 0)
        for funct3, name in enumerate(("add", "sll", "slt", "sltu", "xor", "srl", "or", "and"))
    },
    "sub": ("op", 0, 0x20),
    "sra": ("op", 5, 0x20),
    **{
        name: ("op", funct3, 1)
        for funct3, name in enumerate(
            ("mul", "mulh", "mulhsu", "mulhu", "div", "divu", "rem", "remu")
        )
    },
    "addw": ("op32", 0, 0),
    "subw": ("op32", 0, 0x20),
    "sllw": ("op32", 1, 0),
    "srlw": ("op32", 5, 0),
    "sraw": ("op32", 5, 0x20),
    "mulw": ("op32", 0, 1),
    "divw": ("op32", 4, 1),
    "divuw": ("op32", 5, 1),
    "remw": ("op32", 6, 1),
    "remuw": ("op32", 7, 1),
}
_I = {
    **{
        name: ("imm", funct3)
        for funct3, name in ((0, "addi"), (2, "slti"), (3, "sltiu"), (4, "xori"), (6, "ori"))
    },
    "andi": ("imm", 7),
    "addiw": ("imm32", 0),
    **{
        name: ("load", funct3)
        for funct3, name in enumerate(("lb", "lh", "lw", "ld", "lbu", "lhu", "lwu"))
    },
}
# name: (opcode, funct3, bits above the amount, bits of the amount)
_SHIFT = {
    "slli": ("imm", 1, 0, 6),
    "srli": ("imm", 5, 0, 6),
    "srai": ("imm", 5, 0x400, 6),
    "slliw": ("imm32", 1, 0, 5),
    "srliw": ("imm32", 5, 0, 5),
    "sraiw": ("imm32", 5, 0x400, 5),
}
_S = {"sb": 0, "sh": 1, "sw": 2, "sd": 3}
_B = {"beq": 0, "bne": 1, "blt": 4, "bge": 5, "bltu": 6, "bgeu": 7}
_CSR = {"csrrw": 1, "csrrs": 2, "csrrc": 3, "csrrwi": 5, "csrrsi": 6, "csrrci": 7}
_AMO = {
    "lr": 2,
    "sc": 3,
    "amoswap": 1,
    "amoadd": 0,
    "amoxor": 4,
    "amoand": 12,
    "amoor": 8,
    "amomin": 16,
    "amomax": 20,
    "amominu": 24,
    "amomaxu": 28,
}
_FIXED = {
    "ecall": 0x0000_0073,
    "ebreak": 0x0010_0073,
    "uret": 0x0020_0073,
    "sret": 0x1020_0073,
    "mret": 0x3020_0073,
    "wfi": 0x1050_0073,
    "fence.i": 0x0000_100F,
    "c.nop": 0x0001,
    "c.ebreak": 0x9002,
}
# function, and the published ways to say it: funct3 110; 010 with it in bits 31:25; 010 with it in
# the immediate
_UIPI = {"send": 0, "read": 1, "write": 2, "activate": 3, "deactivate": 4}

_COMPRESSED = (
    *("c.addi4spn", "c.lw", "c.ld", "c.sw", "c.sd", "c.addi", "c.addiw", "c.li", "c.addi16sp"),
    *("c.lui", "c.srli", "c.srai", "c.andi", "c.sub", "c.xor", "c.or", "c.and", "c.subw", "c.addw"),
    *("c.j", "c.beqz", "c.bnez", "c.slli", "c.lwsp", "c.ldsp", "c.jr", "c.mv", "c.jalr", "c.add"),
    *("c.swsp", "c.sdsp"),
)

ALL = (
    *(*_R, *_I, *_SHIFT, *_S, *_B, *_CSR, *_FIXED, *_COMPRESSED),
    *("lui", "auipc", "jal", "jalr", "fence", "sfence.vma"),
    *(f"{name}.{size}" for name in _AMO for size in "wd"),
    *(f"uipi.{name}" for name in _UIPI),
)
"""Names of all instructions."""


REGISTERS = tuple(_R)
IMMEDIATES = tuple(_I)[:7]
SHIFTS = {name: (1 << width) - 1 for name, (*_, width) in _SHIFT.items()}
LOADS = tuple(_I)[7:]
STORES = tuple(_S)
BRANCHES = tuple(_B)
AMOS = tuple(name for name in _AMO if name not in ("lr", "sc"))


def _fits(name: str, value: int, low: int, high: int, step: int = 1) -> int:
    if not low <= value <= high or value % step:
        raise ValueError(f"{name} must take {low} to {high} by {step}, not {value}")
    return value


def _bits(value: int, *fields: tuple[int, int, int]) -> int:
    """Bits of ``value`` moved about: (from its bit, how many, to bit)."""
    return sum((value >> lsb & (1 << width) - 1) << to for lsb, width, to in fields)


def encode(name: str, rd: int = 0, rs1: int = 0, rs2: int = 0, imm: int = 0, form: int = 0) -> int:
    """The word of an instruction, 16 bits if its name begins with ``c.``.

    ``imm`` is an offset, an amount, the number of a CSR (``rs1`` is then register or value), or
    acquire and release in bits 1 and 0 of an AMO; ``form`` is which of the three of a UIPI.
    """
    if name in _FIXED:
        return _FIXED[name]
    registers = rd << 7 | rs1 << 15
    if name in _R:
        opcode, funct3, funct7 = _R[name]
        return _OPCODES[opcode] | funct3 << 12 | funct7 << 25 | registers | rs2 << 20
    if name in _I:
        opcode, funct3 = _I[name]
        return _OPCODES[opcode] | funct3 << 12 | registers | _immediate(name, imm) << 20
    if name == "jalr":
        return 0x67 | registers | _immediate(name, imm) << 20
    if name in _SHIFT:
        opcode, funct3, above, width = _SHIFT[name]
        amount = _fits(name, imm, 0, (1 << width) - 1)
        return _OPCODES[opcode] | funct3 << 12 | registers | (above | amount) << 20
    if name in _S:
        imm = _immediate(name, imm)
        low, high = imm & 0x1F, imm >> 5
        return 0x23 | low << 7 | _S[name] << 12 | rs1 << 15 | rs2 << 20 | high << 25
    if name in _B:
        offset = _fits(name, imm, -4096, 4094, 2)
        moved = _bits(offset, (11, 1, 7), (1, 4, 8), (5, 6, 25), (12, 1, 31))
        return 0x63 | _B[name] << 12 | rs1 << 15 | rs2 << 20 | moved
    if name == "jal":
        offset = _fits(name, imm, -(1 << 20), (1 << 20) - 2, 2)
        return 0x6F | rd << 7 | _bits(offset, (12, 8, 12), (11, 1, 20), (1, 10, 21), (20, 1, 31))
    if name in ("lui", "auipc"):
        return (0x37 if name == "lui" else 0x17) | rd << 7 | (imm & 0xF_FFFF) << 12
    if name in _CSR:
        return 0x73 | _CSR[name] << 12 | registers | _fits(name, imm, 0, 4095) << 20
    if name == "fence":
        return 0x0F | _fits(name, imm, 0, 255) << 20
    if name == "sfence.vma":
        return 0x1200_0073 | rs1 << 15 | rs2 << 20
    if name.startswith("uipi."):
        function = _UIPI[name[5:]]
        if form == 0:
            return 0x7B | 6 << 12 | registers | function << 25
        return 0x7B | 2 << 12 | registers | function << (25 if form == 1 else 20)
    if name[:-2] in _AMO:
        funct3 = {"w": 2, "d": 3}[name[-1]]
        return 0x2F | funct3 << 12 | registers | rs2 << 20 | imm << 25 | _AMO[name[:-2]] << 27
    return _compressed(name, rd, rs1, rs2, imm)


def _immediate(name: str, imm: int) -> int:
    return _fits(name, imm, -2048, 2047) & 0xFFF


def _short(name: str, register: int) -> int:
    return _fits(f"register of {name}", register, 8, 15) - 8


def _compressed(name: str, rd: int, rs1: int, rs2: int, imm: int) -> int:
    """Two-operand instructions name their register with ``rd``."""
    if name == "c.addi4spn":
        _fits(name, imm, 4, 1020, 4)
        moved = _bits(imm, (4, 2, 11), (6, 4, 7), (2, 1, 6), (3, 1, 5))
        return moved | _short(name, rd) << 2
    if name in ("c.lw", "c.sw", "c.ld", "c.sd"):
        wide = name.endswith("d")
        _fits(name, imm, 0, 248 if wide else 124, 8 if wide else 4)
        moved = (
            _bits(imm, (3, 3, 10), (6, 2, 5))
            if wide
            else _bits(imm, (3, 3, 10), (2, 1, 6), (6, 1, 5))
        )
        data = _short(name, rd if name[2] == "l" else rs2)
        funct3 = {"c.lw": 2, "c.ld": 3, "c.sw": 6, "c.sd": 7}[name]
        return funct3 << 13 | moved | _short(name, rs1) << 7 | data << 2
    if name in ("c.addi", "c.addiw", "c.li", "c.andi", "c.lui"):
        _fits(name, imm, -32, 31)
        moved = _bits(imm, (5, 1, 12), (0, 5, 2))
        if name == "c.andi":
            return 0x8801 | moved | _short(name, rd) << 7
        funct3 = {"c.addi": 0, "c.addiw": 1, "c.li": 2, "c.lui": 3}[name]
        return funct3 << 13 | moved | rd << 7 | 1
    if name == "c.addi16sp":
        _fits(name, imm, -512, 496, 16)
        return 0x6101 | _bits(imm, (9, 1, 12), (4, 1, 6), (6, 1, 5), (7, 2, 3), (5, 1, 2))
    if name in ("c.srli", "c.srai"):
        moved = _bits(_fits(name, imm, 0, 63), (5, 1, 12), (0, 5, 2))
        return 0x8001 | (name == "c.srai") << 10 | moved | _short(name, rd) << 7
    if name in ("c.sub", "c.xor", "c.or", "c.and", "c.subw", "c.addw"):
        place = ("c.sub", "c.xor", "c.or", "c.and", "c.subw", "c.addw").index(name)
        above = (place >> 2) << 12 | (place & 3) << 5
        return 0x8C01 | above | _short(name, rd) << 7 | _short(name, rs2) << 2
    if name == "c.j":
        _fits(name, imm, -2048, 2046, 2)
        fields = ((11, 1, 12), (4, 1, 11), (8, 2, 9), (10, 1, 8), (6, 1, 7), (7, 1, 6))
        return 0xA001 | _bits(imm, *fields, (1, 3, 3), (5, 1, 2))
    if name in ("c.beqz", "c.bnez"):
        _fits(name, imm, -256, 254, 2)
        moved = _bits(imm, (8, 1, 12), (3, 2, 10), (6, 2, 5), (1, 2, 3), (5, 1, 2))
        return 0xC001 | (name == "c.bnez") << 13 | moved | _short(name, rs1) << 7
    if name == "c.slli":
        return 0x0002 | rd << 7 | _bits(_fits(name, imm, 0, 63), (5, 1, 12), (0, 5, 2))
    if name == "c.lwsp":
        _fits(name, imm, 0, 252, 4)
        return 0x4002 | rd << 7 | _bits(imm, (5, 1, 12), (2, 3, 4), (6, 2, 2))
    if name == "c.ldsp":
        _fits(name, imm, 0, 504, 8)
        return 0x6002 | rd << 7 | _bits(imm, (5, 1, 12), (3, 2, 5), (6, 3, 2))
    if name == "c.swsp":
        return 0xC002 | rs2 << 2 | _bits(_fits(name, imm, 0, 252, 4), (2, 4, 9), (6, 2, 7))
    if name == "c.sdsp":
        return 0xE002 | rs2 << 2 | _bits(_fits(name, imm, 0, 504, 8), (3, 3, 10), (6, 3, 7))
    if name in ("c.jr", "c.jalr"):
        return 0x8002 | (name == "c.jalr") << 12 | rs1 << 7
    if name in ("c.mv", "c.add"):
        return 0x8002 | (name == "c.add") << 12 | rd << 7 | rs2 << 2
    raise KeyError(f"there is no instruction {name!r}")


def instruction_bytes(word: int) -> bytes:
    """Two or four bytes, as its lowest bits say."""
    return word.to_bytes(4 if word & 3 == 3 else 2, "little")


class Code:
    """A program under construction, from ``base`` on; labels may be used before they are there."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.bytes = bytearray()
        self.labels: dict[str, int] = {}
        self._open: list[tuple[int, str, dict[str, int], str]] = []

    @property
    def here(self) -> int:
        """Address of what comes next."""
        return self.base + len(self.bytes)

    def label(self, name: str) -> None:
        """What comes next is called ``name``."""
        if name in self.labels:
            raise ValueError(f"label {name!r} must be there once")
        self.labels[name] = self.here

    def word(self, word: int) -> None:
        """An instruction that is encoded already."""
        self.bytes += instruction_bytes(word)

    def raw(self, content: bytes) -> None:
        """Bytes as they are."""
        self.bytes += content

    def align(self, size: int) -> None:
        """Zeroes up to a multiple of ``size``."""
        self.bytes += bytes(-self.here % size)

    def __call__(
        self, name: str, rd: int = 0, rs1: int = 0, rs2: int = 0, imm: int = 0, to: str = ""
    ) -> None:
        """One instruction; ``to`` is a label that a jump or a branch goes to."""
        if to:
            fields = {"rd": rd, "rs1": rs1, "rs2": rs2}
            self._open.append((len(self.bytes), name, fields, to))
            imm = 0
        self.word(encode(name, rd, rs1, rs2, imm))

    def li(self, rd: int, value: int) -> None:
        """Load a constant of 64 bits, in as many instructions as it takes."""
        value = (value & (1 << 64) - 1 ^ 1 << 63) - (1 << 63)
        if -2048 <= value < 2048:
            return self("addi", rd, 0, imm=value)
        if -(1 << 31) <= value < (1 << 31) - 2048:
            low = (value & 0xFFF ^ 0x800) - 0x800
            self("lui", rd, imm=(value - low) >> 12)
            if low:
                self("addiw", rd, rd, imm=low)
            return None
        low = (value & 0xFFF ^ 0x800) - 0x800
        rest, shift = (value - low) >> 12, 12
        while rest % 2 == 0 and not -2048 <= rest < 2048:
            rest, shift = rest >> 1, shift + 1
        self.li(rd, rest)
        self("slli", rd, rd, imm=shift)
        if low:
            self("addi", rd, rd, imm=low)
        return None

    def finish(self) -> bytes:
        """The program, with all labels filled in."""
        for place, name, fields, to in self._open:
            offset = self.labels[to] - (self.base + place)
            filled = instruction_bytes(encode(name, imm=offset, **fields))
            self.bytes[place : place + len(filled)] = filled
        self._open.clear()
        return bytes(self.bytes)


def words(instructions: Iterable[int]) -> bytes:
    """Instructions one after the other."""
    return b"".join(map(instruction_bytes, instructions))
