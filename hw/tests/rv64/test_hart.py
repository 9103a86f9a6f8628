"""The cycle tables of the page on the hart, measured; and what the port is asked."""

from itertools import pairwise
from typing import Any

from rv64asm import (
    ECALL,
    FENCE,
    MRET,
    NOP,
    SRET,
    URET,
    addi,
    amo,
    branch,
    csr,
    divide,
    jal,
    jalr,
    li,
    load,
    multiply,
    store,
    uipi,
)
from rv64machine import Retired, run

from rv64.memory_map import CONTROLLER_BASE, MTIME_OFFSET, RAM_BASE
from uintr.registers import LOW, SENDER_ENTRY, Csr, UipiFunction

MSTATUS, MIDELEG, MEDELEG, MTVEC, MSCRATCH, MEPC = 0x300, 0x303, 0x302, 0x305, 0x340, 0x341
STVEC, SEPC, MIE = 0x105, 0x141, 0x304
CLINT = 0x0200_0000
BEQ, BNE = 0, 1


def test_cycles_of_each_class_of_instruction() -> None:
    """The cycles from the end of the instruction before to the end of this one, warm."""
    steps: list[tuple[str, int, list[int]]] = [
        ("alu", 1, [addi(5, 5, 1)]),
        ("its result", 1, [addi(6, 5, 1)]),
        ("load", 1, [load(8, 10)]),
        ("its result at once", 2, [addi(9, 8, 1)]),
        ("load", 1, [load(8, 10)]),
        ("between", 1, [NOP]),
        ("its result", 1, [addi(9, 8, 1)]),
        ("store", 1, [store(9, 10)]),
        ("what was stored", 1, [load(9, 10)]),
        ("a branch forward", 1, [branch(BEQ, 0, 0, 8), NOP]),
        ("its target", 3, [NOP]),
        ("a branch that is not taken", 1, [branch(BNE, 0, 0, 8)]),
        ("the next", 1, [NOP]),
        ("jump", 1, [jal(0, 8), NOP]),
        ("the target of a jump", 2, [NOP]),
        ("multiply", 7, [multiply(12, 5, 6)]),
        ("divide", 68, [divide(12, 5, 6)]),
        ("csr", 3, [csr(MSCRATCH, 0, rd=13, funct3=2)]),
        ("csr write", 3, [csr(MSCRATCH, 5)]),
        ("csr that others heed, partly at the port", 4, [csr(MIE, 0)]),
        ("what is behind it", 5, [NOP]),
        ("csr at the port", 4, [csr(Csr.UEPC, 0, rd=13, funct3=2)]),
        ("amo", 9, [amo(0, 14, 10, 5)]),
        ("lr", 6, [amo(2, 14, 10, 0)]),
        ("sc", 5, [amo(3, 14, 10, 5)]),
        ("a load that misses", 9, [load(8, 10)]),
        ("fence", 4, [FENCE]),
        ("a device", 7, [load(8, 15)]),
        ("between", 1, [NOP]),
        ("jalr", 1, [jalr(0, 16)]),
        ("its target", 3, []),
    ]
    setup = li(10, RAM_BASE + 0x800) + li(15, CLINT + MTIME_OFFSET)
    begin = len(setup) + len(li(0, 0))
    program = setup + li(16, RAM_BASE + 4 * begin)
    expected, address = [], RAM_BASE + 4 * begin
    for name, cycles, words in steps:
        expected.append((address, name, cycles))
        program += words
        address += 4 * len(words)
    expected[-1] = (RAM_BASE + 4 * begin, *expected[-1][1:])

    retired, _ = run(program, cycles=800)
    rounds = [place for place, each in enumerate(retired) if each.pc == expected[0][0]]
    warm = retired[rounds[1] - 1 : rounds[2] + 1]  # from the jump before to the target behind
    ended = {after.pc: after.cycle - before.cycle for before, after in pairwise(warm)}
    first = expected.pop(0)
    assert ended == {
        **{pc: cycles for pc, _, cycles in expected},
        first[0]: 3,
    }, [name for pc, name, cycles in expected if ended.get(pc) != cycles]


def at(retired: list[Retired], pc: int, after: int = 0) -> int:
    """The cycle in which the instruction there left the last stage, not before ``after``."""
    return next(each.cycle for each in retired if each.pc == pc and each.cycle >= after) - 1


