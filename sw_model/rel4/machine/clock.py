"""Time in cycles, and the software events that are due."""

import simpy

__all__ = ["Clock"]


class Clock(simpy.Environment):
    """The event loop of a machine.

    Members
    -------
    quiet : the device's clock need not tick before software's next event, and the machine goes on
    """

    quiet = False

    @property
    def now(self) -> int:
        """The current cycle."""
        return self._now  # type: ignore[return-value]  # whole cycles alone pass

    def skip(self, cycles: int) -> bool:
        """Let ``cycles`` pass at once, without an event, if nothing else happens until they are
        over. False: something may, and no time has passed."""
        then = self._now + cycles
        if not self.quiet or (self._queue and self._queue[0][0] <= then):
            return False
        self._now = then
        return True

    def pass_to(self, cycle: int) -> None:
        """It is ``cycle`` now; nothing was due before."""
        self._now = cycle
