"""`rel4 cc`: programs by both compilers, and a sentence for everything that is not right."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rel4 import cli
from rel4.compiled.compiler import COMPILERS, CompileError, compile_program, find_compiler
from rel4.compiled.elf import load_program
from rel4.compiled.sources import linker_script
from rv64.memory_map import RAM_BASE
from uintr.registers import UipiFunction, uipi_word

MAIN = "int main(void) { return 0; }\n"


def installed(name: str) -> bool:
    try:
        find_compiler(name)
    except CompileError:
        return False
    return True


@pytest.fixture(params=COMPILERS)
def by(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name == "gcc" and not installed(name):
        pytest.skip("riscv64-unknown-elf-gcc is not installed")
    return name


def build(folder: Path, text: str, *, by: str = "clang", name: str = "main.c") -> Path:
    source, out = folder / name, folder / "program.elf"
    source.write_text(text)
    compile_program([source], out, compiler=by, optimise="s")
    return out


def test_a_program_begins_where_the_harts_do(tmp_path: Path, by: str) -> None:
    program = load_program(build(tmp_path, MAIN, by=by))
    assert program.segments[0].address == RAM_BASE
    assert program.symbols.name(RAM_BASE) == "_start"
    assert program.tohost == program.symbols.addresses["tohost"]
    assert program.end - RAM_BASE < 128 << 10, "a small board has room for it"


def test_what_is_not_used_is_not_in_it(tmp_path: Path, by: str) -> None:
    names = load_program(build(tmp_path, MAIN, by=by)).symbols.addresses
    assert "enter_user" not in names
    assert "user_handler" not in names


def test_every_intrinsic_is_the_word_of_the_register_table(tmp_path: Path, by: str) -> None:
    calls = "".join(
        f"    volatile uint64_t {name}_here = {use};\n"
        for name, use in (("read", "uipi_read()"), ("uie", "uintr_csr_set(UINTR_CSR_UIE, 1)"))
    )
    text = (
        "#include <uintr.h>\n"
        "__attribute__((noinline)) void words(uint64_t a)\n{\n"
        "    uipi_send(a);\n    uipi_write(a);\n    uipi_activate();\n    uipi_deactivate();\n}\n"
        f"int main(void)\n{{\n    words(1);\n{calls}    return (int)(read_here + uie_here);\n}}\n"
    )
    code = load_program(build(tmp_path, text, by=by)).segments[0].data
    for function, rs1 in (("SEND", 10), ("WRITE", 10), ("ACTIVATE", 0), ("DEACTIVATE", 0)):
        word = uipi_word(UipiFunction[function], rs1=rs1)
        assert word.to_bytes(4, "little") in code, function
    reads = {uipi_word(UipiFunction.READ, rd=rd).to_bytes(4, "little") for rd in range(1, 32)}
    assert any(word in code for word in reads)


def test_the_header_in_assembler(tmp_path: Path, by: str) -> None:
    text = (
        '#include "uintr.h"\n#include "soc.h"\n'
        "    .globl main\nmain:\n    uipi_read a0\n    uipi_send a1\n    uipi_activate\n"
        "    csrr a2, UINTR_CSR_UEPC\n    li a3, UINTR_CSR_SUIRS_EN_MASK\n    li a4, UART_BASE\n"
        "    uret\n    ret\n"
    )
    code = load_program(build(tmp_path, text, by=by, name="main.S")).segments[0].data
    for word in (
        uipi_word(UipiFunction.READ, rd=10),
        uipi_word(UipiFunction.SEND, rs1=11),
        0x0020_0073,
    ):
        assert word.to_bytes(4, "little") in code


def test_warnings_are_shown_and_do_not_stop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(tmp_path, "int main(void) { int odd; return 0; }\n")
    assert "unused variable" in capsys.readouterr().err


def test_library_and_headers_are_free_of_warnings(
    tmp_path: Path, by: str, capsys: pytest.CaptureFixture[str]
) -> None:
    headers = ("assert", "csr", "mark", "soc", "stdio", "stdlib", "string", "trap", "uintr")
    build(tmp_path, "".join(f"#include <{each}.h>\n" for each in headers) + MAIN, by=by)
    (said,) = capsys.readouterr().err.splitlines()  # and nothing of the compiler's
    assert said.startswith(("rel4: compiling ", "uintr: compiling "))


def test_two_sources_of_one_name_and_a_macro(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "main.c").write_text("int other(void) { return VALUE; }\n")
    (tmp_path / "main.c").write_text("int other(void);\nint main(void) { return other(); }\n")
    sources = [tmp_path / "main.c", tmp_path / "other" / "main.c"]
    compile_program(sources, tmp_path / "p.elf", defines=["VALUE=3"], optimise="0")
    assert "other" in load_program(tmp_path / "p.elf").symbols.addresses


def test_a_program_without_the_library(tmp_path: Path) -> None:
    (tmp_path / "bare.S").write_text("    .globl _start\n_start:\n    j _start\n")
    compile_program([tmp_path / "bare.S"], tmp_path / "bare.elf", library=False)
    assert load_program(tmp_path / "bare.elf").end - RAM_BASE < 1 << 20


BAD = (
    (["none.c", "-o", "out.elf"], "none.c must be a file, but there is none"),
    (["main.py", "-o", "out.elf"], "source must end in .c, .S or .s, not 'main.py'"),
    (["main.c", "-o", "none/out.elf"], "output must be a file in a folder that exists, not"),
    (["main.c", "-o", "."], "output must be a file in a folder that exists, not"),
    (["main.c", "-o", "out.elf", "-O9"], "-O must be one of 0, 1, 2, 3, s, g, z, not '9'"),
    (["main.c", "-o", "out.elf", "-I", "none"], "include must be a folder, not 'none'"),
    (["main.c", "-o", "out.elf", "-T", "none.ld"], "none.ld must be a file, but there is none"),
    (["main.c", "-o", "out.elf", "--compiler", "tcc"], "compiler must be clang or gcc, not 'tcc'"),
    (["wrong.c", "-o", "out.elf"], "wrong.c could not be built; the compiler said why"),
    (["empty.c", "-o", "out.elf"], "out.elf could not be built; the compiler said why"),
)


@pytest.mark.parametrize(("arguments", "sentence"), BAD)
def test_bad_input_is_one_sentence_and_status_2(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("main.c").write_text(MAIN)
    Path("wrong.c").write_text("int main(void) { return nothing; }\n")
    Path("empty.c").write_text("")
    assert cli.main(["cc", *arguments]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"rel4: {sentence}")
    assert not Path("out.elf").exists()
    assert not Path("out.elf.part").exists()


@pytest.mark.parametrize("name", COMPILERS)
def test_a_compiler_that_is_not_installed(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr("shutil.which", lambda _: None)
    (tmp_path / "main.c").write_text(MAIN)
    arguments = [str(tmp_path / "main.c"), "-o", str(tmp_path / "out.elf"), "--compiler", name]
    assert cli.main(["cc", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"rel4: {name} must be installed")


def test_printf_and_string_functions_beside_those_of_this_computer(tmp_path: Path) -> None:
    folder = linker_script().parent
    gcc = ["gcc", "-std=gnu11", "-w", "-fno-builtin"]
    names = ("vsnprintf", "snprintf", "vprintf", "printf", "memcpy", "memmove", "memset")
    renamed = [f"-D{name}=our_{name}" for name in (*names, "memcmp", "strlen", "strcmp")]
    ours = [*gcc, *renamed, "-I", str(folder / "include"), "-c"]
    for name in ("printf", "string"):
        source = str(folder / "lib" / f"{name}.c")
        subprocess.run([*ours, source, "-o", str(tmp_path / f"{name}.o")], check=True)
    test = str(Path(__file__).with_name("against_host.c"))
    objects = [str(tmp_path / "printf.o"), str(tmp_path / "string.o")]
    subprocess.run([*gcc, test, *objects, "-o", str(tmp_path / "test")], check=True)
    done = subprocess.run([tmp_path / "test"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_an_interrupt_of_the_terminal_is_not_for_the_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One from a wheel is a Python program, which says where it was."""
    gcc = tmp_path / "riscv64-unknown-elf-gcc"
    gcc.write_text(f"#!{sys.executable}\nimport os, sys\nsys.exit('in %d' % os.getpgrp())\n")
    gcc.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CompileError):
        build(tmp_path, MAIN, by="gcc")
    said = capsys.readouterr().err.splitlines()
    groups = {line for line in said if line.startswith("in ")}
    assert groups
    assert f"in {os.getpgrp()}" not in groups
