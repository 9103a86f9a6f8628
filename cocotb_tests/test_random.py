"""Random traffic of all harts and the supervisor's bus: the RTL as recorded from the reference."""

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from shapes import SHAPES
from uintr_cosim.functional import model
from uintr_verify.long_run import coverage_record, run_seed
from uintr_verify.native import build_replay, replay
from uintr_verify.random_traffic import record_random
from uintr_verify.stimulus import read_header, read_steps
from uintr_verify.waivers import Waiver, WaiverError, load_waivers, waive

pytestmark = pytest.mark.sim

OPERATIONS = 20_000
ICARUS_CYCLES = 4000
SHAPE = "2x5"
CONFIG = SHAPES[SHAPE]


def test_rtl_is_as_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UINTR_SIM", os.environ.get("UINTR_SIM", "verilator"))
    cycles = ICARUS_CYCLES if shutil.which("iverilog") else 0
    record, bins = run_seed(SHAPE, CONFIG, "test 1", OPERATIONS, cycles)
    assert record["operations"] >= OPERATIONS
    assert record["icarus_cycles"] == cycles
    # Every way to end and every situation is met; the rarest pairs only in the long run.
    missing = [name for name in model(CONFIG) if " @" not in name and not bins[name]]
    assert not missing
    pairs = [name for name in model(CONFIG) if " @" in name]
    assert sum(bins[name] > 0 for name in pairs) > len(pairs) // 2


def test_each_wrong_output_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "stimulus"
    record_random(config=CONFIG, seed="wrong", operations=300, path=path)
    assert read_header(path)[0] == CONFIG
    program = build_replay(CONFIG)
    (outcome,) = replay(program, [path])
    steps = list(read_steps(path))
    assert outcome["good"]
    assert outcome["responses"] == sum(
        len(step.responses) * step.values[0] for step in steps if step.kind == 1
    )
    content = path.read_bytes()
    # The last step: its status stands before its responses and the end.
    shown = 9 * len(steps[-1].responses)
    for place in (len(content) - 1 - shown - 8, *([len(content) - 2] if shown else [])):
        wrong = bytearray(content)
        wrong[place] ^= 4
        path.write_bytes(wrong)
        (outcome,) = replay(program, [path])
        assert not outcome["good"], place


def test_holes_are_listed() -> None:
    names = model(CONFIG)
    assert len(names) == len(set(names))
    nothing = coverage_record(Counter(), [CONFIG])
    assert nothing["holes"]
    assert all(group["met"] == 0 for group in nothing["groups"].values())
    everything = coverage_record(Counter(names), [CONFIG])
    assert not everything["holes"]
    assert everything["stale"], "what is met needs no waiver"
    json.dumps(everything)


def test_waivers(tmp_path: Path) -> None:
    reason = Waiver("a.*", "because")
    assert waive(["ab", "b"], ["c"], [reason]) == ({"ab": reason}, ["b"], [])
    assert waive(["b"], [], [reason])[2] == ["'a.*' must fit a hole, but fits none"]
    assert waive(["ab"], ["ac"], [reason])[2] == ["'a.*' must fit holes alone, not 'ac'"]
    path = tmp_path / "waivers.toml"
    path.write_text("[[functional]]\npattern = 'a'\n")
    with pytest.raises(WaiverError, match="waiver 'a' must have a reason, but has none"):
        load_waivers("functional", path)
