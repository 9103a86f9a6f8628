"""The machine of `conftest.py` in the checkout's root sees tests that pass by seeing nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BLIND = """
import pytest
from shared import check

NONE = []
LOG = {"a": 1}

def test_without_an_assertion():
    len(LOG)

def test_over_nothing():
    for event in NONE:
        assert event > 0
    assert LOG

@pytest.mark.parametrize("n", [1, 2])
def test_never_taken(n):
    assert n
    if n == 3:
        assert n < 0

def test_all_of_nothing():
    assert all(event > 0 for event in NONE)
    assert not [event for event in NONE if event < 0]

def test_nothing_is_nothing():
    assert list(NONE) == sorted(NONE)
    assert 7 not in NONE
    assert set(NONE) <= set(LOG)

def test_waits_for_nothing():
    assert LOG
    for event in NONE:
        with pytest.raises(ValueError):
            int(event)

def test_in_what_is_shared():
    check(NONE)
"""
SHARED = """
def check(events):
    assert events is not None
    for event in events:
        assert event
"""
FOUND = """\
test_blind.py::test_without_an_assertion: a test that asserted nothing
shared.py:4: a loop whose body never ran
shared.py:5: an assertion that was never evaluated
test_blind.py:12: a loop whose body never ran
test_blind.py:13: an assertion that was never evaluated
test_blind.py:20: an assertion that was never evaluated
test_blind.py:23: an assertion about elements that never had one
test_blind.py:24: an assertion about elements that never had one
test_blind.py:27: a comparison of nothing each time
test_blind.py:28: a comparison of nothing each time
test_blind.py:29: a comparison of nothing each time
test_blind.py:33: a loop whose body never ran
test_blind.py:34: an exception never waited for
"""
GOOD = '''
import pytest
from shared import check

LOG = {"a": 1}

@pytest.mark.parametrize("log", [{}, LOG])
def test_sees(log):
    """Some of its cases have nothing to look at."""
    for value in log.values():
        assert value
    assert all(value > 0 for value in log.values())
    assert list(log) == sorted(log)
    assert "b" not in log
    assert {key for key in log if key == "b"} == set()
    check(log)

@pytest.mark.parametrize("waits", [False, True])
def test_waits(waits):
    assert LOG
    if waits:
        helper()

def helper():
    for value in LOG:
        assert value

def test_exception():
    with pytest.raises(ValueError):
        int("x")
'''


def pytest_there(folder: Path, *arguments: str) -> tuple[int, str]:
    """Status and output of a session in ``folder``, with no more plugins than it needs."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    environment.pop("UINTR_SEEING", None)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100
    )
    return done.returncode, done.stdout


def session(folder: Path, text: str, *arguments: str) -> tuple[int, str]:
    """Status and what the machine says of the tests ``text`` and of what they share."""
    shutil.copy(ROOT / "conftest.py", folder)
    (folder / "cocotb_tests").mkdir(exist_ok=True)
    (folder / "cocotb_tests" / "shared.py").write_text(SHARED)
    (folder / "test_blind.py").write_text(text)
    (folder / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\ntestpaths = ["."]\npythonpath = ["cocotb_tests"]\n'
    )
    status, said = pytest_there(folder, *arguments)
    lines = [line for line in said.splitlines() if line.startswith(("test_", "cocotb_tests/"))]
    return status, "".join(f"{line.removeprefix('cocotb_tests/')}\n" for line in lines)


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "workers"])
def test_each_kind_of_blindness_is_found(tmp_path: Path, workers: tuple[str, ...]) -> None:
    assert session(tmp_path, BLIND, *workers) == (1, FOUND)


def test_what_sees_is_not_blamed_nor_is_a_part_of_it(tmp_path: Path) -> None:
    for arguments in ((), ("-k", "log0 or False"), ("test_blind.py::test_sees[log0]",)):
        assert session(tmp_path, GOOD, *arguments) == (0, "")


def test_failures_read_as_without_the_marks(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "def test_it():\n    x = [1]\n    assert list(x) == [2, 3] + x\n"
    )
    _, without = pytest_there(tmp_path, "test_it.py")
    shutil.copy(ROOT / "conftest.py", tmp_path)
    _, marked = pytest_there(tmp_path, "test_it.py")
    assert "assert [1] == [2, 3, 1]" in without
    assert marked.rpartition(" in ")[0] == without.rpartition(" in ")[0]
