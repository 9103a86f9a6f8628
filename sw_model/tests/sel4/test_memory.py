"""Untyped memory, frames, page tables, address spaces, as sel4test's RETYPE, FRAME, PT, VSPACE."""

from typing import Any

import pytest
from root_bench import Program, initial_thread, run_program

from rel4.abi.numbers import CapSlot, ObjectType, SeL4Error
from rel4.machine import sv39
from rel4.machine.ops import Load, Store
from rel4.user.root_task import RootTask
from rel4.user.syscalls import SystemCalls
from rel4.user.threads import ThreadMaker

OK, ARGUMENT = SeL4Error.NO_ERROR, SeL4Error.INVALID_ARGUMENT
CAPABILITY, DELETE_FIRST = SeL4Error.INVALID_CAPABILITY, SeL4Error.DELETE_FIRST
MEMORY, REVOKE_FIRST = SeL4Error.NOT_ENOUGH_MEMORY, SeL4Error.REVOKE_FIRST
FAILED_LOOKUP = SeL4Error.FAILED_LOOKUP
PLACE = 0x5000_0000


@initial_thread()
async def test_memory_comes_back_cleared_when_every_child_is_gone(task: RootTask) -> None:
    kernel, root = task.kernel, task.cnode
    (untyped,) = await task.allocate(ObjectType.UNTYPED, size_bits=12)
    page = ObjectType.RISCV_4K_PAGE
    await task.map_page_tables(PLACE, 4096)
    assert await kernel.untyped_retype(untyped, page, 0, root, 100) is OK
    assert await kernel.untyped_retype(untyped, page, 0, root, 101) is MEMORY
    await kernel.page_map(100, task.vspace, PLACE)
    await Store(PLACE, 0xDEAD)
    await kernel.cnode_copy(root, 102, 100)
    await kernel.cnode_delete(root, 100)
    assert await kernel.untyped_retype(untyped, page, 0, root, 101) is MEMORY  # the copy lives
    await kernel.cnode_delete(root, 102)
    assert await kernel.untyped_retype(untyped, page, 0, root, 101) is OK
    await kernel.page_map(101, task.vspace, PLACE)
    assert await Load(PLACE) == 0


@initial_thread()
async def test_untyped_memory_in_untyped_memory(task: RootTask) -> None:
    kernel, root = task.kernel, task.cnode
    (outer,) = await task.allocate(ObjectType.UNTYPED, size_bits=16)
    assert await kernel.untyped_retype(outer, ObjectType.UNTYPED, 15, root, 100, 2) is OK
    assert await kernel.untyped_retype(100, ObjectType.RISCV_4K_PAGE, 0, root, 200, 8) is OK
    assert await kernel.untyped_retype(100, ObjectType.ENDPOINT, 0, root, 300) is MEMORY
    assert await kernel.cnode_revoke(root, outer) is OK
    assert [await kernel.cap_identify(n) for n in (100, 101, 200, 207)] == [0] * 4
    assert await kernel.untyped_retype(outer, ObjectType.UNTYPED, 16, root, 100) is OK


@initial_thread()
async def test_device_memory_makes_frames_only_and_is_not_cleared(task: RootTask) -> None:
    kernel, root, device = task.kernel, task.cnode, CapSlot.DEVICE_UNTYPED
    for kind in (ObjectType.TCB, ObjectType.ENDPOINT, ObjectType.RISCV_PAGE_TABLE):
        assert await kernel.untyped_retype(device, kind, 0, root, 100) is ARGUMENT
    page = ObjectType.RISCV_4K_PAGE
    assert await kernel.untyped_retype(device, page, 0, root, 100) is OK
    await task.map_page_tables(PLACE, 4096)
    await kernel.page_map(100, task.vspace, PLACE)
    await Store(PLACE, 77)
    await kernel.cnode_delete(root, 100)
    await kernel.untyped_retype(device, page, 0, root, 100)
    await kernel.page_map(100, task.vspace, PLACE)
    assert await Load(PLACE) == 77


