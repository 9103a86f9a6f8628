"""Compiled programs: compiler, ELF, and running them on real harts."""

from rel4.compiled.compiler import CompileError, compile_program, find_compiler
from rel4.compiled.elf import Program, ProgramError, load_program
from rel4.compiled.runner import (
    Ending,
    Listener,
    Marker,
    RunConfig,
    RunResult,
    find_runner,
    run_program,
)

__all__ = [
    "CompileError",
    "Ending",
    "Listener",
    "Marker",
    "Program",
    "ProgramError",
    "RunConfig",
    "RunResult",
    "compile_program",
    "find_compiler",
    "find_runner",
    "load_program",
    "run_program",
]
