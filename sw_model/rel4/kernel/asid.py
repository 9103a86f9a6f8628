"""Address-space identifiers: ASIDControl_MakePool, ASIDPool_Assign, and the end of both."""

from collections.abc import Sequence
from dataclasses import replace

from rel4.abi.numbers import SeL4Error
from rel4.machine.ops import SfenceVma

from . import mdb
from .account import Account
from .capability import AsidPoolCap, PageTableCap, Slot, UntypedCap
from .cspace import ensure_empty
from .errors import (
    InvocationError,
    LookupFailure,
    LookupFault,
    failed_lookup,
    invalid_capability,
)
from .objects import ASIDS_PER_POOL, AsidPool, PageTable
from .state import State

__all__ = ["POOLS", "POOL_BITS", "assign", "delete_pool", "delete_space", "make_pool"]

POOLS = 128
POOL_BITS = 12
"""A pool takes 4 KiB."""


def make_pool(state: State, untyped: Slot, destination: Slot) -> None:
    """ASIDControl_MakePool: a pool from untyped memory of exactly its size.

    Raises
    ------
    InvocationError : DeleteFirst (no pool number is free, slot in use), InvalidCapability,
        RevokeFirst.
    """
    base = next((n for n in range(POOLS) if n not in state.asid_pools), None)
    if base is None:
        raise InvocationError(SeL4Error.DELETE_FIRST, f"all {POOLS} ASID pools are in use")
    cap = untyped.cap
    if not isinstance(cap, UntypedCap) or cap.untyped.size_bits != POOL_BITS or cap.untyped.device:
        raise invalid_capability(1, "a pool is made from 4 KiB of untyped memory")
    if untyped.children:
        raise InvocationError(SeL4Error.REVOKE_FIRST, "the untyped memory has children")
    ensure_empty(destination)
    cap.untyped.watermark = 1 << POOL_BITS
    pool = AsidPool(cap.untyped.address, base * ASIDS_PER_POOL)
    state.asid_pools[base] = pool
    mdb.insert_new(destination, AsidPoolCap(pool), untyped)


def assign(state: State, pool: AsidPool, slot: Slot, account: Account) -> None:
    """ASIDPool_Assign: make a page table an address space, which ``account`` is charged for.

    Raises
    ------
    InvocationError : InvalidCapability (no unmapped page table), FailedLookup (the pool has gone),
        DeleteFirst (no identifier is free).
    """
    cap = slot.cap
    if not isinstance(cap, PageTableCap) or cap.is_root or cap.mapped is not None:
        raise invalid_capability(1, "an address space is made from an unmapped page table")
    if state.asid_pools.get(pool.base // ASIDS_PER_POOL) is not pool:
        failure = LookupFailure(LookupFault.INVALID_ROOT)
        raise failed_lookup(failure, source=False, sentence="the ASID pool has gone")
    numbers = range(pool.base or 1, pool.base + ASIDS_PER_POOL)  # 0 is no identifier
    asid = next((n for n in numbers if n not in pool.spaces), None)
    if asid is None:
        raise InvocationError(SeL4Error.DELETE_FIRST, "every identifier of the pool is in use")
    pool.spaces[asid] = cap.table
    cap.table.asid = asid
    cap.table.account = account
    slot.cap = replace(cap, is_root=True)


async def delete_space(state: State, table: PageTable) -> None:
    """A root table goes: its identifier is free, and mappings in it are void."""
    if table.asid:
        del state.asid_pools[table.asid // ASIDS_PER_POOL].spaces[table.asid]
        await _void(state, [table])


async def delete_pool(state: State, pool: AsidPool) -> None:
    """A pool goes, and every address space in it loses its identifier."""
    tables = list(pool.spaces.values())
    pool.spaces.clear()
    del state.asid_pools[pool.base // ASIDS_PER_POOL]
    await _void(state, tables)


async def _void(state: State, tables: Sequence[PageTable]) -> None:
    """Nobody translates through ``tables`` any more. A hart whose thread runs in one of them, be it
    without a capability to it by now, is brought into the kernel, which it leaves with the empty
    table: what was mapped there has no way to it from now on, though its entries still stand in the
    tables."""
    roots = {table.address for table in tables}
    for table in tables:
        table.asid = 0
    for scheduler in state.harts.schedulers:
        context = scheduler.current.context
        if context is not None and context.root in roots:
            await state.harts.stall(scheduler.hart)
    await SfenceVma()