def user_setup(handler: int, user: int) -> list[int]:
    """Receiver 1 is this hart's user code's; sender-table entry 0 posts vector 7 to it."""
    slot = CONTROLLER_BASE + 32
    program = []
    for number, value in (
        (MIDELEG, 0x23),
        (Csr.SIDELEG, 1),
        (Csr.SUIRS, 1 << 63 | 1),
        (Csr.SUIST, 1 << 63 | 1 << 44 | (RAM_BASE + 0x1000) >> 12),
        (Csr.UTVEC, handler),
        (Csr.UIE, 1),
        (Csr.USTATUS, 1),
        (MEPC, user),
        (MSTATUS, 1),
    ):
        program += [*li(5, value), csr(number, 5)]
    program += [*li(5, slot + LOW.address), *li(6, LOW.pack(active=1, mode=1)), store(6, 5)]
    return [*program, MRET]


def test_a_user_interrupt_from_its_post_to_the_code_it_interrupted() -> None:
    user, handler = RAM_BASE + 0x400, RAM_BASE + 0x480
    program = user_setup(handler, user)
    program += [NOP] * ((user - RAM_BASE) // 4 - len(program))
    program += [addi(9, 9, 1), uipi(UipiFunction.SEND), *[addi(8, 8, 1)] * 14, jal(0, -4 * 15)]
    program += [NOP] * ((handler - RAM_BASE) // 4 - len(program))
    program += [addi(20, 20, 1), uipi(UipiFunction.READ, rd=21), URET]
    lines: list[int] = []
    requests: list[tuple[int, int, int]] = []

    def watch(ctx: Any, soc: Any, cycle: int) -> None:
        port = soc.harts[0].port
        lines.append(ctx.get(port.interrupt))
        if ctx.get(port.request.valid) and ctx.get(port.request.ready):
            kind = ctx.get(port.request.payload.kind)
            requests.append((cycle, kind, ctx.get(port.request.payload.data)))

    entry = SENDER_ENTRY.pack(valid=1, vector=7, receiver=1)
    retired, _ = run(program, cycles=1100, words={RAM_BASE + 0x1000: entry}, watch=watch)
    entered = [each for each in retired if each.intr]
    assert len(entered) > 3
    assert {each.pc for each in entered} == {handler}
    assert {each.cause for each in entered} == {1 << 63}
    assert {each.value for each in retired if each.rd == 21} == {1 << 7}
    # Every round alike from the second on: caches are warm.
    start = entered[-2].cycle - 1
    rise = max(cycle for cycle in range(start) if lines[cycle] and not lines[cycle - 1])
    sends = [at(retired, user + 4, cycle) for cycle in range(start - 30, start)]
    send = max(cycle for cycle in sends if cycle < start)
    accepted = max(cycle for cycle, kind, _ in requests if kind == 1 and cycle < send)
    trap = max(cycle for cycle, kind, _ in requests if kind == 2 and cycle < start)
    returned = at(retired, handler + 8, start)
    resumed = retired[[each.cycle for each in retired].index(returned + 1) + 1]
    measured = {
        "SEND accepted to line": rise - accepted,
        "line to TRAP accepted": trap - rise,
        "TRAP accepted to the handler's first instruction": start - trap,
        "uret's end to the interrupted instruction's": resumed.cycle - 1 - returned,
    }
    assert measured == {
        "SEND accepted to line": 7,
        "line to TRAP accepted": 3,
        "TRAP accepted to the handler's first instruction": 3,
        "uret's end to the interrupted instruction's": 5,
    }
    # The request says where it interrupted, and there the code goes on.
    assert {cycle: data for cycle, _, data in requests}[trap] == resumed.pc


def test_nothing_of_a_wrong_path_reaches_the_port() -> None:
    """UIPI, CSRs of the port and uret stand behind branches that are taken, and behind traps."""
    handler = RAM_BASE + 0x200
    forbidden = [uipi(UipiFunction.SEND), csr(Csr.USCRATCH, 5), URET, uipi(UipiFunction.READ)]
    program = [*li(5, handler), csr(MTVEC, 5), addi(6, 0, 8)]
    loop = len(program)
    program += [branch(BEQ, 0, 0, 4 * 5), *forbidden]  # forward, guessed wrong
    program += [jal(0, 4 * 5), *forbidden]
    program += [*li(7, RAM_BASE + 4 * (len(program) + 11 + 5)), jalr(0, 7), *forbidden]
    program += [ECALL, *forbidden]
    back = len(program)
    program += [addi(6, 6, -1), branch(BNE, 6, 0, -4 * (back + 1 - loop)), *forbidden[:2]]
    program += [jal(0, 0)]
    program += [NOP] * ((handler - RAM_BASE) // 4 - len(program))
    program += [csr(MEPC, 0, rd=28, funct3=2), addi(28, 28, 20), csr(MEPC, 28), MRET]
    asked: list[int] = []

    def watch(ctx: Any, soc: Any, cycle: int) -> None:
        request = soc.harts[0].port.request
        if ctx.get(request.valid):
            asked.append(cycle)

    retired, _ = run(program, cycles=900, watch=watch)
    assert [each.cause for each in retired if each.trap] == [11] * 8
    # The last round falls through: there, and only there, the first two are executed.
    end = [each.cycle for each in retired if each.insn == forbidden[0]]
    assert len(end) == 1
    assert len(asked) == 2
    assert min(asked) > max(each.cycle for each in retired if each.trap)


def test_a_trap_into_supervisor_mode_and_back_saves_and_restores_31_registers() -> None:
    user, handler, frame = RAM_BASE + 0x400, RAM_BASE + 0x600, RAM_BASE + 0x1000
    program = []
    for number, value in (
        (MEDELEG, 0x100),
        (STVEC, handler),
        (0x140, frame),
        (MEPC, user),
        (MSTATUS, 0),
    ):
        program += [*li(5, value), csr(number, 5)]
    program += [MRET]
    program += [NOP] * ((user - RAM_BASE) // 4 - len(program))
    program += [*[addi(x, x, 1) for x in range(1, 32)], ECALL, jal(0, -4)]
    program += [NOP] * ((handler - RAM_BASE) // 4 - len(program))
    program += [csr(0x140, 10, rd=10)]  # the frame, and a0 into sscratch
    program += [store(x, 10, 8 * x) for x in range(1, 32) if x != 10]
    program += [csr(0x140, 10, rd=11), store(11, 10, 8 * 10)]
    program += [csr(SEPC, 0, rd=5, funct3=2), addi(5, 5, 4), csr(SEPC, 5)]
    program += [load(x, 10, 8 * x) for x in range(1, 32) if x != 10]
    program += [load(10, 10, 8 * 10), SRET]

    retired, memory = run(program, cycles=1500)
    traps = [each for each in retired if each.trap]
    assert len(traps) > 4
    assert {each.cause for each in traps} == {8}
    assert [memory[frame + 8 * x] for x in range(1, 32) if x not in (5, 10)].count(1) >= 27
    # From the end of the instruction before the ecall to that of the one behind it.
    behind = [each.cycle for each in retired if each.pc == user + 4 * 32]
    assert {after - before for before, after in pairwise(behind[2:])} == {93}


def test_a_debugger_halts_steps_and_lets_go() -> None:
    program = [addi(5, 5, 1), addi(6, 6, 1), store(6, 10, 0x700), jal(0, -12)]
    setup = li(10, RAM_BASE)
    halted: list[tuple[int, int]] = []

    def watch(ctx: Any, soc: Any, cycle: int) -> None:
        ctx.set(soc.halt_request, 200 <= cycle < 320)
        ctx.set(soc.halt_step, cycle in (240, 280))
        halted.append((cycle, ctx.get(soc.halted)))

    retired, _ = run(setup + program, cycles=380, watch=watch)
    standing = [cycle for cycle, each in halted if each]
    assert standing[0] < 215
    assert set(standing) >= {*range(215, 240), *range(255, 280), *range(295, 320)}
    inside = [each.cycle for each in retired if standing[0] < each.cycle <= 321]
    assert len(inside) == 2, "one instruction a step"
    pcs = [each.pc for each in retired if each.pc >= RAM_BASE + 4 * len(setup)]
    loop = [RAM_BASE + 4 * (len(setup) + place) for place in range(4)]
    assert pcs == [loop[place % 4] for place in range(len(pcs))], "none is lost, none done twice"
    assert len(pcs) > 40
