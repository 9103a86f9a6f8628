"""The simulator's waveform with the cycle numbers and states of the event log, and views of it.

A simulator counts its own time. Here its VCD is written anew so that one cycle is one microsecond,
as in the Perfetto trace: cycle *c* of the event log begins at *c* us, and the clock edge that ends
it lies in its middle. Two kinds of signals are added in the scope ``rel4``: ``cycle``, and for
each hart the state of the software that runs on it.
"""

import io
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import TextIO

from rel4.machine.events import Event, Mark, UipiDone
from uintr.files import atomic_file, write_atomically

from .states import hart_states

__all__ = ["CYCLE_UNITS", "align_waveform", "fst_converter", "to_fst", "write_views"]

CYCLE_UNITS = 10
"""Time units of the written waveform in a cycle; a unit is 100 ns."""

_ADDED = "rel4"
_TOP = "uintr_top"
_AHEAD = 12
"""Cycles that a view begins before the first post."""


def align_waveform(
    source: Path, target: Path, events: Sequence[Event], *, steps_per_cycle: int = 2
) -> list[str]:
    """Write the VCD ``source`` of a run without time jumps to ``target``; returns the full names
    of its signals.

    Parameters
    ----------
    events : the event log of the same run
    steps_per_cycle : time units of ``source`` in a clock cycle; 0 of it is cycle 0

    Raises
    ------
    ValueError : ``source`` is no VCD.
    """
    with (
        source.open(encoding="ascii") as lines,
        atomic_file(target) as raw,
        io.TextIOWrapper(raw, encoding="ascii") as out,
    ):
        names = _header(lines, out, sorted(hart_states(events)))
        _body(lines, out, events, steps_per_cycle)
    return names


def _header(lines: Iterable[str], out: TextIO, harts: Sequence[int]) -> list[str]:
    names: list[str] = []
    scopes: list[str] = []
    for line in lines:
        words = line.split()
        match words[:1]:
            case ["$timescale"]:
                out.write("$timescale 100ns $end\n")
                continue
            case ["$scope"]:
                scopes.append(words[2])
            case ["$upscope"]:
                scopes.pop()
            case ["$var"]:
                # GTKWave stops at the names that a netlist's own signals have.
                plain = re.sub(r"[^\w$.]|^\$auto.*", "_", words[4])
                if plain != words[4]:
                    line = " ".join([*words[:4], f"{plain}{len(names)}", *words[5:]]) + "\n"
                    words = line.split()
                # GTKWave wants a vector's range in its name.
                names.append(".".join([*scopes, words[4]]) + words[5].replace("$end", ""))
            case ["$enddefinitions"]:
                out.write(f"$scope module {_ADDED} $end\n$var wire 64 _cycle cycle [63:0] $end\n")
                for hart in harts:
                    out.write(f"$var string 1 _hart{hart} hart_{hart} $end\n")
                out.write("$upscope $end\n")
                out.write(line)
                return [f"{_ADDED}.cycle[63:0]", *(f"{_ADDED}.hart_{h}" for h in harts), *names]
            case _:
                pass
        out.write(line)
    raise ValueError("the waveform must be a VCD with definitions, and it is not")


def _body(lines: Iterable[str], out: TextIO, events: Sequence[Event], steps: int) -> None:
    changes = sorted(
        (cycle, hart, state)
        for hart, track in hart_states(events).items()
        for cycle, state in track
    )
    waiting = iter(changes)
    following = next(waiting, None)
    for line in lines:
        if not line.startswith("#"):
            out.write(line)
            continue
        time = int(line[1:])
        out.write(f"#{time * CYCLE_UNITS // steps}\n")
        if time % steps:
            continue
        cycle = time // steps
        out.write(f"b{cycle:b} _cycle\n")
        while following is not None and following[0] <= cycle:
            out.write(f"s{following[2]} _hart{following[1]}\n")
            following = next(waiting, None)


def fst_converter() -> str:
    """GTKWave's program that makes FST of VCD.

    Raises
    ------
    ValueError : it is not installed.
    """
    tool = shutil.which("vcd2fst")
    if tool is None:
        raise ValueError("vcd2fst must be installed for FST (Debian: gtkwave), but is not in PATH")
    return tool


