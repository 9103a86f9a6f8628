"""Waivers: holes that are known, each with its reason, as data. One that is stale is an error."""

import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

__all__ = ["WaiverError", "Waiver", "load_waivers", "waive"]

_FOLDER = Path(__file__).parent


class WaiverError(Exception):
    """A waiver has no reason; one sentence."""


@dataclass(frozen=True)
class Waiver:
    """``pattern``, a regular expression of whole names, may be a hole, because of ``reason``.

    ``shown`` names what shows that the reason is so: proofs, or tests as file::function.
    """

    pattern: str
    reason: str
    shown: tuple[str, ...] = ()


def load_waivers(kind: str, path: Path | None = None) -> list[Waiver]:
    """The waivers of a kind of coverage: functional, structural or mutation; a file for each."""
    with (path or _FOLDER / f"waivers_{kind}.toml").open("rb") as stream:
        entries = tomllib.load(stream).get(kind, [])
    waivers = [
        Waiver(entry["pattern"], entry.get("reason", ""), tuple(entry.get("shown", ())))
        for entry in entries
    ]
    for waiver in waivers:
        if not waiver.reason:
            raise WaiverError(f"waiver {waiver.pattern!r} must have a reason, but has none")
    return waivers


def waive(
    holes: Collection[str], covered: Collection[str], waivers: Collection[Waiver]
) -> tuple[dict[str, Waiver], list[str], list[str]]:
    """Which waiver each hole falls under (the first that fits), the holes under none, and a
    sentence for each waiver that is stale: it fits no hole, or something that is covered.
    """
    waived: dict[str, Waiver] = {}
    stale = []
    for waiver in waivers:
        pattern = re.compile(waiver.pattern)
        fitting = [hole for hole in holes if pattern.fullmatch(hole)]
        if not fitting:
            stale.append(f"{waiver.pattern!r} must fit a hole, but fits none")
        for name in covered:
            if pattern.fullmatch(name):
                stale.append(f"{waiver.pattern!r} must fit holes alone, not {name!r}")
                break
        for hole in fitting:
            waived.setdefault(hole, waiver)
    return waived, [hole for hole in holes if hole not in waived], stale
