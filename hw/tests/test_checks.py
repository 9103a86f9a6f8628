"""Parameter checks: the sentences a user reads."""

from collections.abc import Callable

import pytest

from uintr.checks import check_multiple, check_range


def taken(check: Callable[..., None], *arguments: object) -> bool:
    try:
        check("it", *arguments)
    except ValueError:
        return False
    return True


def test_a_range_is_all_within_its_bounds() -> None:
    assert [value for value in range(-2, 70) if taken(check_range, value, 1, 64)] == [*range(1, 65)]


@pytest.mark.parametrize("value", [0, 65, -1, "2", 2.0, None])
def test_range_refuses_in_one_sentence(value: object) -> None:
    with pytest.raises(ValueError) as caught:
        check_range("harts", value, 1, 64)  # type: ignore[arg-type]
    assert str(caught.value) == f"harts must be 1 to 64, not {value!r}"


@pytest.mark.parametrize("value", [0, 0x1000, 2**64 - 0x1000])
def test_a_multiple_and_none_beside_it(value: int) -> None:
    around = (value - 8, value, value + 8)
    assert [each for each in around if taken(check_multiple, each, 0x1000)] == [value]


@pytest.mark.parametrize(
    ("value", "shown"), [(8, "0x8"), (2**64, hex(2**64)), (-0x1000, "-0x1000"), ("8", "'8'")]
)
def test_multiple_refuses_in_one_sentence(value: object, shown: str) -> None:
    with pytest.raises(ValueError) as caught:
        check_multiple("base", value, 0x1000)  # type: ignore[arg-type]
    assert str(caught.value) == f"base must be a 64-bit multiple of 0x1000, not {shown}"
