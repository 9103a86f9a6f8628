"""Random programs that keep the HartPorts and the controller busy, one hart with the other.

Every hart has code of its own: turns of machine mode, which writes the controller's registers and
the CSRs that user mode may not, and of user mode, which posts, reads and clears what is pending and
is interrupted. A trap ends a turn, whatever it is.
"""

from random import Random

from rv64.memory_map import CONTROLLER_BASE
from rv64_verify import layout
from rv64_verify.encode import Code
from rv64_verify.handlers import UNRESET, user_handler
from rv64_verify.random_block import operand
from uintr.registers import (
    ACTIVE,
    CLAIM,
    CONTROL_OFFSET,
    CONTROL_REGISTERS,
    ENABLE,
    ENTRY_CACHE_OFFSET,
    HIGH,
    LOW,
    MASK_BYTES,
    MASK_OFFSET,
    NOTIFY_HART,
    REJECTED_OFFSET,
    SENDER_ENTRY,
    SLOT_BYTES,
    SLOT_RESET,
    THROTTLE_OFFSET,
    Csr,
)

__all__ = ["port_program"]

_MEMORY_BYTES = 1 << 20
RECEIVERS = 6
_EACH = 0x1_0000
"""Bytes of code of one hart, behind `layout.CODE`."""
_ENDED = layout.BASE + 0x3000
MHARTID, MTVEC, MEPC, MSTATUS, MIDELEG = 0xF14, 0x305, 0x341, 0x300, 0x303
X5, X6 = 5, 6
NEXT, PATIENCE = 28, 29  # where a trap goes on; as `user_handler` has it


def port_program(seed: int, *, harts: int, turns: int = 30) -> bytes:
    """Main memory at the beginning: the same for the same parameters.

    Parameters
    ----------
    seed : of chance
    harts : 1 to 8
    turns : of each hart, until the program ends
    """
    random = Random(seed)
    first = Code(layout.BASE)
    first("csrrs", X5, 0, imm=MHARTID)
    first("slli", X5, X5, imm=_EACH.bit_length() - 1)
    first.li(X6, layout.CODE)
    first("add", X5, X5, X6)
    first("jalr", 0, X5)
    memory = bytearray(_MEMORY_BYTES)

    def put(address: int, content: bytes) -> None:
        place = address - layout.BASE
        memory[place : place + len(content)] = content

    put(layout.BASE, first.finish())
    for index in range(512):
        entry = SENDER_ENTRY.pack(
            valid=random.random() < 0.9,
            vector=random.choice((*range(64), 64, 0xFFFF)),
            receiver=random.choice((*range(RECEIVERS), *range(RECEIVERS), 511, 512)),
        )
        put(layout.SENDERS + 8 * index, entry.to_bytes(8, "little"))
    for hart in range(harts):
        code = Code(layout.CODE + hart * _EACH)
        _Hart(random, code, hart, harts).build(turns)
        content = code.finish()
        assert len(content) <= _EACH
        put(code.base, content)
    return bytes(memory)