def to_fst(vcd: Path) -> Path:
    """The same waveform as FST in the place of ``vcd``, a fraction of the size.

    Raises
    ------
    ValueError : the converter is not installed, or failed.
    """
    fst = vcd.with_suffix(".fst")
    part = fst.with_suffix(".fst.part")
    try:
        done = subprocess.run(
            [fst_converter(), str(vcd), str(part)], capture_output=True, text=True, check=False
        )
        if done.returncode or not part.exists():
            raise ValueError(
                f"vcd2fst must make {fst}, and failed: {done.stderr.strip() or done.returncode}"
            )
        part.replace(fst)
    finally:
        part.unlink(missing_ok=True)
    vcd.unlink()
    return fst


def write_views(vcd: Path, names: Iterable[str], events: Iterable[Event]) -> list[Path]:
    """A save file of GTKWave and a command file of Surfer that show ``vcd`` hart by hart, from
    shortly before the first post on; returns their paths. Markers A and B are begin and end."""
    log = list(events)
    known = {name.partition("[")[0]: name for name in names}
    groups = [
        (title, [known[name] for name in wanted if name in known])
        for title, wanted in _groups(known)
    ]
    marks = {event.name: event.cycle * CYCLE_UNITS for event in log if isinstance(event, Mark)}
    begin, end = marks.get("begin", 0), marks.get("end", -1)
    posts = (event.cycle for event in log if isinstance(event, UipiDone))
    first = max(next(posts, 0) - _AHEAD, 0) * CYCLE_UNITS
    gtkwave, surfer = vcd.with_suffix(".gtkw"), vcd.with_suffix(".sucl")
    lines = [
        f'[dumpfile] "{vcd.name}"',
        f"[timestart] {first}",
        "[size] 1600 900",
        f"*-12.000000 {first} {begin} {end}" + " -1" * 24,
        "[sst_expanded] 1",
    ]
    commands = []
    for title, wanted in groups:
        if not wanted:
            continue
        lines += ["@200", f"-{title}"]
        commands.append(f"divider_add {title.replace(' ', '_')}")
        for name in wanted:
            lines += ["@24" if name.startswith("rel4.cycle") else "@22", name]
            commands.append(f"variable_add {name.partition('[')[0]}")
    commands += [f"cursor_set {first}", "zoom_fit"]
    write_atomically(gtkwave, ("\n".join(lines) + "\n").encode("ascii"))
    write_atomically(surfer, ("\n".join(commands) + "\n").encode("ascii"))
    return [gtkwave, surfer]


def _groups(known: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Titles and the signals that belong under them, some of which may not exist."""
    port = re.compile(rf"{_TOP}\.hart__(\d+)__interrupt$")
    harts = sorted({int(found[1]) for name in known if (found := port.match(name))})
    system = f"{_TOP}.system"
    groups = [("time", ["rel4.cycle", f"{_TOP}.clk", f"{_TOP}.quiescent"])]
    for hart in harts:
        side, unit = f"{_TOP}.hart__{hart}__", f"{system}.hart_unit_{hart}"
        fields = ("kind", "function", "address", "data")
        groups.append(
            (
                f"hart {hart}",
                [
                    f"rel4.hart_{hart}",
                    f"{side}privilege",
                    f"{side}interrupt",
                    f"{side}request__valid",
                    *(f"{side}request__payload__{field}" for field in fields),
                    f"{side}response__valid",
                    *(f"{side}response__payload__{field}" for field in ("status", "data")),
                    f"{unit}.line",
                    f"{unit}.sender.fsm_state",
                    f"{unit}.receiver.ustatus",
                    f"{unit}.receiver.uip",
                ],
            )
        )
    ports = (
        [f"{system}.ports__{n}__operation__{word}" for word in ("valid", "ready")]
        + [
            f"{system}.ports__{n}__operation__payload.{word}"
            for word in ("function", "receiver", "data")
        ]
        for n in range(len(harts) + 1)
    )
    groups.append(("controller", [*chain.from_iterable(ports)]))
    return groups
