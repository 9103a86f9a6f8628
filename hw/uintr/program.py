"""The manner of the three programs: how a command line is read, how a run ends, what it says.

Exit status: 0 done; 1 it ran, and the result is bad; 2 the request or the world around is not
right; 3 not finished; 130 interrupted. A failure is one sentence on standard error. The standard
library alone.
"""

import argparse
import difflib
import errno
import os
import re
import shlex
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

from uintr.entry import begin, end

__all__ = [
    "NOTHING_KEPT",
    "Commands",
    "Parser",
    "Stopped",
    "UnfinishedError",
    "choose",
    "given",
    "listen",
    "number",
    "path",
    "run_program",
    "say",
    "seconds",
    "several",
    "version",
    "whole",
]

Commands = argparse._SubParsersAction
"""What commands are added to."""

UNFINISHED = 3
NOTHING_KEPT = "nothing of this run is kept"


class UnfinishedError(Exception):
    """Time was up; the sentence says what is kept."""


class Stopped(KeyboardInterrupt):
    """Interrupted; the sentence says what is kept."""


# --- reading --------------------------------------------------------------------------------------


class _Help(argparse.RawDescriptionHelpFormatter):
    """At most 100 columns, examples as they stand."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size((100, 24)).columns, 100)
        super().__init__(prog, width=width, max_help_position=26)


def _filled(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 96)


def _examples(text: str) -> str | None:
    lines = textwrap.indent(textwrap.dedent(text).strip(), "  ")
    return f"examples:\n{lines}" if lines else None


class Parser(argparse.ArgumentParser):
    """A command line whose errors are one sentence and exit status 2, and which knows the nearest
    name to one that does not exist.

    Parameters
    ----------
    examples : lines below the help
    """

    def __init__(self, *, examples: str = "", description: str = "", **others: Any) -> None:
        super().__init__(
            description=_filled(description),
            epilog=_examples(examples),
            formatter_class=_Help,
            **others,
        )
        self.words: dict[str, list[str]] = {}

    def complete(self, option: str, words: Iterable[str]) -> None:
        """What a shell may offer as the value of ``option``, or of the first argument (``""``)."""
        self.words[option] = list(words)

    def describe(
        self,
        run: Callable[[argparse.Namespace], int],
        description: str,
        examples: str = "",
    ) -> None:
        """What the command does, and how; ``run`` returns the exit status."""
        self.set_defaults(run=run, parser=self)
        self.description = _filled(description)
        self.epilog = _examples(examples)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The options; ``given`` holds the words that they were made of."""
        words = list(sys.argv[1:] if args is None else args)
        options, left = self.parse_known_args(words, namespace)
        if left:
            command: Parser = getattr(options, "parser", self)
            name = left[0].partition("=")[0]
            if not name.startswith("-"):
                command.error(f"{name!r} is one argument too many")
            known = [option for action in command._actions for option in action.option_strings]
            command.error(f"{name} must be an option of {command.prog}{nearest(name, known)}")
        options.given = words
        return options

    def error(self, message: str) -> NoReturn:
        message = re.sub(r"^argument (.+?): must be ", r"\1 must be ", message)
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            name = "/".join(action.option_strings) or str(action.metavar or action.dest)
            raise argparse.ArgumentError(None, _not_one_of(name, value, map(str, action.choices)))

    def commands(self) -> "Commands[Any]":
        """Where commands are added; they are parsers of this kind."""
        return self.add_subparsers(required=True, metavar="COMMAND", dest="command")


def nearest(name: str, known: Iterable[str]) -> str:
    """A word on what was perhaps meant, to be put behind a sentence; empty if nothing is near."""
    plain = {str(one).lstrip("-"): str(one) for one in known}  # dashes are no likeness
    found = difflib.get_close_matches(name.lstrip("-"), plain, n=1, cutoff=0.62)
    return f"; did you mean {plain[found[0]]!r}?" if found else ""


def _not_one_of(name: str, value: object, known: Iterable[str]) -> str:
    names = list(map(str, known))
    shown = names if len(names) <= 20 else [*names[:12], "..."]
    return f"{name} must be one of {', '.join(shown)}, not {value!r}{nearest(str(value), names)}"


def choose(name: str, value: str, known: Iterable[str]) -> str:
    """``value``, which is one of ``known``.

    Raises
    ------
    ValueError : it is not; the sentence lists them and says which is near.
    """
    names = list(known)
    if value not in names:
        raise ValueError(_not_one_of(name, value, names))
    return value


def several(name: str, text: str, known: Iterable[str] | None = None) -> list[str]:
    """The words of ``text`` with commas between, each once, each of ``known`` if that is given.

    Raises
    ------
    ValueError : one is missing, unknown or there twice.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise ValueError(f"{name} must be words with commas between, not {text!r}")
    if known is not None:
        names = list(known)
        words = [choose(name, word, names) for word in words]
    twice = next((word for word in words if words.count(word) > 1), None)
    if twice is not None:
        raise ValueError(f"{name} must name each value once, not {twice} twice")
    return words


def whole(text: str) -> int:
    """A whole number in decimal digits, as an option's type."""
    if re.fullmatch(r"[+-]?[0-9]{1,30}", text) is None:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}")
    return int(text)


def number(name: str, text: str) -> int:
    """The same outside a parser.

    Raises
    ------
    ValueError : it is none.
    """
    try:
        return whole(text)
    except argparse.ArgumentTypeError:
        raise ValueError(
            f"{name} must be whole numbers with commas between, not {text!r}"
        ) from None


