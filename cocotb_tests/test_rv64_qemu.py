"""QEMU as a second opinion of the hart, and whether the comparison would notice a fault."""

from collections.abc import Iterator

import pytest

from rel4.compiled.spike_library import missing as no_spike
from rv64_verify import layout, qemu
from rv64_verify.directed import PROGRAMS
from rv64_verify.directed_frame import directed_program
from rv64_verify.lockstep import LockstepError, Record
from rv64_verify.rtl import Rtl

pytestmark = pytest.mark.oracle

SHORT = ("arithmetic div to sllw", "immediates", "branches", "halves 0xf000")


@pytest.fixture(scope="module")
def rtl() -> Iterator[Rtl]:
    rtl = Rtl(memory_bytes=layout.MEMORY_BYTES)
    yield rtl
    rtl.close()


@pytest.mark.skipif(qemu.missing() is not None, reason=str(qemu.missing()))
@pytest.mark.skipif(no_spike() is not None, reason=str(no_spike()))
@pytest.mark.parametrize("name", SHORT)
def test_the_hart_does_what_qemu_does(rtl: Rtl, name: str) -> None:
    assert qemu.compared(rtl, name) > 500


def told(pc: int, *registers: int) -> list[bytes]:
    words = [f"x{n}/any {value:016x}" for n, value in enumerate((*registers, *(0,) * 32)[:32])]
    lines = [f" pc       {pc:016x}", " mhartid  0000000000000000"]
    lines += [" " + " ".join(words[n : n + 4]) for n in range(0, 32, 4)]
    return [line.encode() for line in lines]


def log(*, last: int) -> list[bytes]:
    base = layout.BASE
    return [*told(0x1000), *told(base, 0, 7), *told(base + 4, 0, 7, 5), *told(base + 8, 0, last, 5)]


def records() -> list[Record]:
    base = layout.BASE
    return [
        Record(pc=base, rd=2, value=5),
        Record(pc=base + 4, rd=1, value=9),
        Record(pc=base + 0x100, trap=1, cause=1),  # of which QEMU tells nothing
        Record(pc=base + 8),
    ]


def test_a_wrong_register_is_noticed() -> None:
    assert qemu.follow(records(), qemu.states(log(last=9))) == 4
    with pytest.raises(LockstepError, match=r"instruction 4: .* with other registers \[1\]"):
        qemu.follow(records(), qemu.states(log(last=8)))


def test_every_program_that_is_compared_is_there() -> None:
    assert len(qemu.NAMES) > 20
    assert all(directed_program(PROGRAMS[name].body) for name in SHORT)