class _Hart:
    """The code of one hart."""

    def __init__(self, random: Random, code: Code, hart: int, harts: int) -> None:
        self._random, self._code, self._hart, self._harts = random, code, hart, harts

    def build(self, turns: int) -> None:
        """All of it."""
        code = self._code
        code("jal", to="begin")
        code.align(4)
        code.label("trap")
        code("jalr", 0, NEXT)
        user_handler(code)
        code.label("begin")
        for number in UNRESET:
            code("csrrwi", 0, 0, imm=number)
        self._csr(MTVEC, code.labels["trap"])
        self._csr(MIDELEG, 0x111)
        if not self._hart:
            self._store(CONTROLLER_BASE + CONTROL_OFFSET + ENABLE.address, ENABLE.mask())
        for number, value in self._privileged():
            self._csr(number, value)
        for turn in range(turns):
            code("jal", NEXT, to=f"turn {turn}")
            code("jal", to=f"after {turn}")
            code.label(f"turn {turn}")
            self._turn()
            code.label(f"after {turn}")
        code.li(X5, _ENDED)
        code.li(X6, 1)
        code("amoadd.d", X6, X5, X6)
        code("addi", X6, X6, imm=1 - self._harts)
        code("bne", rs1=X6, rs2=0, to="ended")
        self._store(layout.TOHOST, 1)
        code.label("ended")
        code("wfi")
        code("jal", to="ended")

    def _turn(self) -> None:
        """Machine mode, then user mode; a trap ends either."""
        code, random = self._code, self._random
        for _ in range(random.randrange(10)):
            self._register()
        self._store(CONTROLLER_BASE + SLOT_BYTES * self._hart + LOW.address, self._low(self._hart))
        for number, value in random.sample(self._privileged(), random.randrange(4)):
            self._csr(number, value)
        self._csr(Csr.UIE, 1)
        code("csrrsi", 0, 1, imm=Csr.USTATUS)
        code.li(X5, 3 << 11)
        code("csrrc", 0, X5, imm=MSTATUS)
        code("addi", PATIENCE, 0, imm=8)
        code("auipc", X5, imm=0)
        code("addi", X5, X5, imm=16)
        code("csrrw", 0, X5, imm=MEPC)
        code("mret")
        for _ in range(random.randrange(4, 24)):
            self._user()
        code("ecall")

    def _csr(self, number: int, value: int) -> None:
        self._code.li(X5, value)
        self._code("csrrw", X6, X5, imm=number)

    def _store(self, address: int, value: int, name: str = "sd") -> None:
        self._code.li(X5, address)
        self._code.li(X6, value)
        self._code(name, rs1=X5, rs2=X6)

    def _privileged(self) -> list[tuple[int, int]]:
        """CSRs that user mode may not write, and a value for each."""
        random = self._random
        table = random.choice((layout.SENDERS, layout.SENDERS, layout.SENDERS, 0x1000_0000))
        return [
            (Csr.SIDELEG, random.choice((1, 1, 1, 0x111, 0))),
            (Csr.UTVEC, self._code.labels["trap"] + 4),
            (Csr.SUIRS, random.choice((1, 1, 1, 0)) << 63 | random.choice((self._hart, 1, 600))),
            (Csr.SUIST, random.choice((1, 1, 1, 0)) << 63 | 1 << 44 | table >> 12),
            (Csr.SUICFG, operand(random)),
            (Csr.UIP, random.choice((0, 1))),
        ]

    def _low(self, receiver: int) -> int:
        random = self._random
        values = {"active": random.random() < 0.8, "hartid": receiver % (self._harts + 1)}
        for name in ("mode", "supervisor", "notify"):
            values[name] = random.random() < 0.2
        return LOW.pack(**values)

    def _register(self) -> None:
        """Read or write a register of the controller; now and then something less than a word."""
        random, receiver = self._random, self._random.randrange(RECEIVERS)
        slot, control = CONTROLLER_BASE + SLOT_BYTES * receiver, CONTROLLER_BASE + CONTROL_OFFSET
        hart = random.randrange(self._harts)
        address, value = random.choice(
            (
                (slot, random.randrange(66)),
                (slot + LOW.address, self._low(receiver)),
                (slot + HIGH.address, 1 << random.randrange(64)),
                (slot + ACTIVE.address, random.randrange(2)),
                (CONTROLLER_BASE + MASK_OFFSET + MASK_BYTES * receiver, random.choice((0, 0xFF))),
                (control + SLOT_RESET.address, random.choice((5, 5, 512))),
                (control + NOTIFY_HART.address, random.randrange(self._harts + 1)),
                (control + random.choice(CONTROL_REGISTERS).address, operand(random)),
                (control + REJECTED_OFFSET + 8 * hart, 0),
                (control + THROTTLE_OFFSET + 8 * hart, random.choice((0, operand(random)))),
                (control + ENTRY_CACHE_OFFSET + 8 * hart, random.choice((0, 1, 1))),
                (control + CLAIM.address, 0),
            )
        )
        kind = random.random()
        if kind < 0.03:
            self._store(address, value, "sw")
        elif kind < 0.6:
            self._store(address, value)
        else:
            self._code.li(X5, address)
            self._code("ld", X6, X5)

    def _user(self) -> None:
        """One thing that user mode does."""
        code, random = self._code, self._random
        kind = random.randrange(12)
        if kind < 5:
            code.li(X5, random.choice((*range(16), *range(16), 511, 512)))
            code("uipi.send", X6, X5)
        elif kind < 8:
            code.li(X5, 1 << random.randrange(64))
            code(f"uipi.{random.choice(('read', 'write', 'activate', 'deactivate'))}", X6, X5)
        elif kind == 8:
            code.li(X5, operand(random))
            number = random.choice((Csr.USCRATCH, Csr.UEPC, Csr.UCAUSE, Csr.UTVAL))
            code(random.choice(("csrrw", "csrrs", "csrrc")), X6, X5, imm=number)
        elif kind == 9:
            code("csrrs", X6, 0, imm=random.choice((Csr.UIP, Csr.USTATUS, Csr.UIE, Csr.UTVEC)))
        elif kind == 10:
            number, bit = random.choice(((Csr.USTATUS, 1), (Csr.UIP, 1), (Csr.UIE, 1)))
            code(random.choice(("csrrsi", "csrrsi", "csrrci")), X6, bit, imm=number)
        elif random.random() < 0.5:  # to what comes next
            code("auipc", X5, imm=0)
            code("addi", X5, X5, imm=16)
            code("csrrw", 0, X5, imm=Csr.UEPC)
            code("uret")
        else:
            code.li(X5, layout.DATA + 8 * random.randrange(0x200))
            code("ld", X6, X5)
