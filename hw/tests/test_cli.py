"""The command line as a user meets it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hwbench import unused_components

import uintr
from uintr.cli import main

SMALL = ["--harts", "1", "--receivers", "2", "--table-pages", "1"]


def status(arguments: list[str]) -> object:
    """The status with which the command gives up."""
    try:
        return main(arguments)
    except SystemExit as end:  # the parser's own
        return end.code


def test_verilog_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", *SMALL]) == 0
    out, err = capsys.readouterr()
    assert "\nmodule system(" in out
    assert out.rstrip().endswith("endmodule")
    assert err == "uintr: making the verilog of the system\n"


@pytest.mark.parametrize(
    ("kind", "sign"), [("verilog", "\nmodule system("), ("rtlil", "\nmodule \\system\n")]
)
def test_a_file_is_written_with_ordinary_permissions(
    kind: str, sign: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "system.out"
    path.write_text("old")
    assert main(["generate", "-t", kind, "-o", str(path), *SMALL]) == 0
    assert sign in path.read_text()
    assert capsys.readouterr() == ("", f"uintr: making the {kind} of the system\n")
    assert list(tmp_path.iterdir()) == [path]
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_options_reach_the_hardware(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--harts", "3", "--receivers", "0x11", "--base", "0x10000", "--table-base", "0"]
    assert main(["generate", *options, "--table-pages", "2"]) == 0
    out = capsys.readouterr().out
    assert "hart__2__interrupt" in out
    assert "hart__3__interrupt" not in out
    assert "records [16:0];" in out
    assert "words [1023:0];" in out


@pytest.mark.parametrize(
    ("features", "there"), [("none", False), ("all", True), ("supervisor", True)]
)
def test_features_can_be_left_out(
    features: str, there: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", *SMALL, "--features", features]) == 0
    assert ("count_supervisor_0" in capsys.readouterr().out) == there


def test_the_flavour_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--flavour", "intel", *SMALL]) == 0
    out = capsys.readouterr().out
    assert "\nmodule system(" in out
    assert "input bus_lock;" in out
    assert "uirrv" in out
    assert main(["generate", "--flavour", "intel", "--bus", "axi4-lite", *SMALL]) == 0
    assert "axi__awvalid" in capsys.readouterr().out
    assert main(["generate", "--flavour", "intel", "-t", "fusesoc"]) == 0
    assert "uintr generate --flavour intel -o system.v" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "uintr: the following arguments are required: COMMAND; see uintr --help"),
        (["generate", "--harts", "65"], "uintr: harts must be 1 to 64, not 65"),
        (["generate", "--harts", "x"],
         "uintr generate: --harts must be a number, not 'x'; see uintr generate --help"),
        (["generate", "--receivers", "0"], "uintr: receivers must be 1 to 65536, not 0"),
        (["generate", "--base", "0x20"],
         "uintr: base must be a 64-bit multiple of 0x4000, not 0x20"),
        (["generate", "--table-base", "-4096"],
         "uintr: table_base must be a 64-bit multiple of 0x1000, not -0x1000"),
        (["generate", "--table-pages", "5000"], "uintr: table_pages must be 1 to 4095, not 5000"),
        (["generate", "--features", "supervisor,x"],
         "uintr generate: --features must be all, none, or a list of supervisor, "
         "slot_reset, notify, mask, rejected, throttle, entry_cache, not 'x'; "
         "see uintr generate --help"),
        (["generate", "--flavour", "intel", "--block", "controller"],
         "uintr: block of the Intel flavour must be system, not 'controller'"),
        (["generate", "--flavour", "intel", "-t", "svd"],
         "uintr: type for the Intel flavour must be one of verilog, rtlil, fusesoc, vlt, "
         "not 'svd'"),
        (["generate", "--block", "hart-unit", "-t", "svd"],
         "uintr: type for a hart unit must be one of verilog, rtlil, fusesoc, vlt, header, "
         "not 'svd'"),
        (["generate", "--join"], "uintr: block with --join must be controller, not 'system'"),
        (["generate", "--name", "1x"], "uintr: name must be a Verilog identifier, not '1x'"),
        (["generate", "-o", "no/such/folder/x.v"],
         "uintr: output must be in a folder that exists, not 'no/such/folder/x.v'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_status_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with unused_components():
        assert status(arguments) == 2
    assert capsys.readouterr() == ("", sentence + "\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--harts=-2"], "harts must be 1 to 64, not -2"),
        (["--harts", "0"], "harts must be 1 to 64, not 0"),
        (["--receivers", "65537"], "receivers must be 1 to 65536, not 65537"),
        (["--latency", "5"], "latency must be 2 to 4, not 5"),
        (["--base=-16"], "base must be a 64-bit multiple of 0x4000, not -0x10"),
        (["--table-pages", "0"], "table_pages must be 1 to 4095, not 0"),
        (["--table-wait-states", "2000"], "table_wait_states must be 0 to 1023, not 2000"),
    ],
)
@pytest.mark.parametrize(
    "kind", ["header", "svd", "systemrdl", "devicetree", "devicetree-binding", "fusesoc", "vlt"]
)
def test_every_type_refuses_what_the_verilog_refuses(
    kind: str, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(["generate", "-t", kind, *arguments]) == 2
    assert capsys.readouterr() == ("", f"uintr: {sentence}\n")


def test_what_a_block_has_not_is_in_none_of_its_files(capsys: pytest.CaptureFixture[str]) -> None:
    def text(*arguments: str) -> str:
        assert main(["generate", *arguments]) == 0
        return capsys.readouterr().out

    header = text("-t", "header", "--block", "controller")
    assert "UINTR_LOW_OFFSET" in header
    for absent in ("CSR_", "THROTTLE_", "ENTRY_CACHE_", "REJECTED_", "UIPI", "KIND"):
        assert f"UINTR_{absent}" not in header
    assert "<name>THROTTLE" not in text("-t", "svd", "--block", "controller")
    header = text("-t", "header", "--block", "hart-unit")
    assert "#define UINTR_CSR_SUIST 0x1b0" in header
    assert "#define UINTR_OPERATION_SEND 0x0" in header
    for absent in ("UINTR_LOW", "UINTR_BASE", "struct"):
        assert absent not in header
    assert "#define UINTR_THROTTLE_OFFSET" in text(
        "-t", "header", "--block", "controller", "--join"
    )
    with_all, with_none = (
        text("--json", "--block", "hart-unit", "--features", features)
        for features in ("all", "none")
    )
    for port in ("open", "caches", "invalidate", "posting", "rejected", "supervisor_line"):
        assert f'"name": "{port}"' in with_all
        assert f'"name": "{port}"' not in with_none


def test_the_core_file_says_how_it_was_made(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--block", "controller", "--join", "--harts", "3", "--features", "mask", "--name",
                 "mine"]  # fmt: skip
    assert main(["generate", "-t", "fusesoc", *arguments]) == 0
    assert f"#   uintr generate {' '.join(arguments)} -o mine.v\n" in capsys.readouterr().out


def test_an_unknown_type_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["generate", "-t", "vhdl"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("uintr generate: -t/--type must be one of verilog, ")
    assert "not 'vhdl'" in err
    assert err.count("\n") == 1


def test_what_cannot_be_written_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(["generate", "-o", str(tmp_path), *SMALL]) == 2
    assert "output must be a file, and" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.parent.glob(f".{tmp_path.name}*")) == []


def test_a_failure_half_way_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "system.v"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert status(["generate", "-o", str(path), *SMALL]) == 2
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_package_is_a_command_too() -> None:
    """In a process of its own, so that a traceback would be seen."""
    source = Path(uintr.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "uintr", "generate", "--harts", "0"],
        env=os.environ | {"PYTHONPATH": str(source)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "uintr: harts must be 1 to 64, not 0\n"


@pytest.mark.parametrize("block", ["system", "controller", "hart-unit"])
@pytest.mark.parametrize("bus", [pytest.param("wishbone", marks=pytest.mark.long), "axi4-lite"])
def test_blocks_and_buses(block: str, bus: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["generate", "--block", block, "--bus", bus, *SMALL]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert f"\nmodule {block.replace('-', '_')}(" in out
    assert ("axi__awaddr" in out) == (bus == "axi4-lite")


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        ("header", "#define UINTR_LOW_OFFSET 0x8 "),
        ("svd", "<name>SLOT[%s]</name>"),
        ("systemrdl", "addrmap uintc {"),
        ("devicetree", "uintc: interrupt-controller@3000000 {"),
        ("devicetree-binding", "const: rel4,uintc"),
        ("fusesoc", "CAPI=2:\n"),
        ("vlt", "`verilator_config\n"),
    ],
)
def test_files_that_go_with_it(kind: str, sign: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "-t", kind, "--receivers", "2"]) == 0
    assert sign in capsys.readouterr().out
