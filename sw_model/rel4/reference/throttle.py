"""The reference device's throttle: a bucket of tokens for the posts of one hart."""

from uintr.registers import THROTTLE

__all__ = ["Throttle"]

_PERIOD, _BURST, _COUNT = (THROTTLE.field(name) for name in ("period", "burst", "count"))


class Throttle:
    """What is told in a cycle, `write`, `post` and `refuse`, takes effect with `step`.

    Members
    -------
    open : a post is allowed
    resting : no token is on its way back
    period : cycles until a token comes back; 0: no budget
    missing : tokens that are on their way back
    """

    def __init__(self) -> None:
        self.period = self._burst = self._count = 0
        self.missing = 0
        self._left = 0  # cycles until the next token comes back
        self._written: int | None = None
        self._taken = self._refused = False

    @property
    def open(self) -> bool:
        return not self.period or self.missing < self._burst

    @property
    def resting(self) -> bool:
        return not self.missing

    @property
    def word(self) -> int:
        """The register."""
        return _PERIOD.put(self.period) | _BURST.put(self._burst) | _COUNT.put(self._count)

    def write(self, word: int) -> None:
        """The register is written."""
        self._written = word

    def post(self) -> None:
        """A post was accepted."""
        self._taken = bool(self.period)

    def refuse(self) -> None:
        """A post was refused for want of a token."""
        self._refused = True

    def step(self) -> None:
        """One clock edge."""
        returned = False
        if self.missing:
            self._left -= 1
            if not self._left:
                returned = True
                self._left = self.period
        elif self._taken:
            self._left = self.period
        self.missing += self._taken - returned
        if self._written is not None:
            self.period, self._burst = _PERIOD.get(self._written), _BURST.get(self._written)
            self.missing = self._count = 0
        self._count = min(self._count + self._refused, (1 << _COUNT.width) - 1)
        self._written = None
        self._taken = self._refused = False
