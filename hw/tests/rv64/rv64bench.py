"""What the hart's unit tests share."""

__all__ = ["extended"]


def extended(value: int, bits: int = 64) -> int:
    """``value`` as a signed number of ``bits`` bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value
