"""What the system refuses, and the command that writes it."""

from pathlib import Path

import pytest
from hwbench import refused

from rv64.__main__ import main
from rv64.soc import Soc


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"harts": 0}, "harts must be 1 to 8, not 0"),
        ({"harts": 9}, "harts must be 1 to 8, not 9"),
        ({"receivers": 0}, "receivers must be 1 to 65536, not 0"),
        ({"latency": 5}, "latency must be 2 to 4, not 5"),
        ({"cache_bytes": 2048}, "cache_bytes must be 4096, 8192 or 16384, not 2048"),
        ({"ram_base": 0x8000}, "ram_base must be a 64-bit multiple of 0x40000000, not 0x8000"),
        (
            {"uart_base": 0x0200_0000},
            "clint_base must be outside uart_base, not 0x2000000",
        ),
        (
            {"uart_base": 0x9000_0000},
            "uart_base must end at or below ram_base, not 0x90000008",
        ),
    ],
)
def test_a_bad_parameter_is_one_sentence(parameters: dict[str, int], sentence: str) -> None:
    assert refused(Soc, **parameters) == sentence


def test_the_command_writes_all_or_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "soc.v"
    assert main(["--harts", "1", "--receivers", "8", "-o", str(file)]) == 0
    text = file.read_text()
    assert "module soc(" in text
    assert "rvfi__0__valid" in text
    for arguments, sentence in (
        (["--harts", "9"], "harts must be 1 to 8, not 9"),
        (["--cache", "5"], "cache must be 4, 8 or 16, not 5"),
        (["-o", str(tmp_path / "no" / "soc.v")], "output must be in a folder that exists"),
    ):
        assert main([*arguments]) == 2
        assert sentence in capsys.readouterr().err
