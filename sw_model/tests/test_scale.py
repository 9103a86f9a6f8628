"""Many harts, many coroutines, a quick start: what the page on many harts and the changelog say."""

import subprocess
import sys
from cProfile import Profile

from rel4.bench.analysis import window
from rel4.bench.point import Point, simulate
from rel4.machine.device import run_sync
from rel4.machine.events import AsyncReplied
from rel4.reference.device import ReferenceDevice

START = "import rel4.entry, sys; sys.exit(rel4.entry.main(['--help']))"


def cycles(policy: str, harts: int) -> int:
    point = Point(policy=policy, harts=harts, concurrency=8)
    return window(run_sync(simulate(point, ReferenceDevice(point.config)))).cycles


def calls(harts: int) -> int:
    """Functions that Python calls in a run beside whose only busy hart the others tick."""
    point = Point(policy="sync", harts=harts, concurrency=16, timer_period=1_000_000)
    profile = Profile()
    profile.runcall(run_sync, simulate(point, ReferenceDevice(point.config)))
    return sum(entry.callcount for entry in profile.getstats())


def test_at_64_harts_only_who_enters_the_kernel_for_each_call_loses_to_one() -> None:
    alone = cycles("sync", 1)
    assert cycles("sync", 64) > alone
    assert cycles("inline", 64) > alone
    assert cycles("adaptive", 64) < alone
    assert cycles("uipi", 64) < alone


def test_sixteen_times_the_harts_take_about_sixteen_times_the_work() -> None:
    # Waking every waiter at each release of the lock would be some 256 times.
    assert calls(512) < 32 * calls(32)


def test_4096_coroutines_all_get_their_answers() -> None:
    point = Point(policy="tick", harts=1, concurrency=4096, rounds=1)
    log = run_sync(simulate(point, ReferenceDevice(point.config)))
    replied = [event for event in log.events if isinstance(event, AsyncReplied)]
    assert len(replied) == 2 * 4096  # a message sent and one received


def test_help_waits_for_nothing_that_only_a_command_needs() -> None:
    words = [sys.executable, "-X", "importtime", "-c", START]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    assert "usage: rel4" in done.stdout
    loaded = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()
    }
    assert "argparse" in loaded
    assert not loaded & {"matplotlib", "numpy", "amaranth", "pandas"}
