"""What retired becomes events of the log."""

from typing import Any

import pytest

from rel4.compiled.recorder import instruction_line
from rel4.compiled.runner import Marker, Miss, Retired
from rel4.compiled.symbols import Symbols
from rel4.compiled.timeline import Timeline, context_name
from rel4.machine.events import Event
from uintr.registers import (
    CSRS,
    INTERRUPT_BIT,
    SENDER_ENTRY,
    URET_WORD,
    Csr,
    Status,
    UipiFunction,
    uipi_word,
)

SYMBOLS = Symbols([(0x100, 0x100, "user", True), (0x200, 0x100, "kernel", True)])
ECALL, MRET, NOP = 0x73, 0x3020_0073, 0x13
ASID_3 = 8 << 60 | 3 << 44 | 0x80001

PLAIN = Retired(
    cycle=1,
    hart=0,
    pc=0x100,
    next_pc=0x104,
    insn=NOP,
    mode=0,
    trap=False,
    intr=False,
    cause=0,
    rs1=0,
    rd=0,
    value=0,
    address=0,
    read_mask=0,
    write_mask=0,
    data=0,
    satp=0,
    status=0,
    interrupted=0,
)


def it(**fields: Any) -> Retired:
    return PLAIN._replace(**fields)


def events(*records: Retired) -> list[tuple[Any, ...]]:
    """Kind and fields of each event but those of functions, less cycle and hart."""
    timeline = Timeline(SYMBOLS)
    for record in records:
        timeline.retired(record)
    return [plain(event) for event in timeline.log if event.kind != "FunctionEntered"]


def plain(event: Event) -> tuple[Any, ...]:
    names = [name for cls in type(event).__mro__ for name in getattr(cls, "__slots__", ())]
    return (event.kind, *(getattr(event, name) for name in names if name not in ("cycle", "hart")))


def csrw(csr: Csr, value: int, function: int = 1) -> Retired:
    return it(insn=csr << 20 | 5 << 15 | function << 12 | 0x73, rs1=value, mode=3)


@pytest.mark.parametrize(
    ("hart", "mode", "satp", "name"),
    [
        (0, 0, ASID_3, "asid 3"),
        (1, 0, 0, "hart 1 U"),
        (2, 1, ASID_3, "hart 2 S"),
        (0, 3, 0, "hart 0 M"),
    ],
)
def test_contexts(hart: int, mode: int, satp: int, name: str) -> None:
    assert context_name(hart, mode, satp) == name


def test_a_system_call_and_back() -> None:
    assert events(
        it(satp=ASID_3, insn=ECALL, trap=True, cause=8, next_pc=0x200),
        it(pc=0x200, mode=3, insn=MRET, next_pc=0x104),
        it(pc=0x104, satp=ASID_3),
    ) == [
        ("Trap", "ecall", "asid 3"),
        ("TrapReturn", "asid 3"),
    ]


@pytest.mark.parametrize(
    ("cause", "name"),
    [
        (INTERRUPT_BIT | 7, "timer"),
        (INTERRUPT_BIT | 5, "timer"),
        (INTERRUPT_BIT | 1, "ipi"),
        (INTERRUPT_BIT | 3, "ipi"),
        (INTERRUPT_BIT | 13, "interrupt"),
    ],
)
def test_an_interrupt_of_the_kernel(cause: int, name: str) -> None:
    records = it(satp=ASID_3), it(pc=0x200, mode=1, intr=True, cause=cause, satp=ASID_3)
    assert events(*records) == [("Trap", name, "asid 3")]


def test_a_fault() -> None:
    assert events(it(trap=True, cause=13)) == [("Trap", "fault", "hart 0 U")]


def test_threads_change() -> None:
    other = ASID_3 + (1 << 44)
    assert events(
        it(pc=0x200, mode=3, insn=MRET),
        it(satp=ASID_3),
        it(satp=ASID_3, insn=ECALL, trap=True, cause=8),
        it(pc=0x200, mode=3, insn=MRET),
        it(satp=other),
    ) == [
        ("TrapReturn", "asid 3"),
        ("Trap", "ecall", "asid 3"),
        ("TrapReturn", "asid 4"),
        ("ContextSwitch", "asid 3", "asid 4"),
    ]


