"""What a policy looks like, in every figure and on the page: one colour, one marker, one line."""

import hashlib
from dataclasses import dataclass

__all__ = ["MARKERS", "Look", "look_of"]


@dataclass(frozen=True)
class Look:
    """A colour on light ground and on dark, a marker with its size, and the dashes of the line.

    Sizes and dashes differ, so that of curves that coincide the lower ones show through.
    """

    colour: str
    dark: str
    marker: str
    size: float
    dashes: tuple[float, ...] = ()


# Okabe and Ito's palette, which stays apart under every kind of colour blindness, and two more; the
# markers differ too, so that print in grey can be read.
_LOOKS = {
    "sync": Look("#000000", "#e8eaed", "square", 5.0),
    "tick": Look("#0072b2", "#5db3f0", "circle", 7.5),
    "tick-smp": Look("#d55e00", "#ff9357", "triangle", 4.0, (5, 3)),
    "ipi": Look("#007a5a", "#3fce9f", "diamond", 5.5),
    "inline": Look("#b0508a", "#e78fc4", "down", 7.0),
    "uipi": Look("#b57400", "#e9b949", "plus", 8.5),
    "poll": Look("#2b8fc4", "#86cdf5", "cross", 6.0, (6, 3)),
    "spread": Look("#7a4f2a", "#c99a6b", "star", 4.0, (2, 3)),
    "adaptive": Look("#6b4fb3", "#b39bf0", "hexagon", 5.0, (8, 3, 2, 3)),
}
_SPARE = (
    Look("#5a6b1f", "#b7c96a", "pentagon", 6.0, (4, 2)),
    Look("#9c2f2f", "#f08a8a", "diamond", 4.5, (1, 2)),
    Look("#3d5a6c", "#9fc3d8", "square", 6.5, (7, 2)),
)
MARKERS = {
    "square": "s",
    "circle": "o",
    "triangle": "^",
    "diamond": "D",
    "down": "v",
    "plus": "P",
    "cross": "X",
    "star": "*",
    "hexagon": "h",
    "pentagon": "p",
}
"""matplotlib's letters for the markers."""


def look_of(policy: str) -> Look:
    """The look of a policy; one that is not ours has a spare one, the same in every figure."""
    if policy in _LOOKS:
        return _LOOKS[policy]
    return _SPARE[hashlib.sha256(policy.encode()).digest()[0] % len(_SPARE)]
