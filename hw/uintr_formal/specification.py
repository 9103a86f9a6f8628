"""What every specification is: a design under test, and what is asserted of it."""

from typing import Any

from amaranth.hdl import ClockDomain, Elaboratable, Module

__all__ = ["Specification"]


class Specification(Elaboratable):
    """To be proven.

    Parameters
    ----------
    reset : whether there is one; else there is no reset but the initial state

    Attributes
    ----------
    domain : the clock domain
    """

    def __init__(self, *, reset: bool = False) -> None:
        self.domain = ClockDomain("sync", reset_less=not reset)

    def specify(self, m: Module) -> None:
        """Put design, assumptions and assertions into ``m``."""
        raise NotImplementedError

    def elaborate(self, platform: Any) -> Module:
        """One clock domain, and what is specified."""
        m = Module()
        m.domains.sync = self.domain
        self.specify(m)
        return m
