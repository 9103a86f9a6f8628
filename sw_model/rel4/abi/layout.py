"""Where the initial thread finds what boot leaves it (virtual addresses)."""

__all__ = ["DATA_ADDRESS", "IPC_BUFFER_ADDRESS"]

IPC_BUFFER_ADDRESS = 0x100_0000
"""Its IPC buffer, one page."""
DATA_ADDRESS = 0x100_1000
"""One page of zeroed memory for its own data."""
