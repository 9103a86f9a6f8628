"""The register window in LiteX's words: csr.csv and csr.json for litex_server's clients."""

import json
from collections.abc import Iterable

from uintr_fpga.boards import Target
from uintr_fpga.window import (
    COMMAND,
    COMMAND_WORDS,
    DOORBELL,
    REGISTERS,
    RESULT_WORDS,
    STATUS,
)

__all__ = ["csr_csv", "csr_json"]

_NAME = "uintr"
_WORD_BYTES = 4


def _constants(target: Target) -> dict[str, int]:
    return {
        "config_clock_frequency": target.clock_hz,
        "config_csr_data_width": 32,
        "config_csr_alignment": 32,
        "config_bus_address_width": 32,
        "uintr_harts": target.config.harts,
        "uintr_receivers": target.config.receivers,
        "uintr_table_pages": target.config.table_pages,
    }


def _registers() -> dict[str, tuple[int, str]]:
    """Byte address and mode; names as LiteX makes them."""
    registers = {
        f"{_NAME}_{each.name}": (each.word * _WORD_BYTES, each.access) for each in REGISTERS
    }
    registers[f"{_NAME}_doorbell"] = (DOORBELL * _WORD_BYTES, "rw")
    registers[f"{_NAME}_status"] = (STATUS * _WORD_BYTES, "ro")
    return registers


def _regions() -> dict[str, tuple[int, int]]:
    """Byte address and size in bytes."""
    return {
        f"{_NAME}_command": (COMMAND * _WORD_BYTES, COMMAND_WORDS * _WORD_BYTES),
        f"{_NAME}_result": ((STATUS + 1) * _WORD_BYTES, (RESULT_WORDS - 1) * _WORD_BYTES),
    }


def _rows(target: Target) -> Iterable[tuple[str, str, str, str, str]]:
    yield "csr_base", _NAME, "0x00000000", "", ""
    for name, (address, mode) in _registers().items():
        yield "csr_register", name, f"0x{address:08x}", "1", mode
    for name, value in _constants(target).items():
        yield "constant", name, str(value), "", ""
    for name, (base, size) in _regions().items():
        yield "memory_region", name, f"0x{base:08x}", str(size), "io"


def csr_csv(target: Target) -> str:
    """What ``RemoteClient(csr_csv=...)`` reads."""
    return "".join(",".join(row) + "\n" for row in _rows(target))


def csr_json(target: Target) -> str:
    """The same as LiteX's csr.json."""
    content = {
        "csr_bases": {_NAME: 0},
        "csr_registers": {
            name: {"addr": address, "size": 1, "type": mode}
            for name, (address, mode) in _registers().items()
        },
        "constants": _constants(target),
        "memories": {
            name: {"base": base, "size": size, "type": "io"}
            for name, (base, size) in _regions().items()
        },
    }
    return json.dumps(content, indent=4) + "\n"