def test_a_user_interrupt_and_back() -> None:
    assert events(
        it(next_pc=0x110),
        it(pc=0x140, intr=True, cause=INTERRUPT_BIT, interrupted=0x110),
        it(pc=0x144, insn=URET_WORD, next_pc=0x110),
        it(pc=0x110, insn=URET_WORD, next_pc=0x120),
    ) == [
        ("UserTrap", "hart 0 U", 0x110, 0x140),
        ("UserReturn", "hart 0 U", 0x110),
    ], "a uret that returns from nothing is none"


def test_a_post_says_by_which_entry() -> None:
    table = CSRS[Csr.SUIST].pack(en=1, size=1, ppn=0x80002)
    entry = SENDER_ENTRY.pack(valid=1, vector=5, receiver=9)
    send = it(insn=uipi_word(UipiFunction.SEND, rs1=10), rs1=4, data=entry, status=Status.OK)
    done = ("UipiDone", "SEND", 4, table, 0, 0, "OK")
    assert events(csrw(Csr.SUIST, table), send, send) == [
        ("SenderEntryWritten", table, 4, 5, 9),
        done,
        done,
    ]
    refused = send._replace(status=Status.INVALID)
    assert events(refused) == [("UipiDone", "SEND", 4, 0, 0, 0, "INVALID")]


def test_uipi_in_all_encodings() -> None:
    receiver = CSRS[Csr.SUIRS].pack(en=1, index=7)
    set_up = csrw(Csr.SUIRS, receiver)
    done = ("UipiDone", "READ", 0, 0, receiver, 0xF0, "OK")
    standard = uipi_word(UipiFunction.READ, rd=10)
    text = standard & ~(7 << 12) | 2 << 12
    immediate = UipiFunction.READ << 20 | 2 << 12 | 10 << 7 | 0x7B
    for word in (standard, text, immediate):
        assert events(set_up, it(insn=word, rd=10, value=0xF0)) == [done]


def test_set_and_clear_of_the_port_s_registers() -> None:
    records = [csrw(Csr.SUIRS, 0xF0), csrw(Csr.SUIRS, 0x0F, 2), csrw(Csr.SUIRS, 0x81, 3)]
    write = it(insn=uipi_word(UipiFunction.WRITE, rs1=10), rs1=6)
    assert events(*records, write) == [("UipiDone", "WRITE", 6, 0, 0x7E, 0, "OK")]


def test_functions_marks_and_misses_in_the_order_of_cycles() -> None:
    timeline = Timeline(SYMBOLS)
    timeline.retired(it(cycle=10))
    timeline.retired(it(cycle=11, pc=0x108))
    timeline.miss(Miss(12, 0, "dcache"))
    timeline.retired(it(cycle=20, pc=0x200))
    timeline.marks((Marker(15, 0, 3, 255),))
    assert [(event.cycle, *plain(event)) for event in timeline.log] == [
        (10, "FunctionEntered", "user", "hart 0 U"),
        (12, "CacheMiss", "dcache"),
        (15, "Mark", "mark 3: 0xff"),
        (20, "FunctionEntered", "kernel", "hart 0 U"),
    ]


def test_a_line_for_people() -> None:
    store = it(pc=0x108, insn=0xE406, mode=1, address=0x8000, data=5, write_mask=0xFF)
    assert instruction_line(store, SYMBOLS) == (
        "         1 0 S 0000000000000108 e406     user+0x8  [0x8000]=0x5/ff"
    )
    trap = it(trap=True, cause=8, next_pc=0x200, insn=ECALL)
    assert instruction_line(trap, SYMBOLS).endswith(" 00000073 user  trap 0x8 to kernel")
    load = it(rd=5, value=16, intr=True, cause=INTERRUPT_BIT, read_mask=3, address=0x10)
    assert instruction_line(load, SYMBOLS).endswith(
        "user  interrupt 0x8000000000000000  x5=0x10  [0x10]/03"
    )
