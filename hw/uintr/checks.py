"""Checks of constructor parameters, in one sentence form."""

__all__ = ["check_multiple", "check_range"]


def check_range(name: str, value: int, least: int, most: int) -> None:
    """Raise ValueError unless ``value`` is an integer from ``least`` to ``most``."""
    if not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} must be {least} to {most}, not {value!r}")


def check_multiple(name: str, value: int, unit: int) -> None:
    """Raise ValueError unless ``value`` is a non-negative 64-bit multiple of ``unit``."""
    if not isinstance(value, int) or not 0 <= value < 1 << 64 or value % unit:
        shown = f"{value:#x}" if isinstance(value, int) else repr(value)
        raise ValueError(f"{name} must be a 64-bit multiple of {unit:#x}, not {shown}")
