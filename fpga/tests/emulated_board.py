"""The bit rate at which the tests talk to an emulated board."""

__all__ = ["BAUD"]

BAUD = 2_500_000
"""Ten clock cycles a bit on ULX3S: emulated time is what these tests cost."""
