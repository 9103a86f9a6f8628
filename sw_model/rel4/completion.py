"""Shell completion, made from the parser itself: ``rel4 completion bash``."""

import argparse
from collections.abc import Mapping

__all__ = ["SHELLS", "completion_script", "completion_words"]

SHELLS = ("bash", "zsh", "fish")

_BASH = """_{name}() {{
  local words
  case "${{COMP_WORDS[1]}}" in
{cases}
    *) words="{commands}" ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then words="{commands}"; fi
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _{name} {name}
"""


def completion_words(parser: argparse.ArgumentParser) -> dict[str, tuple[str, ...]]:
    """The commands of ``parser``, each with its options."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            commands: Mapping[str, argparse.ArgumentParser] = action.choices
            return {name: _options(command) for name, command in commands.items()}
    return {}


def _options(parser: argparse.ArgumentParser) -> tuple[str, ...]:
    return tuple(
        option
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--")
    )


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """What ``shell`` is to evaluate.

    Raises
    ------
    ValueError : it is none of `SHELLS`.
    """
    words = completion_words(parser)
    if shell not in SHELLS:
        raise ValueError(f"shell must be one of {', '.join(SHELLS)}, not {shell!r}")
    if shell == "fish":
        lines = [
            f"complete -c {parser.prog} -n __fish_use_subcommand -f -a {name}" for name in words
        ] + [
            f"complete -c {parser.prog} -n '__fish_seen_subcommand_from {name}' -l {option[2:]}"
            for name, options in words.items()
            for option in options
        ]
        return "\n".join(lines) + "\n"
    cases = "\n".join(
        f'    {name}) words="{" ".join(options)}" ;;' for name, options in words.items()
    )
    script = _BASH.format(name=parser.prog, cases=cases, commands=" ".join(words))
    # zsh reads bash's completions once told to.
    before = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"
    return (before if shell == "zsh" else "") + script
