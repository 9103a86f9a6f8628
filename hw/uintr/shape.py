"""What a block's parameters may be, and where its windows lie on the bus."""

from uintr.checks import check_multiple, check_range
from uintr.registers import (
    ALL_FEATURES,
    CONTROL_OFFSET,
    DEFAULT_BASE,
    DEFAULT_HARTS,
    DEFAULT_LATENCY,
    DEFAULT_RECEIVERS,
    DEFAULT_TABLE_BASE,
    DEFAULT_TABLE_PAGES,
    MASK_BYTES,
    MASK_OFFSET,
    MAX_HARTS,
    MAX_RECEIVERS,
    MAX_TABLE_PAGES,
    MAX_WAIT_STATES,
    PAGE_BYTES,
    SLOT_BYTES,
    XLEN,
    Feature,
)

__all__ = ["Window", "check_hart_unit", "controller_windows", "system_windows", "table_window"]

Window = tuple[int, int]
"""First address and length."""


def check_hart_unit(*, receivers: int = DEFAULT_RECEIVERS, latency: int = DEFAULT_LATENCY) -> None:
    """Raise ValueError unless a hart unit can be like that."""
    check_range("receivers", receivers, 1, MAX_RECEIVERS)
    check_range("latency", latency, 2, 4)


def controller_windows(
    *,
    harts: int = DEFAULT_HARTS,
    receivers: int = DEFAULT_RECEIVERS,
    base: int = 0,
    features: Feature = ALL_FEATURES,
    latency: int = DEFAULT_LATENCY,
    most_harts: int = MAX_HARTS,
) -> list[Window]:
    """Slots, control page and, with their feature, masks. Raises ValueError for what cannot be."""
    check_range("harts", harts, 1, most_harts)
    check_hart_unit(receivers=receivers, latency=latency)
    rounded = 1 << (receivers - 1).bit_length()
    check_multiple("base", base, SLOT_BYTES * rounded)
    windows = [(base, SLOT_BYTES * rounded), (base + CONTROL_OFFSET, PAGE_BYTES)]
    if Feature.MASK in features:
        windows.append((base + MASK_OFFSET, MASK_BYTES * rounded))
    end = max(first + length for first, length in windows)
    if end > 1 << XLEN:
        raise ValueError(
            f"base must be at most {(1 << XLEN) - (end - base):#x} "
            f"for {receivers} receivers, not {base:#x}"
        )
    return windows


def table_window(
    *, table_base: int = DEFAULT_TABLE_BASE, table_pages: int = DEFAULT_TABLE_PAGES
) -> Window:
    """The memory for tables. Raises ValueError for what cannot be."""
    check_range("table_pages", table_pages, 1, MAX_TABLE_PAGES)
    check_multiple("table_base", table_base, PAGE_BYTES)
    size = table_pages * PAGE_BYTES
    if table_base + size > 1 << XLEN:
        raise ValueError(
            f"table_base must be at most {(1 << XLEN) - size:#x} "
            f"for {table_pages} pages, not {table_base:#x}"
        )
    return table_base, size


def system_windows(
    *,
    harts: int = DEFAULT_HARTS,
    receivers: int = DEFAULT_RECEIVERS,
    base: int = DEFAULT_BASE,
    table_base: int = DEFAULT_TABLE_BASE,
    table_pages: int = DEFAULT_TABLE_PAGES,
    table_wait_states: int = 0,
    features: Feature = ALL_FEATURES,
    latency: int = DEFAULT_LATENCY,
    most_harts: int = MAX_HARTS,
) -> list[Window]:
    """Tables, slots, control page, masks; of the gateware and of the reference, which has more
    harts. Raises ValueError for what cannot be, or if a window of the controller's overlaps the
    tables.
    """
    check_range("table_wait_states", table_wait_states, 0, MAX_WAIT_STATES)
    own = controller_windows(
        harts=harts,
        receivers=receivers,
        base=base,
        features=features,
        latency=latency,
        most_harts=most_harts,
    )
    table, size = table_window(table_base=table_base, table_pages=table_pages)
    for first, length in own:
        if first < table + size and table < first + length:
            raise ValueError(
                f"table_base must be outside the controller's windows, "
                f"{first:#x} to {first + length - 1:#x} among them, not {table:#x}"
            )
    return [(table, size), *own]
