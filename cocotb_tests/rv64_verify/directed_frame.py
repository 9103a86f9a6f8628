"""What stands around a directed program: the way into its privilege, and a handler; and what
several of them do.

It ends with a store to `layout.TOHOST`; a trap on the way is passed over.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from rv64_verify import layout
from rv64_verify.encode import Code
from rv64_verify.handlers import UNRESET
from rv64_verify.layout import BASE, MEMORY_BYTES
from rv64_verify.long_run import SHAPES, Shape
from uintr.registers import Privilege

__all__ = [
    "BACK",
    "MPP",
    "MPRV",
    "SLOW",
    "Directed",
    "csr",
    "directed_program",
    "goes_on",
    "lowered",
    "own_handler",
    "store",
    "usual_handler",
]

X5, X6, X10, X11, X12, X31 = 5, 6, 10, 11, 12, 31
M = Privilege.M
MPRV, MPP = 1 << 17, 3 << 11
BACK = 9
"""The register that says where a program's own handler goes on."""
SLOW = SHAPES[2]
"""A system whose memory takes long."""
_HANDLER = BASE + 0x800


@dataclass(frozen=True)
class Directed:
    """A directed program.

    Parameters
    ----------
    body : puts it into code
    privilege : that it begins in
    shape : what it runs on to do what it is for
    memory_bytes : likewise, of main memory
    """

    body: Callable[[Code], None]
    privilege: Privilege = M
    shape: Shape = SHAPES[0]
    memory_bytes: int = MEMORY_BYTES

    def image(self) -> bytes:
        """Main memory at the beginning."""
        return directed_program(self.body, self.privilege).ljust(self.memory_bytes, b"\0")


def directed_program(body: Callable[[Code], None], privilege: Privilege = M) -> bytes:
    """Main memory with ``body`` in a privilege, and a handler that passes traps over."""
    code = Code(BASE)
    for number in UNRESET:
        code("csrrwi", 0, 0, imm=number)
    code.li(X5, _HANDLER)
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
    code.raw(bytes(_HANDLER - code.here))
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


# --- what programs of machine mode do ------------------------------------------------------------


def csr(code: Code, number: int, value: int) -> None:
    """Write a CSR."""
    code.li(X10, value)
    code("csrrw", X12, X10, imm=number)


def store(code: Code, address: int, value: int, name: str = "sd") -> None:
    """Write to memory."""
    code.li(X10, address)
    code.li(X11, value)
    code(name, rs1=X10, rs2=X11)


def goes_on(code: Code) -> None:
    """The end of a handler: reads what there is of a trap, and goes on where `BACK` says, in
    machine mode."""
    for number in (0x341, 0x342, 0x343):
        code("csrrs", X12, 0, imm=number)
    code.li(X12, MPP)
    code("csrrs", 0, X12, imm=0x300)
    code("csrrw", 0, BACK, imm=0x341)
    code("mret")


def own_handler(code: Code, body: Callable[[Code], None] = goes_on) -> None:
    """A handler of the program's own, in place of the usual one."""
    code("jal", to="begin")
    code.align(4)
    code.label("handler")
    body(code)
    code.label("begin")
    csr(code, 0x305, code.labels["handler"])


def usual_handler(code: Code) -> None:
    """The one that passes traps over again."""
    csr(code, 0x305, _HANDLER)


def lowered(code: Code, privilege: Privilege, address: int | None = None) -> None:
    """To a privilege: behind this, or at an address, whose code ends with a call that goes on
    behind this."""
    code.li(X10, MPP)
    code("csrrc", 0, X10, imm=0x300)
    code.li(X10, privilege << 11)
    code("csrrs", 0, X10, imm=0x300)
    if address is None:
        code("auipc", X10, imm=0)
        code("addi", X10, X10, imm=16)
    else:
        code.li(X10, address)
    code("csrrw", 0, X10, imm=0x341)
    if address is not None:
        code("auipc", BACK, imm=0)
        code("addi", BACK, BACK, imm=12)
    code("mret")