@initial_thread()
async def test_retype_into_a_cnode_by_index_and_depth(task: RootTask) -> None:
    kernel, root = task.kernel, task.cnode
    (node,) = await task.allocate(ObjectType.CAP_TABLE, size_bits=3)
    for offset, words, found in (
        (0, (node, 64, 6, 2), (OK, 0, 0)),
        (0, (node, 64, 7, 2), (SeL4Error.RANGE_ERROR, 1, 1)),
        (0, (node, 64, 8, 1), (SeL4Error.RANGE_ERROR, 0, 7)),
        (0, (999, 64, 0, 1), (FAILED_LOOKUP, 0, 2)),
        (64, (node, 64, 0, 1), (SeL4Error.RANGE_ERROR, 0, 38)),
    ):
        endpoints = (ObjectType.ENDPOINT, offset, *words)
        answer = await kernel.invoke(CapSlot.FIRST_UNTYPED, 1, endpoints, (root,))
        assert (answer.error, *answer.words[:2]) == found


@pytest.mark.parametrize(
    ("kind", "tables", "bits"),
    [
        (ObjectType.RISCV_4K_PAGE, 2, 12),
        (ObjectType.RISCV_MEGA_PAGE, 1, 21),
    ],
)
@initial_thread()
async def test_pages_of_every_size_are_walked(
    task: RootTask, kind: ObjectType, tables: int, bits: int
) -> Program:
    kernel = task.kernel
    (frame,) = await task.allocate(kind)
    assert await kernel.page_map(frame, task.vspace, PLACE) == FAILED_LOOKUP
    for table in await task.allocate(ObjectType.RISCV_PAGE_TABLE, tables):
        assert await kernel.page_table_map(table, task.vspace, PLACE) is OK
    assert await kernel.page_map(frame, task.vspace, PLACE + 8) is SeL4Error.ALIGNMENT_ERROR
    assert await kernel.page_map(frame, task.vspace, PLACE) is OK
    await Store(PLACE + (1 << bits) - 8, 5)
    assert await Load(PLACE + (1 << bits) - 8) == 5
    assert await kernel.page_map(frame, task.vspace, PLACE, 0b10) is OK  # read only from now on
    leaf = (yield).leaf(PLACE)
    assert leaf is not None
    assert leaf.page_bits == bits
    assert not leaf.entry & sv39.PTE.W


def test_a_giga_page_needs_no_table() -> None:
    """From device memory, since the model's ordinary memory is smaller: the kernel is shown one."""
    got: list[Any] = []

    def prepare(kernel: Any) -> None:
        cap = kernel.state.initial[0].cspace.cnode.slot(CapSlot.DEVICE_UNTYPED).cap
        cap.untyped.address, cap.untyped.size_bits = 1 << 32, 31

    async def body(task: RootTask) -> None:
        kernel, root = task.kernel, task.cnode
        kind = ObjectType.RISCV_GIGA_PAGE
        got.append(await kernel.untyped_retype(CapSlot.DEVICE_UNTYPED, kind, 0, root, 100))
        got.append(await kernel.page_map(100, task.vspace, PLACE))
        got.append(await kernel.page_map(100, task.vspace, 1 << 30))
        await Store((1 << 30) + 0x1234_5678, 9)
        got.append((await kernel.page_get_address(100)).words[0])
        got.append(await kernel.page_unmap(100))

    run = run_program(body, prepare=prepare)
    assert got == [OK, SeL4Error.ALIGNMENT_ERROR, OK, 1 << 32, OK]
    assert run.machine.memory.load((1 << 32) + 0x1234_5678) == 9


