"""The device uart on an emulated board: the same answers, cycle for cycle, as the reference."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from emulated_board import BAUD

import tb_jobs
from contract import BOARD
from rel4 import cli as rel4_cli
from rel4.bench.compare import event_lines, first_difference
from rel4.bench.point import Point
from rel4.machine.device import DeviceConfig, run_sync
from rel4.reference.device import ReferenceDevice
from tb_lockstep import lockstep
from uintr.registers import Flavour, Privilege
from uintr_fpga.boards import Target
from uintr_fpga.device import UartDevice, run
from uintr_fpga.emulate import emulated
from uintr_fpga.link import BoardLink
from uintr_fpga.uartbone import LinkError

pytestmark = pytest.mark.sim


@pytest.mark.parametrize(("policy", "harts"), [("sync", 1), ("tick", 1), ("tick-smp", 2)])
def test_event_log_is_that_of_the_reference(board: str, policy: str, harts: int) -> None:
    point = Point(policy=policy, harts=harts, concurrency=2, rounds=1)
    lines = event_lines(point, "uart")
    assert len(lines) > 50
    assert first_difference(event_lines(point, "reference"), lines) is None


def test_without_jumps(board: str) -> None:
    """Long runs go to the board in pieces."""
    point = Point(policy="tick", harts=1, concurrency=1, rounds=1, jump=False)
    assert first_difference(event_lines(point, "reference"), event_lines(point, "uart")) is None


def test_sweep_by_command_line(board: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UINTR_PORT")
    out = tmp_path / "sweep"
    arguments = ["sweep", "--policy", "tick", "--concurrency", "2", "--rounds", "1"]
    arguments += ["--device", "uart", "--port", board, "--jobs", "1", "--out", str(out)]
    assert rel4_cli.main(arguments) == 0
    assert (out / "results.jsonl").is_file()


def test_lockstep_with_the_reference(board: str, target) -> None:
    coverage = run(target.config, partial(lockstep, seed="uart 1", operations=150))
    assert coverage


@pytest.mark.parametrize("bench", BOARD[Flavour.RISCV], ids=lambda bench: bench.__name__)
def test_contract(board: str, target, bench) -> None:
    run(target.config, bench)


@pytest.fixture(scope="module")
def intel() -> Iterator[tuple[Target, str]]:
    """A board of the other flavour, and its port."""
    target = Target.of("ulx3s", harts=2, baud=BAUD, flavour=Flavour.INTEL)
    with emulated(target) as port:
        yield target, port


@pytest.mark.long  # a board that is built for this alone
@pytest.mark.parametrize("bench", BOARD[Flavour.INTEL], ids=lambda bench: bench.__name__)
def test_contract_of_intels(
    intel: tuple[Target, str], bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, port = intel
    for name, value in (("PORT", port), ("BAUD", str(BAUD)), ("UART_TIMEOUT", "20")):
        monkeypatch.setenv(f"UINTR_{name}", value)
    run(target.config, bench)


def test_the_protocols_corners(link: BoardLink, target) -> None:
    """Privilege set and set back is no change; reset drops what was presented."""
    from rel4.machine.device import Request
    from uintr.registers import Csr, CsrFunction, RequestKind

    async def job(device) -> list[object]:
        seen: list[object] = []
        device.set_privilege(0, Privilege.U)
        device.submit(1, Request(RequestKind.CSR, CsrFunction.WRITE, Csr.USCRATCH, 7))
        await device.reset()
        for limit in (3, 1000, 5):
            seen.append((await device.run(limit), device.quiescent, device.response(1)))
        device.set_privilege(0, Privilege.U)
        device.set_privilege(0, Privilege.S)
        seen.append((device.quiescent, await device.run(4)))
        device.set_privilege(0, Privilege.U)
        seen.append((device.quiescent, await device.run(4), device.quiescent))
        device.submit(1, Request(RequestKind.CSR, CsrFunction.WRITE, Csr.USCRATCH, 1 << 63 | 5))
        seen.append((await device.run(9), device.response(1), device.response(0)))
        device.submit(1, Request(RequestKind.CSR, CsrFunction.READ, Csr.USCRATCH))
        seen.append((await device.run(9), device.response(1), device.interrupt(0)))
        seen.append((await device.run(9), device.supervisor_interrupt(1)))
        return seen

    expected = run_sync(job(ReferenceDevice(target.config)))
    assert run_sync(job(UartDevice(config=target.config, link=link))) == expected


def test_misuse_is_refused_in_a_sentence(link: BoardLink, target) -> None:

    device = UartDevice(config=target.config, link=link)
    assert run_sync(tb_jobs.misuse(device)) == tb_jobs.MISUSE


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (DeviceConfig(receivers=16), "the board must have receivers 0x10, not 0x200"),
        (DeviceConfig(harts=64), "the board must have 64 harts or more, not 2"),
    ],
)
def test_another_shape_is_refused(link: BoardLink, config: DeviceConfig, sentence: str) -> None:
    with pytest.raises(LinkError) as caught:
        UartDevice(config=config, link=link)
    assert str(caught.value) == sentence


def test_port_must_be_given(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.delenv("UINTR_PORT", raising=False)
    arguments = ["compare", "--devices", "uart,reference", "--policy", "sync"]
    assert rel4_cli.main(arguments) == 2
    assert capsys.readouterr().err == (
        "rel4: port must be given for a board, by --port or UINTR_PORT\n"
    )


def test_port_must_exist(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    arguments = ["compare", "--devices", "uart,reference", "--policy", "sync", "--port", "/none"]
    assert rel4_cli.main(arguments) == 2
    assert "port must be a serial port that is there" in capsys.readouterr().err
