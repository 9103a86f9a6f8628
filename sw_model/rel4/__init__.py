"""ReL4 as a model: kernel, user runtime and harts that run on real user-interrupt hardware."""

__version__ = "0.1.0"
