"""What Verilator's lint says of generated Verilog, looked at and known."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

__all__ = ["WAIVERS", "Waiver", "verilator_config"]


@dataclass(frozen=True)
class Waiver:
    """Messages that are as they should be.

    Parameters
    ----------
    code : of the warning
    match : patterns of the message, with Verilator's ``*`` and ``?``
    reason : why
    """

    code: str
    match: tuple[str, ...]
    reason: str


WAIVERS: tuple[Waiver, ...] = tuple(
    Waiver(code=each["code"], match=tuple(each["match"]), reason=each["reason"])
    for each in tomllib.loads(
        (Path(__file__).parent / "verilator_waivers.toml").read_text(encoding="utf-8")
    )["waiver"]
)


def verilator_config(*, verilog: str) -> str:
    """A configuration file with which ``verilator -Wall`` has nothing to say of the generated
    Verilog file ``verilog``, and goes on to say what it finds in others.
    """
    lines = ["`verilator_config"]
    for waiver in WAIVERS:
        lines += ["", f"// {waiver.reason}"]
        lines += [
            f'lint_off -rule {waiver.code} -file "*{verilog}" -match "{match}"'
            for match in waiver.match
        ]
    return "\n".join(lines) + "\n"
