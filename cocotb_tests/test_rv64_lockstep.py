"""The hart in lock-step with Spike, and whether the comparison would notice a fault."""

from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from typing import Any

import pytest

from rel4.compiled.spike_library import missing
from rv64_verify import layout
from rv64_verify.directed import PROGRAMS
from rv64_verify.directed_frame import directed_program
from rv64_verify.encode import ALL, Code, encode
from rv64_verify.lockstep import LockstepError, Record, Recorder, lockstep
from rv64_verify.long_run import SHAPES, run_seed
from rv64_verify.random_program import random_program
from rv64_verify.rtl import Rtl
from uintr.registers import URET_WORD, UipiFunction, uipi_word

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

SEEDS = range(12)


@pytest.fixture(scope="module")
def rtl() -> Iterator[Rtl]:
    rtl = Rtl(memory_bytes=layout.MEMORY_BYTES)
    yield rtl
    rtl.close()


# --- programs ---


def test_words_of_the_encoder() -> None:
    for function in UipiFunction:
        assert encode(f"uipi.{function.name.lower()}", 7, 9) == uipi_word(function, rd=7, rs1=9)
    assert encode("uret") == URET_WORD
    # As binutils has them.
    assert encode("beq", rs1=1, rs2=2, imm=-4094 & ~1) == 0x8020_8163
    assert encode("jal", 1, imm=0xF_F7FE) == 0x7FEF_F0EF
    assert encode("c.j", imm=-2) == 0xBFFD
    assert encode("c.addi16sp", imm=-64) == 0x7139
    assert encode("amomaxu.d", 1, 2, 3, imm=3) == 0xE631_30AF
    assert encode("c.beqz", rs1=9, imm=0xD6) == 0xC8F9
    assert encode("c.ld", 9, 10, imm=168) == 0x7544
    assert encode("c.sdsp", rs2=5, imm=328) == 0xE696


def test_every_instruction_is_encoded() -> None:
    words = set()
    for name in ALL:
        short = 9 if name.startswith("c.") else 0
        words.add(encode(name, short, short, short, imm=16 if name == "c.addi4spn" else 0))
    assert len(words) == len(ALL) > 100


@pytest.mark.parametrize(
    "value", [0, -1, 2047, 2048, -2049, 0x7FFF_FFFF, 1 << 31, 1 << 63, 0xABCD << 40]
)
def test_constants_are_loaded(value: int) -> None:
    def body(code: Code) -> None:
        code.li(10, value)
        code.li(11, layout.DATA)
        code("sd", rs1=11, rs2=10)

    program = directed_program(body)
    recorder = Recorder(program, memory_bytes=layout.MEMORY_BYTES, tohost=layout.TOHOST)
    lockstep(program, recorder, memory_bytes=layout.MEMORY_BYTES, limit=1000)
    place = layout.DATA - layout.BASE
    assert recorder.memory()[place : place + 8] == (value & (1 << 64) - 1).to_bytes(8, "little")
    recorder.close()


def test_a_seed_is_a_program() -> None:
    assert random_program(5) == random_program(5)
    assert random_program(5) != random_program(6)


# --- the comparison itself, with Spike on both sides ---


class Corrupted:
    """Spike's records, one of them changed by ``corrupt``, which returns whether it did."""

    def __init__(self, inner: Recorder, corrupt: Callable[[Any], bool]) -> None:
        self._inner, self._corrupt = inner, corrupt
        self._skipped = 200

    def run(self, buffer: Any) -> int:
        count = self._inner.run(buffer)
        for place in range(count):
            if self._skipped:
                self._skipped -= 1
            elif self._corrupt is not None and self._corrupt(buffer[place]):
                self._corrupt = lambda record: False
        return count

    @property
    def ended(self) -> bool:
        return self._inner.ended

    def memory(self) -> bytes:
        return self._inner.memory()


def when(condition: Callable[[Any], bool], name: str, change: Callable[[int], int]) -> Any:
    """Change a field of the first record that meets a condition."""

    def corrupt(record: Any) -> bool:
        if record.enters or not condition(record):
            return False
        setattr(record, name, change(getattr(record, name)))
        return True

    return corrupt


def entering(change: Callable[[Any], None]) -> Any:
    def corrupt(record: Any) -> bool:
        if record.enters:
            change(record)
        return bool(record.enters)

    return corrupt


