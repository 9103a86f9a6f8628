"""What tests of compiled programs on the RTL share: a build of two harts, and programs."""

from pathlib import Path

from rel4.compiled import (
    Program,
    RunConfig,
    RunResult,
    compile_program,
    load_program,
    run_program,
)

__all__ = ["CONFIG", "EXAMPLES", "example", "program", "run"]

EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "compiled"
CONFIG = RunConfig(harts=2, max_cycles=5_000_000)


def example(folder: Path, *names: str, by: str = "clang", optimise: str = "2") -> Program:
    sources = [EXAMPLES / name for name in names]
    compile_program(sources, folder / "example.elf", compiler=by, optimise=optimise)
    return load_program(folder / "example.elf")


def program(folder: Path, text: str) -> Program:
    (folder / "main.c").write_text(text)
    compile_program([folder / "main.c"], folder / "main.elf")
    return load_program(folder / "main.elf")


def run(folder: Path, text: str, config: RunConfig = CONFIG) -> RunResult:
    return run_program(program(folder, text), config)
