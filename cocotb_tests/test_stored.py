"""Whether stored data is of the design as it is."""

import ast
import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from uintr_formal.catalogue import PROOFS
from uintr_verify.stored import STORED, Stored, commits_of, status
from uintr_verify.survivors import explain, mutant_names
from uintr_verify.waivers import Waiver, load_waivers

ROOT = Path(__file__).parents[1]


def git(root: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(root), *who, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "docs" / "data").mkdir(parents=True)
    (tmp_path / "hw").mkdir()
    (tmp_path / "hw" / "a.py").write_text("1\n")
    (tmp_path / "other.py").write_text("1\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


FILE = Stored("runs.jsonl", ("hw",), "make runs")


def store(root: Path, **record: str) -> None:
    (root / "docs" / "data" / FILE.name).write_text(json.dumps({"x": 1, **record}) + "\n")


def test_data_is_current_until_what_it_describes_changes(checkout: Path) -> None:
    assert status(FILE, checkout).what == "missing"
    store(checkout, commit=git(checkout, "rev-parse", "--short=12", "HEAD"))
    assert status(FILE, checkout).good
    (checkout / "other.py").write_text("2\n")
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "second")
    assert status(FILE, checkout).good
    (checkout / "hw" / "a.py").write_text("2\n")
    state = status(FILE, checkout)
    assert (state.what, state.changed) == ("older", ("hw",))
    assert "changed since: hw; `make runs` renews it" in str(state)


def test_comments_count_but_for_what_is_kept_by_meaning(checkout: Path) -> None:
    store(checkout, commit=git(checkout, "rev-parse", "--short=12", "HEAD"))
    by_meaning = replace(FILE, by_meaning=True)
    (checkout / "hw" / "a.py").write_text("1  # one\n")
    assert (status(FILE, checkout).what, status(by_meaning, checkout).what) == ("older", "current")
    (checkout / "hw" / "a.py").write_text("2  # one\n")
    assert status(by_meaning, checkout).what == "older"
    (checkout / "hw" / "a.py").unlink()
    assert status(by_meaning, checkout).what == "older"


def test_files_that_have_no_part_in_it_do_not_count(checkout: Path) -> None:
    store(checkout, commit=git(checkout, "rev-parse", "--short=12", "HEAD"))
    (checkout / "hw" / "a.py").write_text("2\n")
    assert status(FILE, checkout).what == "older"
    assert status(replace(FILE, but=("hw/a.py",)), checkout).good
    assert status(replace(FILE, but=("hw/",)), checkout).good


def test_what_is_no_hardware_is_part_of_none() -> None:
    """No block imports a file that the data of the gateware leaves out."""
    left_out = {Path(name).stem for name in STORED[0].but}
    for path in (ROOT / "hw" / "uintr").rglob("*.py"):
        if path.stem in left_out and path.parent.name == "uintr":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("uintr."):
                assert str(node.module).removeprefix("uintr.") not in left_out, path


@pytest.mark.parametrize(
    ("commit", "what"), [("{}-dirty", "dirty"), ("{}+", "dirty"), ("0123456789ab", "unknown")]
)
def test_a_commit_that_says_too_little(checkout: Path, commit: str, what: str) -> None:
    store(checkout, commit=commit.format(git(checkout, "rev-parse", "--short=12", "HEAD")))
    assert status(FILE, checkout).what == what


def test_data_without_a_commit_is_unsigned(checkout: Path) -> None:
    store(checkout)
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "stored")
    assert status(FILE, checkout).what == "unsigned"


def test_every_file_of_the_folder_is_known() -> None:
    names = {stored.name for stored in STORED}
    there = {path.name for path in (ROOT / "docs" / "data").iterdir()}
    assert there - names == {"verification_plan.toml"}
    for stored in STORED:  # one that was not made yet is said to be missing
        if (path := ROOT / stored.folder / stored.name).is_file():
            commits_of(path)
        for source in (*stored.sources, *stored.but):
            assert (ROOT / source).exists(), source


@pytest.mark.parametrize("kind", ["functional", "structural", "mutation"])
def test_what_shows_a_waiver_is_there(kind: str) -> None:
    proofs = {proof.name for proof in PROOFS}
    for waiver in load_waivers(kind):
        assert waiver.shown, f"{waiver.pattern} must say what shows it"
        for shown in waiver.shown:
            file, _, function = shown.partition("::")
            if not function:
                assert shown in proofs, waiver.pattern
            else:
                assert f"def {function}(" in (ROOT / file).read_text(), waiver.pattern


def test_waivers_fit_the_stored_survivors_and_no_mutant_that_is_killed() -> None:
    lines = (ROOT / "docs/data/mutation.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    names = mutant_names(records)
    assert len(set(names)) == len(names)
    before = [record["verdict"] for record in records]
    assert explain(records, load_waivers("mutation")) == []
    assert [record["verdict"] for record in records] == before
    killed = next(name for name, what in zip(names, before, strict=True) if "killed" in what)
    stale = explain(records, [*load_waivers("mutation"), Waiver(re.escape(killed), "wrong")])
    assert any(f"must fit holes alone, not {killed!r}" in sentence for sentence in stale)