FAULTS = {
    "pc": when(lambda r: True, "pc", lambda v: v ^ 2),
    "next pc": when(lambda r: True, "next", lambda v: v ^ 4),
    "mode": when(lambda r: r.mode == 0, "mode", lambda v: 1),
    "order": when(lambda r: True, "order", lambda v: v + 1),
    "result": when(lambda r: r.rd != 0, "value", lambda v: v ^ 1 << 63),
    "a register that is not written": when(lambda r: r.rd == 0 and not r.trap, "rd", lambda v: 4),
    "a register that is written": when(lambda r: r.rd != 0 and r.value, "rd", lambda v: 0),
    "a trap that is none": when(lambda r: not r.trap, "trap", lambda v: 1),
    "no trap": when(lambda r: r.trap, "trap", lambda v: 0),
    "cause": when(lambda r: r.trap, "cause", lambda v: v ^ 1),
    "data stored": when(
        lambda r: r.write_mask & 1 and not r.read_mask, "write_data", lambda v: v ^ 1
    ),
    "bytes stored": when(lambda r: r.write_mask == 0xFF, "write_mask", lambda v: 0x7F),
    "bytes loaded": when(lambda r: r.read_mask == 0xFF, "read_mask", lambda v: 0x0F),
    "address": when(lambda r: r.write_mask, "address", lambda v: v ^ 8),
    "no store": when(lambda r: r.write_mask and not r.read_mask, "write_mask", lambda v: 0),
    "no load": when(lambda r: r.read_mask and not r.write_mask, "read_mask", lambda v: 0),
    "satp": when(lambda r: r.mode != 3, "satp", lambda v: v ^ 1),
    "an interrupt of another cause": entering(lambda r: setattr(r, "cause", r.cause ^ 2)),
    "an interrupt that is not told": entering(lambda r: setattr(r, "enters", 0)),
    "a handler's first instruction that says nothing": when(lambda r: r.intr, "intr", lambda v: 0),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_noticed(fault: str) -> None:
    program = random_program(2)
    recorder = Recorder(program, memory_bytes=layout.MEMORY_BYTES, tohost=layout.TOHOST)
    with pytest.raises(LockstepError):
        lockstep(
            program,
            Corrupted(recorder, FAULTS[fault]),
            memory_bytes=layout.MEMORY_BYTES,
            limit=100_000,
        )
    recorder.close()


def test_an_interrupt_that_never_comes_is_noticed() -> None:
    def body(enable: int) -> Callable[[Code], None]:
        def build(code: Code) -> None:
            code.li(5, 0x200_4000)
            code("sd", rs1=5, rs2=0)
            code("csrrsi", 0, 8, imm=0x300)
            code.li(6, 0x80)
            code("csrrw" if enable else "csrrs", 0, 6 if enable else 0, imm=0x304)
            for _ in range(40):
                code("addi", 7, 7, imm=1)

        return build

    recorder = Recorder(
        directed_program(body(0)), memory_bytes=layout.MEMORY_BYTES, tohost=layout.TOHOST
    )
    with pytest.raises(LockstepError, match="an interrupt must be taken"):
        lockstep(directed_program(body(1)), recorder, memory_bytes=layout.MEMORY_BYTES, limit=1000)
    recorder.close()


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_spike_agrees_with_itself(seed: int) -> None:
    program = random_program(seed)
    recorder = Recorder(program, memory_bytes=layout.MEMORY_BYTES, tohost=layout.TOHOST)
    outcome = lockstep(program, recorder, memory_bytes=layout.MEMORY_BYTES, limit=100_000)
    assert outcome.instructions > 5_000
    assert outcome.longest == 0
    recorder.close()


def test_a_record_reads_well() -> None:
    record = Record(cycle=5, mode=3, pc=0x8000_0000, insn=0x13, next=0x8000_0004)
    assert str(record) == "       5 M 0000000080000000 00000013 -> 80000004"


# --- the hart ---


@pytest.mark.sim
@pytest.mark.oracle
@pytest.mark.parametrize("name", PROGRAMS)
def test_directed(rtl: Rtl, name: str) -> None:
    """One after the other in one system, which has to forget the one before."""
    directed = PROGRAMS[name]
    program, size, shape = directed.image(), directed.memory_bytes, directed.shape
    with nullcontext(rtl) if size == layout.MEMORY_BYTES else closing(Rtl(memory_bytes=size)) as of:
        of.start(
            program,
            tohost=layout.TOHOST,
            limit=3_000_000,
            latency=shape.latency,
            jitter=shape.jitter,
        )
        outcome = lockstep(program, of, memory_bytes=size, limit=1_000_000)
    assert outcome.instructions > 20


@pytest.mark.sim
@pytest.mark.oracle
@pytest.mark.parametrize("seed", SEEDS)
def test_random(rtl: Rtl, seed: int) -> None:
    """The smallest caches; the long run has the others."""
    outcome, _ = run_seed(rtl, SHAPES[seed % 4], seed)
    assert outcome.longest <= 2
