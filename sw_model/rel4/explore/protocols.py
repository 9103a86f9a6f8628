"""The wake-up protocols that can be explored."""

from rel4.abi.syscall_buffer import OnlineFlag, Ring
from rel4.machine.ops import Fence, Load, Store

__all__ = ["PROTOCOLS", "PublishedFlag", "polling"]


class PublishedFlag(OnlineFlag):
    """The flag as published: tested, then stored; cleared, and not looked at the ring again.

    Its atomic accesses are sequentially consistent, hence the fences.
    """

    async def claim(self) -> bool:
        await Fence("rw,rw")
        if await Load(self._address):
            return False
        await Store(self._address, 1)
        await Fence("rw,rw")
        return True

    async def retire(self, ring: Ring) -> bool:
        await Fence("rw,w")
        await Store(self._address, 0)
        await Fence("rw,rw")
        return True


PROTOCOLS: dict[str, type[OnlineFlag]] = {"ours": OnlineFlag, "published": PublishedFlag}


_POLLING: dict[tuple[type[OnlineFlag], int], type[OnlineFlag]] = {}
"""Classes that were made: like local states must have the same ones."""


def polling(flag: type[OnlineFlag], looks: int) -> type[OnlineFlag]:
    """``flag``, whose consumer looks at the ring ``looks`` times more before it clears the flag."""
    made = _POLLING.get((flag, looks))
    if made is not None or not looks:
        return made or flag

    class Polling(flag):  # type: ignore[misc, valid-type]  # mypy wants a base that is a constant
        async def retire(self, ring: Ring) -> bool:
            for _ in range(looks):
                if await ring.count():
                    return False
            return bool(await super().retire(ring))

    return _POLLING.setdefault((flag, looks), Polling)
