"""Gateware as text for other tools."""

import re
from typing import Any

from amaranth.back import rtlil, verilog

__all__ = ["rtlil_text", "verilog_text"]

_DUMMY = re.compile(r"^(\s*)reg (\\\S+:dump_module\S* ) = 0;$", re.MULTILINE)


def rtlil_text(component: Any, *, name: str = "system") -> str:
    """RTLIL of ``component``, with a top module called ``name``."""
    return str(rtlil.convert(component, name=name, emit_src=False))


def verilog_text(component: Any, *, name: str = "system") -> str:
    """Verilog of ``component``, with a top module called ``name``, for any simulator or tool.

    Yosys lets every combinational ``always @*`` read a dummy register, whose initialisation is
    meant to start it at time zero. SystemVerilog changed what an initialiser in a declaration
    means: it takes place before anything can wait for a change, so Icarus with ``-g2012`` leaves
    such a block at X until one of its inputs moves. Under both, an ``initial`` statement of its
    own happens at time zero.
    """
    text = str(verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True))
    return _DUMMY.sub(r"\1reg \2;\n\1initial \2 = 0;", text)
