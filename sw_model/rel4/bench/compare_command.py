"""``rel4 compare``: two devices, or two stored logs."""

import argparse
import dataclasses

from uintr.program import Parser, given, path, say
from uintr.registers import Flavour

from .compare import event_lines, first_difference, stored
from .options import add_point_options, points_of, use_device

__all__ = ["define"]


def define(parser: Parser) -> None:
    """Describe the command."""
    parser.describe(
        _run,
        "Run every point on both devices and compare the event logs line by line. With one device "
        "and --no-jump, compare it with itself, with and without time jumps. With two files, "
        "compare these logs of one point. Exit status: 0 equal, 1 different.",
        """
        rel4 compare --concurrency 8                       reference against RTL
        rel4 compare --devices rtl --no-jump --concurrency 2
        rel4 compare build/a/tick-h1-n8-s1.jsonl.gz build/b/tick-h1-n8-s1.jsonl.gz
        """,
    )
    parser.add_argument("logs", type=path, nargs="*", metavar="LOG", help="two stored event logs")
    add_point_options(parser)
    parser.add_argument(
        "--devices",
        default="reference,rtl",
        metavar="NAMES",
        help="one name, or two with a comma (default reference,rtl)",
    )
    parser.add_argument("--port", metavar="PATH", help="serial port, for the device uart alone")


def _run(options: argparse.Namespace) -> int:
    if options.logs:
        return _compare_logs(options)
    names = options.devices.split(",")
    if not 1 <= len(names) <= 2:
        raise ValueError(f"devices must be one or two names, not {options.devices!r}")
    if len(names) == 1 and not options.no_jump:
        raise ValueError("devices must be two names, or one with --no-jump")
    points = points_of(options)
    for name in names:
        use_device(name, options.port if name == "uart" else None)
    if options.port is not None and "uart" not in names:
        raise ValueError(f"port must be left out without device uart, not {options.port!r}")
    different = 0
    for point in points:
        name = f"{point.policy} N={point.concurrency} harts={point.harts}"
        name += f" seed={point.seed}" if "," in options.seed else ""
        name += "" if point.flavour == Flavour.RISCV else f" {point.flavour}"
        say(f"running {name} on {' and '.join(names)}")
        other = dataclasses.replace(point, jump=point.jump or len(names) == 1)
        left = event_lines(point, names[0])
        difference = first_difference(left, event_lines(other, names[-1]))
        different += difference is not None
        print(f"{name}: {difference or f'identical, {len(left)} events'}", flush=True)
    return 1 if different else 0


_POINT = ("policy", "harts", "concurrency", "rounds", "timer_period", "flavour", "seed")


def _compare_logs(options: argparse.Namespace) -> int:
    if len(options.logs) != 2:
        raise ValueError(f"logs must be two files, not {len(options.logs)}")
    others = given(options.parser, options, *_POINT, "no_jump", "devices", "port")
    if others:
        raise ValueError(f"{others[0]} must be left out with stored logs")
    (left, what), (right, other) = (stored(path) for path in options.logs)
    differs = [name for name in what if name != "device" and what[name] != other.get(name)]
    if differs:
        name = differs[0]
        raise ValueError(
            f"logs must be of one point, and {options.logs[0]} has {name} {what[name]!r} where "
            f"{options.logs[1]} has {other.get(name)!r}"
        )
    difference = first_difference(left, right)
    print(difference or f"identical, {len(left)} events")
    return 1 if difference else 0
