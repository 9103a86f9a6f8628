"""Parameter checks: the sentences a user reads."""

import pytest

from uintr.checks import check_multiple, check_range


@pytest.mark.parametrize("value", [1, 2, 64])
def test_range_takes_its_bounds(value: int) -> None:
    check_range("harts", value, 1, 64)


@pytest.mark.parametrize("value", [0, 65, -1, "2", 2.0, None])
def test_range_refuses_in_one_sentence(value: object) -> None:
    with pytest.raises(ValueError) as caught:
        check_range("harts", value, 1, 64)  # type: ignore[arg-type]
    assert str(caught.value) == f"harts must be 1 to 64, not {value!r}"


@pytest.mark.parametrize("value", [0, 0x1000, 2**64 - 0x1000])
def test_multiple_takes_multiples(value: int) -> None:
    check_multiple("base", value, 0x1000)


@pytest.mark.parametrize(
    ("value", "shown"), [(8, "0x8"), (2**64, hex(2**64)), (-0x1000, "-0x1000"), ("8", "'8'")]
)
def test_multiple_refuses_in_one_sentence(value: object, shown: str) -> None:
    with pytest.raises(ValueError) as caught:
        check_multiple("base", value, 0x1000)  # type: ignore[arg-type]
    assert str(caught.value) == f"base must be a 64-bit multiple of 0x1000, not {shown}"
