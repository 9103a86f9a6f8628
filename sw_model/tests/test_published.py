import pytest

from rel4.bench.published import (
    CALLS_PER_ROUND,
    PLATFORMS,
    ROUNDS,
    TIMER_PERIOD,
    citation,
    published_harts,
    published_point,
    published_points,
    published_policies,
)


def test_the_published_workload() -> None:
    assert (CALLS_PER_ROUND, ROUNDS, TIMER_PERIOD) == (2, 10, 20_000)
    assert PLATFORMS == ("fpga", "qemu")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_platform_has_every_policy_at_every_concurrency(platform: str) -> None:
    assert published_policies(platform=platform) == ["sync", "tick", "tick-smp"]
    for policy in published_policies(platform=platform):
        points = published_points(policy, platform=platform)
        assert [point.concurrency for point in points] == [2**k for k in range(1, 10)]
        assert all(point.policy == policy for point in points)
        assert all(0 < point.traps_per_syscall <= 1 for point in points)


def test_a_synchronous_call_is_one_trap() -> None:
    for platform in PLATFORMS:
        assert all(p.traps_per_syscall == 1 for p in published_points("sync", platform=platform))


@pytest.mark.parametrize(
    ("concurrency", "frequency"),
    [
        (2, 0.525),
        (4, 0.25),
        (8, 0.1437),
        (16, 0.125),
        (32, 0.1203),
        (64, 0.1164),
        (128, 0.1133),
        (256, 0.1061),
        (512, 0.1037),
    ],
)
def test_counts_give_the_frequencies_that_were_published_with_them(
    concurrency: int, frequency: float
) -> None:
    point = published_point("tick", concurrency)
    assert point is not None
    # Published with four digits, some of them cut and not rounded.
    assert point.traps_per_syscall == pytest.approx(frequency, abs=1e-4)


def test_the_published_headline_is_the_ratio_of_two_points() -> None:
    sync, many = published_point("sync", 512), published_point("tick-smp", 512)
    assert sync is not None
    assert many is not None
    assert 100 * sync.cycles_per_round / many.cycles_per_round == pytest.approx(130.81, abs=0.005)
    sync, few = published_point("sync", 2), published_point("tick", 2)
    assert sync is not None
    assert few is not None
    assert 100 * sync.cycles_per_round / few.cycles_per_round == pytest.approx(35.66, abs=0.015)


def test_there_is_no_point_between_the_published_ones() -> None:
    assert published_point("tick", 3) is None
    assert published_point("inline", 2) is None
    assert published_point("tick", 2, platform="asic") is None
    assert published_points("inline") == []


def test_harts_of_a_policy() -> None:
    assert [published_harts(p) for p in ("sync", "tick", "tick-smp", "inline")] == [1, 1, 2, None]
    assert published_harts("tick-smp", platform="qemu") == 4


def test_the_citation_names_author_side_and_board() -> None:
    assert "thesis" in citation()
    assert "XCZU15EG" in citation()
    assert "QEMU" in citation("qemu")
    with pytest.raises(ValueError, match="^platform must be one of fpga, qemu, not 'asic'$"):
        citation("asic")
