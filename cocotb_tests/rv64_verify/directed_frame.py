"""What stands around a directed program: the way into its privilege, and a handler.

It ends with a store to `layout.TOHOST`; a trap on the way is passed over.
"""

from collections.abc import Callable
from random import Random

from rv64_verify import layout
from rv64_verify.encode import Code
from rv64_verify.handlers import UNRESET
from rv64_verify.layout import BASE, MEMORY_BYTES
from uintr.registers import Privilege

__all__ = ["directed_program"]

X5, X6, X31 = 5, 6, 31
M = Privilege.M


def directed_program(body: Callable[[Code], None], privilege: Privilege = M) -> bytes:
    """Main memory with ``body`` in a privilege, and a handler that passes traps over."""
    code = Code(BASE)
    for number in UNRESET:
        code("csrrwi", 0, 0, imm=number)
    code.li(X5, BASE + 0x800)
    code("csrrw", 0, X5, imm=0x305)
    code.li(X5, BASE + 0x2000)  # what the handler saves in
    code("csrrw", 0, X5, imm=0x340)
    code("csrrwi", 0, 7, imm=0x306)
    code("csrrwi", 0, 7, imm=0x106)
    code.li(X5, privilege << 11)
    code("csrrw", 0, X5, imm=0x300)
    code.li(X5, layout.CODE)
    code("csrrw", 0, X5, imm=0x341)
    for number in range(1, 32):
        code.li(number, number * 0x0123_4567_89AB_CDEF)
    code("mret")
    code.raw(bytes(BASE + 0x800 - code.here))
    _handler(code)
    code.raw(bytes(layout.CODE - code.here))
    body(code)
    code("ecall")
    memory = code.finish()
    assert len(memory) <= layout.DATA - BASE
    random = Random(1)
    data = b"".join(random.getrandbits(64).to_bytes(8, "little") for _ in range(0x2000))
    memory = memory.ljust(layout.DATA - BASE, b"\0") + data
    return memory.ljust(MEMORY_BYTES, b"\0")


def _handler(code: Code) -> None:
    """A call ends the program. Anything else is passed over, and its cause and value are read."""
    code("csrrw", X31, X31, imm=0x340)
    code("sd", rs1=X31, rs2=X5)
    code("sd", rs1=X31, rs2=X6, imm=8)
    code("csrrs", X5, 0, imm=0x342)
    code("csrrs", X6, 0, imm=0x343)
    code("addi", X6, 0, imm=8)
    code("blt", rs1=X5, rs2=X6, to="over")
    code("addi", X6, 0, imm=12)
    code("blt", rs1=X5, rs2=X6, to="end")
    code.label("over")
    code("csrrs", X5, 0, imm=0x341)
    code("lhu", X6, X5)
    code("andi", X6, X6, imm=3)
    code("addi", X6, X6, imm=-3)
    code("sltiu", X6, X6, imm=1)
    code("slli", X6, X6, imm=1)
    code("addi", X6, X6, imm=2)
    code("add", X5, X5, X6)
    code("csrrw", 0, X5, imm=0x341)
    code("ld", X5, X31)
    code("ld", X6, X31, imm=8)
    code("csrrw", X31, X31, imm=0x340)
    code("mret")
    code.label("end")
    code.li(X5, layout.TOHOST)
    code("addi", X6, 0, imm=1)
    code("sd", rs1=X5, rs2=X6)
    code.label("ended")
    code("jal", to="ended")
