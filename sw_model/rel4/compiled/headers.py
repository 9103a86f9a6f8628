"""The C headers that are made, not written: ``uintr.h`` from the register table, ``soc.h`` from the
system's memory map."""

from pathlib import Path

import rv64.memory_map as memory_map
from uintr.c_header import c_header
from uintr.register_files import RegisterMap

__all__ = ["soc_header", "write_headers"]

_SOC = """
#ifndef __ASSEMBLER__
#include <stdint.h>

/* Registers of the 16550 that a console needs. */
#define UART_RBR ((volatile uint8_t *)(UART_BASE + 0)) /* read: the byte that came */
#define UART_THR ((volatile uint8_t *)(UART_BASE + 0)) /* write: a byte to send */
#define UART_LSR ((volatile uint8_t *)(UART_BASE + 5))
#define UART_LSR_DR 0x01   /* a byte has come */
#define UART_LSR_THRE 0x20 /* a byte can be sent */

/* Software interrupts and timers of each hart. */
static inline volatile uint32_t *msip(uint64_t hart)
{
    return (volatile uint32_t *)(CLINT_BASE + MSIP_OFFSET) + hart;
}
static inline volatile uint32_t *ssip(uint64_t hart)
{
    return (volatile uint32_t *)SSWI_BASE + hart;
}
static inline volatile uint64_t *mtimecmp(uint64_t hart)
{
    return (volatile uint64_t *)(CLINT_BASE + MTIMECMP_OFFSET) + hart;
}
static inline volatile uint64_t *mtime(void)
{
    return (volatile uint64_t *)(CLINT_BASE + MTIME_OFFSET);
}
#endif
"""


def soc_header() -> str:
    """Addresses of memory and devices, and in C the registers behind them."""
    names = (name for name in memory_map.__all__ if isinstance(getattr(memory_map, name), int))
    numbers = "".join(f"#define {name} {getattr(memory_map, name):#x}\n" for name in names)
    return (
        "/* Where memory and devices of the system are. */\n#ifndef SOC_H\n#define SOC_H\n\n"
        f"{numbers}{_SOC}\n#endif\n"
    )


def write_headers(folder: Path) -> None:
    """Write both into ``folder``."""
    (folder / "uintr.h").write_text(c_header(RegisterMap()))
    (folder / "soc.h").write_text(soc_header())
