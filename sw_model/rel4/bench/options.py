"""Options that several commands have, and what is made of them."""

import argparse
import os
import time
from pathlib import Path
from typing import Any

from rel4.machine.device import device_names, find_device
from uintr.program import Parser, choose, number, say, seconds, several, whole
from uintr.registers import MAX_HARTS, Flavour

from .campaign import Conduct
from .point import Point
from .policies import find_policy, policy_names
from .published import published_policies

__all__ = [
    "add_conduct_options",
    "add_device_options",
    "add_flavour_option",
    "add_point_options",
    "conduct_of",
    "device_of",
    "flavour_of",
    "points_of",
]

PORT_VARIABLE = "UINTR_PORT"
"""Where the device uart finds its serial port."""
BEING_BUILT = "emulator-being-built"
"""What the link to an emulated board leads to until there is a board."""
GRACE = 5
"""Seconds in which an emulator that was started before makes its link."""
CONCURRENCY = "2,4,8,16,32,64,128,256,512"
"""As published."""


def add_device_options(parser: Parser) -> None:
    """Which device, and where it is."""
    parser.add_argument(
        "--device",
        default="reference",
        metavar="NAME",
        help=f"one of {', '.join(device_names())} (default reference)",
    )
    parser.complete("--device", device_names())
    parser.add_argument("--port", metavar="PATH", help="serial port, for the device uart alone")


def device_of(options: argparse.Namespace) -> str:
    """The name of the device, which can be loaded.

    Raises
    ------
    ValueError : there is none of that name, or it has no port.
    DeviceError : it cannot be loaded.
    """
    return use_device(options.device, options.port)


def use_device(name: str, port: str | None) -> str:
    """The same from its two options."""
    find_device(choose("device", name, device_names()))
    if name != "uart" and port is not None:
        raise ValueError(f"port must be left out with device {name}, not {port!r}")
    if name == "uart":
        found = port if port is not None else os.environ.get(PORT_VARIABLE, "")
        if not found:
            raise ValueError(f"port must be given for a board, by --port or {PORT_VARIABLE}")
        _wait_for_emulator(Path(found))
        if not Path(found).is_char_device():
            raise ValueError(f"port must be a serial port that is there, not {found!r}")
        os.environ[PORT_VARIABLE] = found  # worker processes inherit it
    return name


def _wait_for_emulator(port: Path) -> None:
    """Wait while an emulated board is being built (`uintr-fpga emulate`), which may just have been
    started."""
    soon = time.monotonic() + (GRACE if port.parent.is_dir() and not port.is_absolute() else 0)
    said = False
    while True:
        built = port.is_symlink() and os.readlink(port) == BEING_BUILT
        if not built and (os.path.lexists(port) or time.monotonic() > soon):
            return
        if not said:
            say(f"waiting for the emulated board at {port}")
        said = True
        time.sleep(0.2)


def add_conduct_options(parser: Parser, *, resume: bool = True) -> None:
    """How a campaign is run."""
    parser.add_argument(
        "--jobs",
        type=whole,
        default=2,
        metavar="N",
        help="processes at a time (default 2)",
    )
    if resume:
        parser.add_argument("--resume", action="store_true", help="go on with what was interrupted")
    parser.add_argument(
        "--minutes", type=seconds, metavar="M", help="stop after so long; what is finished is kept"
    )


def conduct_of(options: argparse.Namespace) -> Conduct:
    """What they say."""
    return Conduct(options.jobs, getattr(options, "resume", True), options.minutes)


def add_flavour_option(parser: Parser) -> None:
    """Which family of user interrupts."""
    parser.add_argument(
        "--flavour",
        default=Flavour.RISCV.value,
        metavar="NAME",
        help=f"of user interrupts: {' or '.join(Flavour)} (default riscv)",
    )
    parser.complete("--flavour", Flavour)


def flavour_of(options: argparse.Namespace) -> Flavour:
    """What it says.

    Raises
    ------
    ValueError : there is no such flavour.
    """
    return Flavour(choose("flavour", options.flavour, Flavour))


def add_point_options(
    parser: Parser,
    *,
    policy: str = ",".join(published_policies()),
    concurrency: str = CONCURRENCY,
    rounds: int = 10,
) -> None:
    """What is run; the defaults are those of the command."""

    def option(name: str, default: Any, what: str, **others: Any) -> None:
        text = f"{what} (default {default})" if default is not None else what
        parser.add_argument(f"--{name}", default=default, help=text, **others)

    commas = "with commas between"
    option("policy", policy, f"of {', '.join(policy_names())}, {commas}", metavar="NAMES")
    parser.complete("--policy", policy_names())
    option("harts", None, "1 to 64; default: as many as each policy needs", type=whole, metavar="N")
    option("concurrency", concurrency, f"numbers of coroutines, {commas}", metavar="NUMBERS")
    option("rounds", rounds, "rounds of a coroutine", type=whole, metavar="N")
    option("timer-period", 20_000, "cycles between two ticks", type=whole, metavar="N")
    add_flavour_option(parser)
    option("seed", "1", f"of the timers' phases, {commas}", metavar="NUMBERS")
    parser.add_argument("--no-jump", action="store_true", help="tick the hardware every cycle")


def points_of(options: argparse.Namespace) -> list[Point]:
    """Every point that they name.

    Raises
    ------
    ValueError : one of them is not right; the sentence says which.
    """
    policies = several("policy", options.policy, policy_names())
    concurrencies = numbers("concurrency", options.concurrency)
    seeds = numbers("seed", options.seed)
    flavour = flavour_of(options)
    if options.harts is not None and not 1 <= options.harts <= MAX_HARTS:
        # A `Point` may have more, for studies on the reference device.
        raise ValueError(f"harts must be 1 to {MAX_HARTS}, not {options.harts}")
    return [
        Point(
            policy=policy,
            harts=find_policy(policy).harts if options.harts is None else options.harts,
            concurrency=concurrency,
            rounds=options.rounds,
            timer_period=options.timer_period,
            seed=seed,
            jump=not options.no_jump,
            flavour=flavour,
        )
        for policy in policies
        for concurrency in concurrencies
        for seed in seeds
    ]


def numbers(name: str, text: str) -> list[int]:
    """Whole numbers with commas between, each once.

    Raises
    ------
    ValueError : they are not.
    """
    found = [number(name, word.strip()) for word in text.split(",")]
    twice = next((value for value in found if found.count(value) > 1), None)
    if twice is not None:
        raise ValueError(f"{name} must name each value once, not {twice} twice")
    return found
