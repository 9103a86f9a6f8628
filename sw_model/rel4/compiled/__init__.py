"""Compiled programs: compiler, ELF, and running them on real harts."""
