"""What a traced run leaves in its folder: event log, timeline, instructions."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import rel4
from rel4.compiled.elf import Program
from rel4.compiled.profile import function_cycles, render_functions
from rel4.compiled.runner import Listener, Miss, Retired, RunConfig, RunResult
from rel4.compiled.symbols import Symbols
from rel4.compiled.timeline import Timeline
from rel4.trace.perfetto import write_trace

__all__ = ["Recorder", "instruction_line", "recording"]


class Recorder(Listener):
    """Hears a run and writes events.jsonl, trace.json and functions.txt into a folder, and
    instructions.txt as it goes if `RunConfig.instructions`. Made by `recording`.
    """

    def __init__(
        self,
        folder: Path,
        program: Program,
        config: RunConfig,
        after: Listener,
        text: TextIO | None,
    ) -> None:
        self._folder = folder
        self._program = program
        self._config = config
        self._after = after
        self._text = text
        self._timeline = Timeline(program.symbols)
        self.console = after.console  # type: ignore[method-assign]
        self.progress = after.progress  # type: ignore[method-assign]

    def retired(self, record: Retired) -> None:
        self._timeline.retired(record)
        if self._text is not None:
            self._text.write(instruction_line(record, self._program.symbols) + "\n")
        self._after.retired(record)

    def miss(self, record: Miss) -> None:
        self._timeline.miss(record)
        self._after.miss(record)

    def close(self, result: RunResult) -> None:
        """The run is over: write what it was."""
        self._timeline.marks(result.marks)
        log = self._timeline.log
        part = self._folder / "events.jsonl.part"
        part.write_text("".join(f"{line}\n" for line in log.lines()), encoding="utf-8")
        part.replace(self._folder / "events.jsonl")
        about = {
            "program": str(self._program.path),
            "version": rel4.__version__,
            "ending": result.sentence,
            "harts": self._config.harts,
            "memory_latency": self._config.memory_latency,
            "jitter": self._config.jitter,
            "seed": self._config.seed,
            "cache_kib": self._config.cache_kib,
        }
        write_trace(log.events, self._folder / "trace.json", about)
        table = render_functions(function_cycles(log.events))
        (self._folder / "functions.txt").write_text(table, encoding="utf-8")


@contextmanager
def recording(
    folder: Path, program: Program, config: RunConfig, after: Listener
) -> Iterator[Recorder]:
    """A recorder that writes into ``folder`` and passes everything on to ``after``."""
    folder.mkdir(parents=True, exist_ok=True)
    if not config.instructions:
        yield Recorder(folder, program, config, after, None)
        return
    with (folder / "instructions.txt").open("w", encoding="ascii") as text:
        yield Recorder(folder, program, config, after, text)


def instruction_line(record: Retired, symbols: Symbols) -> str:
    """One line for people: cycle, hart, privilege, where, the instruction word, what it did."""
    width = 8 if record.insn & 3 == 3 else 4
    line = (
        f"{record.cycle:>10} {record.hart} {'US?M'[record.mode]} {record.pc:016x} "
        f"{record.insn:0{width}x}{'' if width == 8 else '    '} {symbols.name(record.pc)}"
    )
    if record.intr:
        line += f"  interrupt {record.cause:#x}"
    if record.trap:
        line += f"  trap {record.cause:#x} to {symbols.name(record.next_pc)}"
    if record.rd:
        line += f"  x{record.rd}={record.value:#x}"
    if record.write_mask:
        line += f"  [{record.address:#x}]={record.data:#x}/{record.write_mask:02x}"
    elif record.read_mask:
        line += f"  [{record.address:#x}]/{record.read_mask:02x}"
    return line
