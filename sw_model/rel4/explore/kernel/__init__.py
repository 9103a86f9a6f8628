"""The explorer of the kernel: pairs of kernel operations that meet at every boundary."""
