"""``completion`` of the three programs: a shell's completion, made from the parsers themselves.

Commands, options, and the values of options that have names; files elsewhere.
"""

import argparse
from collections.abc import Callable, Mapping

from uintr.program import Parser, choose

__all__ = ["SHELLS", "completion_script", "completion_words", "define"]

SHELLS = ("bash", "zsh", "fish")

_BASH = """_{function}() {{
  local words previous="${{COMP_WORDS[COMP_CWORD-1]}}"
  case "${{COMP_WORDS[1]}} $previous" in
{values}
    *) case "${{COMP_WORDS[1]}}" in
{cases}
      *) words="{commands}" ;;
    esac ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then words="{commands}"; fi
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _{function} {name}
"""


def define(parser: Parser, whole: Callable[[], Parser]) -> None:
    """Describe the command; ``whole`` makes the program's parser with all its commands."""
    program = parser.prog.partition(" ")[0]

    def run(options: argparse.Namespace) -> int:
        print(completion_script(whole(), options.shell), end="")
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


def completion_words(parser: Parser) -> dict[str, dict[str, list[str]]]:
    """The commands of ``parser``, each with its options and the values that they may have; an
    argument of its own has the option ``""``."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            commands: Mapping[str, Parser] = action.choices
            return {name: _options(command) for name, command in commands.items()}
    return {}


def _options(parser: Parser) -> dict[str, list[str]]:
    options = {
        option: parser.words.get(option) or list(map(str, action.choices or ()))
        for action in parser._actions
        for option in action.option_strings
    }
    return options | ({"": parser.words[""]} if "" in parser.words else {})


def completion_script(parser: Parser, shell: str) -> str:
    """What ``shell`` is to evaluate.

    Raises
    ------
    ValueError : it is none of `SHELLS`.
    """
    words = completion_words(parser)
    choose("shell", shell, SHELLS)
    if shell == "fish":
        return "\n".join(_fish(parser.prog, words)) + "\n"
    values = "\n".join(
        f'    "{name} {option or name}") words="{" ".join(known)}" ;;'
        for name, options in words.items()
        for option, known in options.items()
        if known
    )
    cases = "\n".join(
        f'      {name}) words="{" ".join(filter(None, options))}" ;;'
        for name, options in words.items()
    )
    function = parser.prog.replace("-", "_")
    script = _BASH.format(
        name=parser.prog, function=function, cases=cases, values=values, commands=" ".join(words)
    )
    # zsh reads bash's completions once told to.
    before = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"
    return (before if shell == "zsh" else "") + script


def _fish(program: str, words: Mapping[str, Mapping[str, list[str]]]) -> list[str]:
    lines = [f"complete -c {program} -n __fish_use_subcommand -f -a {name}" for name in words]
    for name, options in words.items():
        inside = f"complete -c {program} -n '__fish_seen_subcommand_from {name}'"
        for option, known in options.items():
            values = f" -x -a '{' '.join(known)}'" if known else ""
            dashes = len(option) - len(option.lstrip("-"))
            flag = ("", " -s ", " -l ")[dashes] + option[dashes:]
            lines.append(f"{inside}{flag}{values}")
    return lines
