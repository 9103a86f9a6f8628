"""Shape of the block in `test_axi_lite`, for both sides of the simulator."""

__all__ = ["RECEIVER_COUNT"]

RECEIVER_COUNT = 5
