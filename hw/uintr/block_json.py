"""The interface of a generated block as data: ports of the Verilog module, and parameters."""

import json
from typing import Any

from amaranth.back import rtlil

__all__ = ["interface_json", "ports"]


def ports(text: str, name: str) -> list[dict[str, Any]]:
    """Name, direction and width of each port of module ``name`` in RTLIL, as declared."""
    found: list[dict[str, Any]] = []
    inside = False
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["module"]:
            inside = words[1] == f"\\{name}"
        elif inside and words[:1] == ["wire"]:
            options = dict(zip(words[1:-1:2], words[2:-1:2], strict=False))
            for direction in ("input", "output"):
                if direction in words:
                    found.append(
                        {
                            "name": words[-1].removeprefix("\\"),
                            "direction": direction,
                            "width": int(options.get("width", "1")),
                            "order": int(words[words.index(direction) + 1]),
                        }
                    )
    found.sort(key=lambda port: int(port["order"]))
    return [{key: port[key] for key in ("name", "direction", "width")} for port in found]


def interface_json(component: Any, *, name: str, parameters: dict[str, Any]) -> str:
    """What ``uintr generate --json`` writes: module, parameters and ports."""
    text = str(rtlil.convert(component, name=name, emit_src=False))
    content = {"module": name, "parameters": parameters, "ports": ports(text, name)}
    return json.dumps(content, indent=2) + "\n"