def path(text: str) -> Path:
    """A path that is not empty, as an option's type."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"must be a path, not {text!r}")
    return Path(text)


def seconds(text: str) -> float:
    """A number above 0 and not infinite, as the type of an option that is a time."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return value


def given(parser: argparse.ArgumentParser, options: argparse.Namespace, *names: str) -> list[str]:
    """Those options among ``names`` (as in the namespace) that were given, as they are written."""
    words = [word.partition("=")[0] for word in options.given if word.startswith("-")]
    return [
        action.option_strings[-1]
        for action in parser._actions
        if action.dest in names
        # An option may be abbreviated.
        and any(option.startswith(word) for option in action.option_strings for word in words)
    ]


def version() -> str:
    """Of the distribution that all three programs are of."""
    try:
        return metadata.version("rel4-uintr")
    except metadata.PackageNotFoundError:
        return "not installed"


# --- saying ---------------------------------------------------------------------------------------


def _print(text: str) -> None:
    print(f"{_program}: {text}", file=sys.stderr, flush=True)


_program = "uintr"
_listener: Callable[[str], None] = _print


def say(text: str) -> None:
    """Say what is going on, before it takes time. On standard error, or to whoever listens."""
    _listener(text)


def listen(listener: Callable[[str], None]) -> None:
    """Have ``listener`` told from now on, in this process."""
    global _listener
    _listener = listener


# --- running --------------------------------------------------------------------------------------


def run_program(
    make: Callable[[], Parser],
    argv: Sequence[str] | None = None,
    *,
    name: str = "",
    statuses: Callable[[], Mapping[type[Exception], int]] = dict,
) -> int:
    """Read ``argv``, run its command, and return the exit status. A failure of the world around is
    one sentence and status 2 here, for every command; whatever else is raised is a fault of the
    program and keeps its traceback.

    Parameters
    ----------
    make : makes the parser, whose commands are described (`Parser.describe`)
    name : of the program until its parser is made
    statuses : further exceptions that are a sentence, with their status. Asked for only then.
    """
    global _program
    words = list(sys.argv[1:] if argv is None else argv)
    options = argparse.Namespace()
    _program = name or _program
    try:
        parser = make()
        _program = parser.prog
        options = parser.parse_args(words)
        begin()
        status: int = options.run(options)
        sys.stdout.flush()
        end()
    except BrokenPipeError:
        _close_output()  # whoever read it has seen enough
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt as stop:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one is enough
        _print(f"interrupted; {str(stop) or NOTHING_KEPT}; {_go_on(stop, options, words)}")
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return 128 + signal.SIGINT
    except UnfinishedError as reason:
        _print(f"{reason}; {_go_on(reason, options, words)}")
        return UNFINISHED
    except OSError as error:
        _print(_world(error))
        if error.filename is None:
            _close_output()
        return 2
    except MemoryError:
        _print("there must be more memory than this computer has for that")
        return 2
    except Exception as error:
        known = {**statuses(), ValueError: 2}
        found = next((known[kind] for kind in type(error).__mro__ if kind in known), None)
        if found is None:
            raise
        _print(str(error))
        return found
    return status


def _close_output() -> None:
    """Leave nothing to be flushed to an output that is gone or full."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, sys.stdout.fileno())
    except (OSError, ValueError):
        pass
    finally:
        os.close(nothing)


def _go_on(reason: BaseException, options: argparse.Namespace, words: Sequence[str]) -> str:
    """How to go on: the command as it was given, with --resume if something is kept and it has
    that."""
    typed = Path(sys.argv[0])
    program = _program
    if typed.name == "__main__.py":
        program = f"python -m {typed.parent.name}"
    elif typed.name == program and shutil.which(program) != str(typed):
        program = min(os.path.relpath(typed), os.path.abspath(typed), key=len)
    if not str(reason) or NOTHING_KEPT in str(reason):
        return f"begin again with: {program} {shlex.join(words)}"
    more = [] if getattr(options, "resume", True) else ["--resume"]
    return f"go on with: {program} {shlex.join([*words, *more])}"


_WORLD = {
    errno.ENOSPC: "must have room on its disk, which is full",
    errno.EDQUOT: "must have room, and the quota of the disk is used up",
    errno.EFBIG: "must not be as large as that here",
    errno.EACCES: "must be accessible, and permission is denied",
    errno.EPERM: "must be accessible, and permission is denied",
    errno.EROFS: "must be on a disk that can be written, and it can only be read",
    errno.ENOENT: "must exist, and does not",
    errno.EISDIR: "must be a file, and is a folder",
    errno.ENOTDIR: "must be in a folder, and a part of its path is a file",
    errno.EEXIST: "must be a folder, and is a file",
    errno.ENAMETOOLONG: "must be a shorter path",
    errno.ELOOP: "must not lead through a loop of links",
    errno.ENOTEMPTY: "must be a file, and is a folder",
}


def _world(error: OSError) -> str:
    """A sentence about a file, or about the output."""
    what = "the output" if error.filename is None else os.fspath(error.filename)
    what = what.decode(errors="replace") if isinstance(what, bytes) else str(what)
    if len(what) > 100:
        what = f"{what[:60]}...{what[-30:]}"
    rule = _WORLD.get(error.errno or 0)
    return f"{what} {rule}" if rule else f"{what} must be usable: {error.strerror or error}"