@initial_thread()
async def test_copies_of_a_frame_are_mapped_one_by_one(task: RootTask) -> Program:
    kernel, root = task.kernel, task.cnode
    (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
    await task.map_page_tables(PLACE, 8192)
    await kernel.cnode_copy(root, 100, frame, 0b10)
    assert await kernel.page_map(frame, task.vspace, PLACE) is OK
    assert await kernel.page_map(100, task.vspace, PLACE) == DELETE_FIRST
    assert await kernel.page_map(100, task.vspace, PLACE + 4096) is OK
    await Store(PLACE, 3)
    assert await Load(PLACE + 4096) == 3
    await kernel.cnode_delete(root, frame)
    assert await Load(PLACE + 4096) == 3
    assert (yield).leaf(PLACE) is None


@initial_thread()
async def test_page_tables_go_with_their_last_capability(task: RootTask) -> None:
    kernel, root = task.kernel, task.cnode
    one, two = await task.allocate(ObjectType.RISCV_PAGE_TABLE, 2)
    assert await kernel.cnode_copy(root, 100, one) is SeL4Error.ILLEGAL_OPERATION  # not mapped
    assert await kernel.page_table_map(one, task.vspace, PLACE) is OK
    assert await kernel.page_table_map(one, task.vspace, PLACE) is CAPABILITY
    assert await kernel.cnode_copy(root, 100, one) is OK
    unmapped = await kernel.invoke(one, 35)
    assert unmapped.error == REVOKE_FIRST  # there is another capability
    await kernel.cnode_delete(root, one)
    assert await kernel.page_table_map(two, task.vspace, PLACE) is OK
    await kernel.cnode_delete(root, 100)


@initial_thread()
async def test_address_spaces_need_an_identifier(task: RootTask) -> None:
    kernel, root = task.kernel, task.cnode
    (space,) = await task.allocate(ObjectType.RISCV_PAGE_TABLE)
    (frame,) = await task.allocate(ObjectType.RISCV_4K_PAGE)
    (small,) = await task.allocate(ObjectType.UNTYPED, size_bits=12)
    (large,) = await task.allocate(ObjectType.UNTYPED, size_bits=13)
    control = CapSlot.ASID_CONTROL
    assert await kernel.page_map(frame, space, PLACE) is CAPABILITY
    assert await kernel.asid_control_make_pool(control, large, root, 100) is CAPABILITY
    assert await kernel.asid_control_make_pool(control, small, root, 100) is OK
    assert await kernel.asid_control_make_pool(control, small, root, 101) is REVOKE_FIRST
    assert await kernel.asid_pool_assign(100, frame) is CAPABILITY
    assert await kernel.asid_pool_assign(100, space) is OK
    assert await kernel.asid_pool_assign(100, space) is CAPABILITY
    for table in await task.allocate(ObjectType.RISCV_PAGE_TABLE, 2):
        assert await kernel.page_table_map(table, space, PLACE) is OK
    assert await kernel.page_map(frame, space, PLACE) is OK
    assert await kernel.page_map(frame, task.vspace, PLACE) is CAPABILITY  # mapped elsewhere
    await kernel.cnode_delete(root, 100)  # every space of the pool is void
    assert await kernel.page_map(frame, space, PLACE) is FAILED_LOOKUP
    await task.map_page_tables(PLACE, 4096)
    assert await kernel.page_map(frame, task.vspace, PLACE) is OK


@initial_thread()
async def test_two_address_spaces_are_apart(task: RootTask) -> None:
    kernel = task.kernel
    (space,) = await task.allocate(ObjectType.RISCV_PAGE_TABLE)
    await kernel.asid_pool_assign(CapSlot.INIT_THREAD_ASID_POOL, space)
    mine, other = await task.allocate(ObjectType.RISCV_4K_PAGE, 2)
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    await task.map_page_tables(PLACE, 4096)
    for table in await task.allocate(ObjectType.RISCV_PAGE_TABLE, 2):
        await kernel.page_table_map(table, space, PLACE)
    await kernel.page_map(mine, task.vspace, PLACE)
    await kernel.page_map(other, space, PLACE)
    await Store(PLACE, 1)

    async def program(own: SystemCalls) -> None:
        await Store(PLACE, 2)
        await own.send(ep)

    thread = await ThreadMaker(task).make(program, priority=100, resume=False)
    await kernel.tcb_set_space(thread.tcb, 0, task.cnode, 0, space)
    await kernel.tcb_resume(thread.tcb)
    await kernel.recv(ep)
    assert await Load(PLACE) == 1
    await kernel.page_unmap(mine)
    await kernel.page_unmap(other)
    await kernel.page_map(other, task.vspace, PLACE)
    assert await Load(PLACE) == 2
