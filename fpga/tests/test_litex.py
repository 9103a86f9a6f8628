"""LiteX's own server and client drive the board unchanged."""

import re
from pathlib import Path

import pytest
from litex_client import litex_client

from uintr.registers import Csr, CsrFunction, RequestKind
from uintr_fpga.export import csr_csv, csr_json
from uintr_fpga.steps import Step, decode_answers, encode_step
from uintr_fpga.window import COMMAND, ECHO, ECHO_WORD, MAGIC, STATUS, checksum

pytest.importorskip("litex.tools.litex_client", reason="LiteX is not installed (extra: litex)")

# LiteX's reader of csr.csv leaves the file open.
pytestmark = [
    pytest.mark.sim,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def client(terminal: str, target, tmp_path: Path):
    """A RemoteClient of a litex_server that has the emulated board's port."""
    table = tmp_path / "csr.csv"
    table.write_text(csr_csv(target))
    with litex_client(terminal, table) as made:
        yield made


def test_registers_by_name(client, target) -> None:
    assert client.regs.uintr_ident.read() == 0x5549_4E54
    assert client.regs.uintr_receivers.read() == target.config.receivers
    assert client.regs.uintr_clock_hz.read() == client.constants.config_clock_frequency
    client.regs.uintr_scratch.write(0x1234_5678)
    assert client.regs.uintr_scratch.read() == 0x1234_5678


def test_bursts(client) -> None:
    echo = [ECHO_WORD | ECHO + word for word in range(20)]
    assert client.read(4 * ECHO, length=20) == echo
    assert client.read(4 * ECHO, length=3, burst="fixed") == echo[:1] * 3


def test_a_program_through_the_client(client, target) -> None:
    """A request to the hardware with nothing but LiteX's reads and writes."""
    from rel4.machine.device import Request

    request = Request(RequestKind.CSR, CsrFunction.WRITE, Csr.USCRATCH, 1)
    again = Request(RequestKind.CSR, CsrFunction.READ, Csr.USCRATCH)
    steps = [
        Step(reset=True, limit=10_000),
        Step(requests=((0, request),), limit=9),
        Step(requests=((0, again),), limit=9),
    ]
    words = [word for step in steps for word in encode_step(step)]
    number = (client.regs.uintr_status.read() >> 24) + 1 & 0xFF
    header = MAGIC << 24 | number << 16 | len(words)
    tail = [*words, header, checksum([header, *words])]
    client.write(4 * (COMMAND + 256 + 1 - len(tail)), tail)
    status = client.regs.uintr_status.read()
    assert status >> 24 == number
    answers = client.read(client.mems.uintr_result.base, length=status & 0x1FF)
    seen = list(decode_answers(answers, harts=target.config.harts, lines=2))
    assert [each.cycles for each in seen] == [target.config.receivers, 1, 1]
    assert seen[2].responses[0][1].data == 1


def test_both_exports_say_the_same(target) -> None:
    import json

    content = json.loads(csr_json(target))
    rows = [line.split(",") for line in csr_csv(target).splitlines()]
    registers = {row[1]: int(row[2], 16) for row in rows if row[0] == "csr_register"}
    assert registers == {name: each["addr"] for name, each in content["csr_registers"].items()}
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in registers)
    assert registers["uintr_status"] == STATUS * 4
