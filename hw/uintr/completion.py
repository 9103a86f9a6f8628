"""``completion`` of the three programs: shtab's script, made from the parsers themselves.

Commands, options, and the values of options that have names; files elsewhere.
"""

import argparse
from collections.abc import Callable

from uintr.program import Parser, choose

__all__ = ["SHELLS", "completion_script", "define"]

SHELLS = ("bash", "zsh", "fish")


def define(parser: Parser, whole: Callable[[], Parser]) -> None:
    """Describe the command; ``whole`` makes the program's parser with all its commands."""
    program = parser.prog.partition(" ")[0]

    def run(options: argparse.Namespace) -> int:
        print(completion_script(whole(), options.shell))
        return 0

    parser.describe(
        run,
        "Print the script for the shell to evaluate.",
        f"""
        eval "$({program} completion bash)"                     in this shell
        {program} completion fish > ~/.config/fish/completions/{program}.fish
        """,
    )
    parser.add_argument("shell", metavar="SHELL", help=f"one of {', '.join(SHELLS)}")
    parser.complete("", SHELLS)


def completion_script(parser: Parser, shell: str) -> str:
    """What ``shell`` is to evaluate. ``parser`` is of no use for anything else afterwards.

    Raises
    ------
    ValueError : it is none of `SHELLS`.
    """
    import shtab  # looks for its own version: what completes nothing need not wait for that

    choose("shell", shell, SHELLS)
    for each in parser._actions:
        if isinstance(each, argparse._SubParsersAction):
            for command in each.choices.values():
                for action in command._actions:
                    names = (command.words.get(option) for option in action.option_strings or ("",))
                    # Values that are only offered, such as words of a list with commas.
                    action.choices = next(filter(None, names), action.choices)
                    if action.choices is None and action.nargs != 0:
                        action.complete = shtab.FILE
    script: str = shtab.complete(parser, shell)
    return script
