"""Spike with user interrupts on top: the model that the hart is compared with."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rel4.compiled.elf import Program, Segment
from rel4.compiled.runner import Ending, Listener, Marker, RunConfig
from rel4.compiled.spike import Spike, run
from rel4.compiled.spike_library import missing
from rel4.compiled.symbols import Symbols
from rv64_verify.encode import Code, encode
from uintr.registers import CAUSE_USER_SOFTWARE, SENDER_ENTRY, Csr, Privilege

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

BASE = 0x8000_0000
TOHOST = BASE + 0x1000
TABLE = BASE + 0x2000
USER = BASE + 0x3000
SLOT = 0x300_0000
T0, T1, A0, A1, A2 = 5, 6, 10, 11, 12
MEPC, MSTATUS, MTVEC, MIDELEG, MIP, SIP, MIE = 0x341, 0x300, 0x305, 0x303, 0x344, 0x144, 0x304


Part = Callable[[Code], None]


def nothing(code: Code) -> None:
    """No instruction at all."""


def program(user: Part, kernel: Part = nothing) -> bytes:
    """Receiver 0 and sender entry 0 (vector 3) belong to this hart; ``user`` runs in U-mode, after
    ``kernel`` in M-mode."""
    code = Code(BASE)

    def csr(number: int, value: int) -> None:
        code.li(T0, value)
        code("csrrw", 0, T0, imm=number)

    code.li(T1, SLOT)
    code("addi", T0, 0, imm=1)
    code("sd", rs1=T1, rs2=T0, imm=8)
    csr(Csr.SUIST, 1 << 63 | 1 << 44 | TABLE >> 12)
    csr(Csr.SUIRS, 1 << 63)
    csr(MIDELEG, 0x111)
    csr(Csr.SIDELEG, 1)
    csr(Csr.UIE, 1)
    csr(Csr.UTVEC, USER + 0x200)
    csr(MEPC, USER)
    csr(MTVEC, BASE + 0x800)
    csr(0x3A0, 0x1F)
    csr(0x3B0, -1)
    kernel(code)
    code("mret")
    code.raw(bytes(0x800 - len(code.bytes)))
    code.li(T0, TOHOST)
    code("addi", T1, 0, imm=1)
    code("sd", rs1=T0, rs2=T1)
    code("jal", to="self")
    code.label("self")
    code.raw(bytes(TABLE - code.here))
    code.raw(SENDER_ENTRY.pack(valid=1, vector=3, receiver=0).to_bytes(8, "little"))
    code.raw(bytes(USER - code.here))
    user(code)
    return code.finish()


def handler(code: Code) -> None:
    code.raw(bytes(USER + 0x200 - code.here))
    code("csrrs", A1, 0, imm=Csr.UCAUSE)
    code("csrrs", A2, 0, imm=Csr.UEPC)
    code("uipi.read", A0)
    code("uret")


def booted(user: Part, kernel: Part = nothing) -> Spike:
    spike = Spike(tohost=TOHOST, memory_bytes=1 << 20)
    spike.load([(BASE, program(user, kernel))])
    return spike


@pytest.mark.parametrize("form", range(3))
def test_a_post_to_oneself_is_taken_before_the_next_instruction(form: int) -> None:
    def user(code: Code) -> None:
        code("csrrsi", 0, 1, imm=Csr.USTATUS)
        code.word(encode("uipi.send", 0, 0, form=form))
        code.label("next")
        code("ecall")
        handler(code)

    with booted(user) as spike:
        assert spike.run(100_000) == "exit"
        assert spike.register(A0) == 1 << 3
        assert spike.register(A1) == CAUSE_USER_SOFTWARE
        assert spike.register(A2) == USER + 8
        assert spike.csr(Csr.USTATUS) == 0x11


def test_one_thing_a_step() -> None:
    def user(code: Code) -> None:
        code("csrrsi", 0, 1, imm=Csr.USTATUS)
        code("uipi.send")
        code("ecall")
        handler(code)

    with booted(user) as spike:
        while spike.privilege() is not Privilege.U:
            assert spike.step() == 1
        assert [spike.step(), spike.step()] == [1, 1]
        assert (spike.step(), spike.pc()) == (0, USER + 0x200)
        assert (spike.step(), spike.pc()) == (1, USER + 0x204)


def test_what_waits_is_taken_when_user_mode_is_entered() -> None:
    """The kernel sets the pending bit and the enable from above, as bits 0 of mip and mstatus."""

    def kernel(code: Code) -> None:
        code("csrrsi", 0, 1, imm=MIP)
        code("csrrsi", 0, 1, imm=MSTATUS)

    def user(code: Code) -> None:
        code("csrrci", 0, 1, imm=Csr.UIP)
        code("ecall")
        handler(code)

    with booted(user, kernel) as spike:
        while spike.privilege() is not Privilege.U:
            spike.step()
        assert (spike.step(), spike.pc()) == (0, USER + 0x200)
        assert spike.csr(MIP) & 0x111 == 1
        assert spike.csr(Csr.UIP) == 1
        assert spike.csr(MSTATUS) & 0x11 == 0x10
        assert spike.csr(Csr.UEPC) == USER


@pytest.mark.parametrize("number", [MIP, SIP, Csr.UIP])
def test_setting_a_pending_bit_never_latches_the_line(number: int) -> None:
    def kernel(code: Code) -> None:
        code("uipi.send")
        code("csrrsi", A0, 2, imm=number)
        code("uipi.read", A1)
        code("csrrs", A2, 0, imm=number)

    with booted(lambda code: code("ecall"), kernel) as spike:
        assert spike.run(100_000) == "exit"
        assert spike.register(A0) & 1 == 1
        assert spike.register(A1) == 1 << 3
        assert spike.register(A2) & 1 == 0


@pytest.mark.parametrize(("number", "above"), [(MIE, Csr.UIE), (MSTATUS, Csr.USTATUS)])
def test_bits_seen_from_above_are_the_user_registers(number: int, above: Csr) -> None:
    def kernel(code: Code) -> None:
        code("csrrci", 0, 1, imm=number)
        code("csrrs", A0, 0, imm=above)
        code("csrrsi", 0, 1, imm=number)
        code("csrrs", A1, 0, imm=above)

    with booted(lambda code: code("ecall"), kernel) as spike:
        assert spike.run(100_000) == "exit"
        assert (spike.register(A0) & 1, spike.register(A1) & 1) == (0, 1)


def test_a_table_outside_main_memory_is_no_post() -> None:
    def kernel(code: Code) -> None:
        code.li(T0, 1 << 63 | 1 << 44 | 0x4000_0)
        code("csrrw", 0, T0, imm=Csr.SUIST)
        code("uipi.send")
        code("uipi.read", A1)

    with booted(lambda code: code("ecall"), kernel) as spike:
        assert spike.run(100_000) == "exit"
        assert spike.register(A1) == 0


def test_console_and_status() -> None:
    told: list[bytes] = []
    with Spike(tohost=TOHOST, memory_bytes=1 << 20, on_console=told.append) as spike:
        code = Code(BASE)
        code.li(T0, 0x1000_0000)
        for letter in b"hi":
            code("addi", T1, 0, imm=letter)
            code("sb", rs1=T0, rs2=T1)
        code.li(T0, TOHOST)
        code("addi", T1, 0, imm=7 << 1 | 1)
        code("sd", rs1=T0, rs2=T1)
        spike.load([(BASE, code.finish())])
        assert spike.run(100_000) == "exit"
        assert spike.tohost == 7 << 1 | 1
    assert b"".join(told) == b"hi"


def test_a_timer_wakes_a_waiting_hart() -> None:
    code = Code(BASE)
    code.li(T0, 0x200_4000)
    code.li(T1, 1_000_000)
    code("sd", rs1=T0, rs2=T1)
    code.li(T0, 1 << 7)
    code("csrrw", 0, T0, imm=MIE)
    code("wfi")
    code.li(T0, TOHOST)
    code("addi", T1, 0, imm=1)
    code("sd", rs1=T0, rs2=T1)
    with Spike(tohost=TOHOST, memory_bytes=1 << 20) as spike:
        spike.load([(BASE, code.finish())])
        assert spike.run(2_000_000) == "exit"
        assert 1_000_000 <= spike.time < 1_010_000


def test_harts_that_wait_for_nothing_are_told() -> None:
    code = Code(BASE)
    code("wfi")
    with Spike(harts=2, memory_bytes=1 << 20) as spike:
        spike.load([(BASE, code.finish())])
        assert spike.run(2_000_000) == "stuck"


def test_a_store_of_another_hart_breaks_a_reservation() -> None:
    """Each of two harts adds 1 a thousand times with LR and SC, interleaved at every length."""
    code = Code(BASE)
    code.li(T0, BASE + 0x2000)
    code.li(A0, 1000)
    code.label("again")
    code("lr.d", T1, T0)
    code("addi", T1, T1, imm=1)
    code("sc.d", A1, T0, T1)
    code("bne", rs1=A1, to="again")
    code("addi", A0, A0, imm=-1)
    code("bne", rs1=A0, to="again")
    code("wfi")
    for quantum in (7, 13, 64):
        with Spike(harts=2, memory_bytes=1 << 20, quantum=quantum) as spike:
            spike.load([(BASE, code.finish())])
            assert spike.run(1_000_000) == "stuck"
            assert int.from_bytes(spike.memory[0x2000:0x2008], "little") == 2000


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ({"harts": 0}, "harts must be 1 to 64, not 0"),
        ({"memory_bytes": 100}, "memory must be whole pages up to 4 GiB, not 100 bytes"),
        ({"quantum": 0}, "quantum must be 1 to 1000000, not 0"),
        ({"tohost": 8}, "tohost must be in main memory, not at 0x8"),
    ],
)
def test_wrong_shapes(shape: dict[str, int], sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        # No type fits: wrong shapes, of any type.
        Spike(**shape)  # type: ignore[arg-type]
    assert str(error.value) == sentence


def test_the_runner_tells_of_console_marks_and_status() -> None:
    code = Code(BASE)
    code("addi", A0, 0, imm=77)
    code("slti", 0, A0, imm=5)
    code.li(T0, 0x1000_0000)
    code("lbu", T1, T0)
    code("sb", rs1=T0, rs2=T1)
    code.li(T0, TOHOST)
    code("addi", T1, 0, imm=9 << 1 | 1)
    code("sd", rs1=T0, rs2=T1)
    content = code.finish()
    program = Program(
        path=Path("none"),
        segments=(Segment(BASE, content, len(content)),),
        symbols=Symbols([]),
        tohost=TOHOST,
    )
    result = run(program, RunConfig(memory_mib=1, input=b"?"), Listener())
    assert (result.ending, result.status, result.console) == (Ending.EXIT, 9, b"?")
    assert result.marks == (Marker(0, 0, 5, 77),)
    assert result.sentence == "the program ended with status 9"


def test_the_runner_has_no_trace() -> None:
    program = Program(path=Path("none"), segments=(), symbols=Symbols([]))
    with pytest.raises(ValueError, match="trace must be left out with spike, which has none"):
        run(program, RunConfig(trace=True), Listener())
