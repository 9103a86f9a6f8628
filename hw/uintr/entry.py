"""Where the three programs begin: one sentence also for what happens while they are imported."""

import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from types import FrameType

__all__ = ["begin", "end", "main", "start"]

_INTERRUPTED = 128 + signal.SIGINT
_is_program = False


def start(name: str, module: str, arguments: Sequence[str] | None = None) -> int:
    """``main`` of ``module``, which is the program ``name``; exit status 2 where a package that it
    needs is not installed, 130 where it is interrupted before anything has begun (`begin`)."""

    def leave(*_: object) -> None:
        # No exception: Python drops one that is raised in a callback, of which imports have many.
        os.write(2, f"{name}: interrupted before anything was begun\n".encode())
        os._exit(_INTERRUPTED)

    global _is_program
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave)
        _is_program = True
    try:
        run: Callable[[Sequence[str] | None], int] = import_module(module).main
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or missing == module.partition(".")[0]:
            raise
        how = f"{missing} must be installed (pip install 'rel4-uintr[rtl]'), but is not"
        print(f"{name}: {how}", file=sys.stderr)
        return 2
    status = run(arguments)
    end()
    return status


def begin() -> None:
    """Have an interrupt raise KeyboardInterrupt, from here on."""
    if callable(signal.getsignal(signal.SIGINT)):  # not where interrupts are ignored
        signal.signal(signal.SIGINT, _interrupt)


def end() -> None:
    """Ignore interrupts, from here on: all is done, and Python takes its time to end."""
    if _is_program:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> None:
    warnings.simplefilter("ignore")  # a coroutine that it leaves unawaited is no news
    signal.default_int_handler(number, frame)


def main(arguments: Sequence[str] | None = None) -> int:
    """``uintr``."""
    return start("uintr", "uintr.cli", arguments)
