"""Starting simulators: results and exceptions come back, and what goes wrong is one sentence."""

import os
import re
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

import tb_jobs
from rel4.machine.device import DeviceConfig
from shapes import SHAPES
from uintr_cosim.device import run
from uintr_cosim.simulator import SimulationError, build, build_root, find_simulator

pytestmark = pytest.mark.sim

CONFIG = SHAPES["2x5"]


def test_result(simulator: str) -> None:
    assert run(CONFIG, partial(tb_jobs.echo, words=("a", "b"))) == (2, ("a", "b"))


def test_exception(simulator: str) -> None:
    with pytest.raises(tb_jobs.CustomError) as caught:
        run(CONFIG, tb_jobs.fail)
    assert caught.value.args == ("lost", 5)
    assert "in fail" in caught.value.__notes__[0]


def test_misuse(simulator: str) -> None:
    assert run(CONFIG, tb_jobs.misuse) == tb_jobs.MISUSE


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        (tb_jobs.strange_failure, "UnpicklableError: 1 and 2"),
        (tb_jobs.strange_result, "cannot pickle '_thread.lock' object"),
        (tb_jobs.die, "the simulation with icarus (failed with exit code|ended without a result)"),
    ],
)
def test_bad_end(monkeypatch: pytest.MonkeyPatch, job: object, sentence: str) -> None:
    monkeypatch.setenv("UINTR_SIM", "icarus")
    _needs_icarus()
    with pytest.raises((SimulationError, TypeError), match=sentence) as caught:
        run(CONFIG, job)  # type: ignore[arg-type]
    if "; see " in str(caught.value):
        log = Path(str(caught.value).rpartition(" ")[2])
        assert "drive_job" in log.read_text()
        shutil.rmtree(log.parent)


@pytest.mark.parametrize("job", [tb_jobs.never_stop, tb_jobs.never_step])
def test_timeout(simulator: str, monkeypatch: pytest.MonkeyPatch, job: object) -> None:
    monkeypatch.setenv("UINTR_SIM_TIMEOUT", "2")
    with pytest.raises(SimulationError, match="must end within 2 s, but did not; see ") as caught:
        run(CONFIG, job)  # type: ignore[arg-type]
    log = Path(str(caught.value).rpartition(" ")[2])
    assert log.is_file()
    shutil.rmtree(log.parent)


def test_job_must_be_picklable() -> None:
    async def local(device: object) -> None: ...

    with pytest.raises(ValueError, match="job must be a module-level function or a partial of"):
        run(CONFIG, local)


def test_shape_is_checked() -> None:
    with pytest.raises(ValueError, match="^base must be a 64-bit multiple of 0x4000, not 0x20"):
        run(DeviceConfig(base=0x20), tb_jobs.fail)


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("UINTR_SIM", "modelsim", "UINTR_SIM must be verilator or icarus, not 'modelsim'"),
        (
            "UINTR_SIM_TIMEOUT",
            "no",
            "UINTR_SIM_TIMEOUT must be a number of seconds above 0, not 'no'",
        ),
        (
            "UINTR_SIM_TIMEOUT",
            "0",
            "UINTR_SIM_TIMEOUT must be a number of seconds above 0, not '0'",
        ),
    ],
)
def test_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SimulationError, match=f"^{re.escape(sentence)}$"):
        run(CONFIG, tb_jobs.fail)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("verilator", "Verilator needs g++ and make and perl, not found on PATH"),
        ("icarus", "Icarus Verilog needs iverilog and vvp, not found on PATH"),
    ],
)
def test_missing_tools(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, sentence: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SimulationError, match=f"^{re.escape(sentence)}$"):
        find_simulator(name)


def test_a_build_finds_python_under_every_name() -> None:
    """Verilator's makefiles call `python`; Debian alone has `python3` only."""
    environment = find_simulator("verilator").environment()
    found = shutil.which("python", path=os.pathsep.join(environment["PATH"].split(os.pathsep)[:2]))
    assert found is not None
    assert Path(found).parent == Path(sys.executable).parent


def test_builds_are_reused_and_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes want a build that is not there: it is built once, and both can use it."""
    _needs_icarus()
    monkeypatch.setenv("UINTR_SIM", "icarus")
    monkeypatch.setenv("UINTR_BUILD", str(tmp_path))
    job = partial(tb_jobs.echo, words=())
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(run, SHAPES["1x1"], job) for _ in range(2)]
        assert [future.result() for future in futures] == [(1, ())] * 2
    folder = build(SHAPES["1x1"], find_simulator())
    assert build_root() == tmp_path
    assert [path for path in tmp_path.iterdir() if path.name.startswith("icarus-1x1-")] == [
        path for path in tmp_path.iterdir() if path.stem == folder.name
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["sim.vvp"]
    assert not list((tmp_path / "runs").iterdir())


def _needs_icarus() -> None:
    try:
        find_simulator("icarus")
    except SimulationError:
        pytest.skip("Icarus Verilog is not installed")
