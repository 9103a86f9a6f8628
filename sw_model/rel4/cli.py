"""The command line ``rel4``: the commands, each in a module beside what it runs."""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

import rel4
from uintr.completion import define as define_shell_completion
from uintr.program import Parser, run_program

__all__ = ["COMMANDS", "define_completion", "main", "whole_parser"]

COMMANDS = {
    "sweep": ("rel4.bench.sweep_command", "the published experiment: time and traps over N"),
    "report": ("rel4.bench.report_command", "a sweep as one self-contained HTML page"),
    "trace": ("rel4.bench.trace_command", "one run as a timeline and, on RTL, as a waveform"),
    "explore": ("rel4.explore.command", "drive the runtime through every interleaving"),
    "claims": ("rel4.bench.claims_command", "what is better than published, over several seeds"),
    "study": ("rel4.bench.study_command", "a grid or random design over any parameters"),
    "compare": ("rel4.bench.compare_command", "do two devices give the same event log?"),
    "validate": ("rel4.bench.validate", "the model with measured costs against machine code"),
    "ipc": ("rel4.bench.ipc_command", "IPC, synchronous and over rings with user interrupts"),
    "pingpong": ("rel4.bench.pingpong_command", "what a message to a thread and back costs"),
    "cc": ("rel4.compiled.command:define_cc", "compile C and assembler for the hart"),
    "run": ("rel4.compiled.command:define_run", "run a compiled program on real harts"),
    "completion": ("rel4.cli:define_completion", "a script that completes commands in a shell"),
}
"""Module and a line of help. A module has ``define(parser)``, or a function that is named, and is
imported when its command is asked for: no command waits for what another needs."""

_STATUSES = {
    "rel4.machine.device:DeviceError": 2,
    "rel4.bench.conservation:ConservationError": 1,
    "rel4.explore.actors:ExploreError": 1,
    "rel4.machine.faults:MachineError": 1,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 the run broke a rule, 2 the request was not right, 3 not finished,
    130 interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    return run_program(lambda: _parser(words), words, name="rel4", statuses=_statuses)


def whole_parser() -> Parser:
    """With all commands in full."""
    return _parser(list(COMMANDS))


def define_completion(parser: Parser) -> None:
    """Describe ``rel4 completion``."""
    define_shell_completion(parser, whole_parser)


def _parser(words: Sequence[str]) -> Parser:
    parser = Parser(
        prog="rel4",
        description=rel4.__doc__ or "",
        examples="""
        rel4 sweep --policy sync,tick --concurrency 2,8,64 --out build/first
        rel4 report build/first
        rel4 explore --items 2
        rel4 COMMAND --help
        """,
    )
    parser.add_argument("--version", action="version", version=f"rel4 {rel4.__version__}")
    commands = parser.commands()
    for name, (module, line) in COMMANDS.items():
        command = commands.add_parser(name, help=line)
        if name in words:
            module, _, function = module.partition(":")
            getattr(import_module(module), function or "define")(command)
    return parser


def _statuses() -> Mapping[type[Exception], int]:
    found = {}
    for place, status in _STATUSES.items():
        module, _, name = place.partition(":")
        found[getattr(import_module(module), name)] = status
    return found


if __name__ == "__main__":
    sys.exit(main())
