"""Shapes of hardware that the co-simulation builds; few, since each takes its time."""

from rel4.machine.device import DeviceConfig
from uintr.registers import Feature

__all__ = ["SHAPES"]

SHAPES = {
    "1x1": DeviceConfig(harts=1, receivers=1, table_pages=1),
    "2x5": DeviceConfig(harts=2, receivers=5, table_pages=3),
    "2x512": DeviceConfig(),
    "4x64": DeviceConfig(harts=4, receivers=64, base=0x1000_0000_0000, table_pages=2),
    "2x7 plain": DeviceConfig(harts=2, receivers=7, features=Feature(0)),
    "2x6 fast": DeviceConfig(harts=2, receivers=6, latency=2),
    "3x9 slow": DeviceConfig(harts=3, receivers=9, latency=4),
    "2x700 far": DeviceConfig(harts=2, receivers=700, table_pages=1, table_wait_states=5),
}
"""By name: one hart and receiver, the least; odd numbers; the default; more harts than two, and a
base above 32 bits; no extension at all; fewer cycles to the line, and more; a slow table
memory, and more receivers than published."""
