"""Random programs for lock-step: all privileges, paging, traps, interrupts at random points, user
interrupts, compressed instructions, atomics, fences, code that changes itself and its page tables.

A program is a handful of blocks, run one after the other by the dispatcher (`handlers`), each with
its own privilege, address space, delegation, timers and user-interrupt state. A block is a row of
atoms: an instruction, or a few that belong together. Branches go over whole atoms, forward; loops
are atoms. So every program ends, whatever traps in between.
"""

from random import Random

from rv64_verify import layout
from rv64_verify.encode import Code
from rv64_verify.handlers import (
    DESCRIPTOR,
    machine_code,
    supervisor_code,
    user_handler,
)
from rv64_verify.layout import BASE, MEMORY_BYTES
from rv64_verify.random_block import RECEIVERS, WORD, operand
from rv64_verify.random_privileged import PrivilegedBlock
from uintr.registers import SENDER_ENTRY, Csr, Privilege

__all__ = ["random_program"]

M, S, U = Privilege.M, Privilege.S, Privilege.U
X5, X6, X7, S0, S1, SP, X27, X30 = 5, 6, 7, 8, 9, 2, 27, 30


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
        put(address, (value & WORD).to_bytes(8, "little"))

    low = Code(BASE)
    machine_code(low, traps=40 * turns, registers=[operand(random) for _ in range(32)])
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
        PrivilegedBlock(random, code, privilege, translated).build(
            random.randrange(atoms // 2, atoms)
        )
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
                receiver=random.choice((*range(RECEIVERS), 511, 512, 0xFFFF)),
            ),
        )
    for place in range(0, 0x1000 * layout.DATA_PAGES, 8):
        word(layout.DATA + place, operand(random))

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
        Csr.SUIRS: random.choice((1 << 63, 1 << 63, 0)) | random.randrange(RECEIVERS),
        Csr.USCRATCH: operand(random),
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
