"""CSpace operations, as sel4test's CNODEOP and CSPACE tests: copy, mint, move, rotate, revoke."""

from typing import Any

from root_bench import Program, initial_thread

from rel4.abi.numbers import CapSlot, Invocation, ObjectType, SeL4Error
from rel4.kernel.capability import CNodeCap, EndpointCap, NullCap, UntypedCap
from rel4.user.calls import WORD_BITS
from rel4.user.root_task import RootTask
from rel4.user.threads import ThreadMaker

OK, ANY = SeL4Error.NO_ERROR, 0b1111
DELETE_FIRST, FAILED_LOOKUP = SeL4Error.DELETE_FIRST, SeL4Error.FAILED_LOOKUP
ILLEGAL, REVOKE_FIRST = SeL4Error.ILLEGAL_OPERATION, SeL4Error.REVOKE_FIRST


def slots_of(run: Any) -> Any:
    return run.kernel.state.initial[0].cspace.cnode


@initial_thread()
async def test_copy_needs_an_empty_destination_and_a_source(task: RootTask) -> Program:
    answers = []
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    answers.append(await task.kernel.cnode_copy(task.cnode, 100, ep, 0b0011))
    answers.append(await task.kernel.cnode_copy(task.cnode, 100, ep))
    answers.append(await task.kernel.cnode_copy(task.cnode, 101, 999))
    cnode = slots_of((yield))
    assert answers == [OK, DELETE_FIRST, FAILED_LOOKUP]
    cap = cnode.slot(100).cap
    assert isinstance(cap, EndpointCap)
    assert (cap.can_send, cap.can_receive, cap.can_grant) == (True, True, False)
    assert cap.endpoint.caps == 2


@initial_thread()
async def test_delete_empties_a_slot_and_an_empty_slot_can_be_deleted(task: RootTask) -> None:
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    for _ in range(2):
        assert await task.kernel.cnode_delete(task.cnode, ep) is OK
    assert (await task.kernel.call(ep)).info.label == SeL4Error.INVALID_CAPABILITY


@initial_thread()
async def test_mint_gives_a_badge_once(task: RootTask) -> Program:
    answers = []
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    kernel, root = task.kernel, task.cnode
    answers.append(await kernel.cnode_mint(root, 100, ep, ANY, 7))
    answers.append(await kernel.cnode_mint(root, 101, 100, ANY, 8))
    answers.append(await kernel.cnode_copy(root, 101, 100))
    answers.append(await kernel.cnode_mutate(root, 102, 100, 9))
    answers.append(await kernel.cnode_mint(root, 103, CapSlot.INIT_THREAD_CNODE, ANY, 1))
    cnode = slots_of((yield))
    # A CNode with 64 bits of radix has no room for a guard.
    assert answers == [OK, ILLEGAL, OK, ILLEGAL, ILLEGAL]
    assert cnode.slot(101).cap.badge == 7


@initial_thread()
async def test_move_takes_the_place_in_the_derivation_tree_along(task: RootTask) -> Program:
    answers = []
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    kernel, root = task.kernel, task.cnode
    await kernel.cnode_mint(root, 100, ep, ANY, 1)
    answers.append(await kernel.cnode_move(root, 101, ep))
    answers.append(await kernel.cnode_move(root, 101, ep))
    answers.append(await kernel.cnode_move(root, 102, ep))
    answers.append(await kernel.cnode_revoke(root, 101))
    cnode = slots_of((yield))
    assert answers == [OK, DELETE_FIRST, FAILED_LOOKUP, OK]
    assert isinstance(cnode.slot(101).cap, EndpointCap)
    assert cnode.slot(100).empty


@initial_thread()
async def test_mutate_changes_a_guard(task: RootTask) -> Program:
    answers = []
    (node,) = await task.allocate(ObjectType.CAP_TABLE, size_bits=4)
    guard = 0b101 << 6 | 3
    answers.append(await task.kernel.cnode_mutate(task.cnode, 100, node, guard))
    answers.append(await task.kernel.cnode_mutate(task.cnode, 101, 100, 61))
    cap = slots_of((yield)).slot(100).cap
    assert answers == [OK, ILLEGAL]
    assert isinstance(cap, CNodeCap)
    assert (cap.guard, cap.guard_size) == (0b101, 3)


@initial_thread()
async def test_rotate_moves_two_or_swaps(task: RootTask) -> None:
    (tcb,) = await task.allocate(ObjectType.TCB)
    (node,) = await task.allocate(ObjectType.CAP_TABLE, size_bits=2)
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    kernel, root = task.kernel, task.cnode
    assert await kernel.cnode_rotate(root, 100, tcb, node) is OK  # 100 <- tcb <- node
    assert await kernel.cap_identify(100) == 12
    assert await kernel.cap_identify(tcb) == 10
    assert await kernel.cnode_rotate(root, 100, tcb, 100) is OK  # swap
    assert await kernel.cap_identify(100) == 10
    assert await kernel.cnode_rotate(root, tcb, tcb, 100) is ILLEGAL
    assert await kernel.cnode_rotate(root, tcb, 100, 300) == DELETE_FIRST
    assert await kernel.cnode_rotate(root, 300, 301, 100) == FAILED_LOOKUP
    assert await kernel.cnode_rotate(root, 300, 100, ep) is ILLEGAL  # a badge is preserved


@initial_thread()
async def test_revoke_deletes_descendants_and_spares_the_original(task: RootTask) -> Program:
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    kernel, root = task.kernel, task.cnode
    await kernel.cnode_mint(root, 100, ep, ANY, 1)
    await kernel.cnode_copy(root, 101, 100)
    await kernel.cnode_copy(root, 102, 101)
    await kernel.cnode_mint(root, 103, ep, ANY, 2)
    await kernel.cnode_copy(root, 104, ep)
    assert await kernel.cnode_revoke(root, 104) is OK  # a copy has no descendants
    assert await kernel.cap_identify(103) == 4
    assert await kernel.cnode_revoke(root, 100) is OK
    assert [await kernel.cap_identify(n) for n in range(100, 105)] == [4, 0, 0, 4, 4]
    assert await kernel.cnode_revoke(root, ep) is OK
    assert [await kernel.cap_identify(n) for n in range(100, 105)] == [0] * 5
    assert await kernel.cap_identify(ep) == 4
    run = yield
    cap = slots_of(run).slot(CapSlot.FIRST_FREE).cap
    assert isinstance(cap, EndpointCap)
    assert cap.endpoint.caps == 1


@initial_thread()
async def test_guards_and_depths_through_two_levels(task: RootTask) -> None:
    kernel, root = task.kernel, task.cnode
    outer, inner = await task.allocate(ObjectType.CAP_TABLE, 2, size_bits=4)
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    # inner, with guard 0b11 of 2 bits, into slot 5 of outer
    words = (5, 4, inner, WORD_BITS, ANY, 0b11 << 6 | 2)
    assert (await kernel.invoke(outer, Invocation.CNODE_MINT, words, (root,))).error is OK
    path = 5 << 6 | 0b11 << 4 | 9
    source = (path, 10, ep, WORD_BITS, ANY)
    assert (await kernel.invoke(outer, Invocation.CNODE_COPY, source, (root,))).error is OK
    for index, depth, *found in (
        (path ^ 1 << 4, 10, FAILED_LOOKUP, 0, 4, 6),  # guard mismatch, 6 bits left
        (path, 9, FAILED_LOOKUP),
        (path, 11, FAILED_LOOKUP),
        (path, 0, SeL4Error.RANGE_ERROR, 1, 64),
        (path, 65, SeL4Error.RANGE_ERROR, 1, 64),
    ):
        answer = await kernel.invoke(outer, Invocation.CNODE_DELETE, (index, depth))
        # wasSource, kind, bits left, guard found, bits found
        assert [answer.error, *answer.words][: len(found)] == found
    assert await kernel.cnode_delete(outer, path, 10) is OK


@initial_thread()
async def test_untyped_memory_with_children_is_not_copied(task: RootTask) -> Program:
    answers = []
    kernel, root = task.kernel, task.cnode
    (untyped,) = await task.allocate(ObjectType.UNTYPED, size_bits=12)
    answers.append(await kernel.cnode_copy(root, 100, untyped))
    retype = kernel.untyped_retype
    # The original is full as long as the copy is there.
    answers.append(await retype(untyped, ObjectType.ENDPOINT, 0, root, 200))
    answers.append(await retype(100, ObjectType.ENDPOINT, 0, root, 200))
    answers.append(await kernel.cnode_copy(root, 101, 100))
    answers.append(await kernel.cnode_revoke(root, untyped))
    answers.append(await retype(untyped, ObjectType.ENDPOINT, 0, root, 200))
    cnode = slots_of((yield))
    assert answers == [OK, SeL4Error.NOT_ENOUGH_MEMORY, OK, REVOKE_FIRST, OK, OK]
    assert isinstance(cnode.slot(CapSlot.FIRST_FREE).cap, UntypedCap)


@initial_thread()
async def test_deleting_a_cnode_deletes_what_it_holds_however_deep(task: RootTask) -> Program:
    """A chain of 300 CNodes, each the last capability's holder of the next, and one in a cycle."""
    kernel, root = task.kernel, task.cnode
    nodes = list(await task.allocate(ObjectType.CAP_TABLE, 300, size_bits=1))
    (ep,) = await task.allocate(ObjectType.ENDPOINT)
    words = (0, 1, ep, WORD_BITS)
    assert (await kernel.invoke(nodes[-1], Invocation.CNODE_MOVE, words, (root,))).error is OK
    for outer, inner in zip(reversed(nodes[:-1]), reversed(nodes[1:]), strict=True):
        words = (0, 1, inner, WORD_BITS)
        await kernel.invoke(outer, Invocation.CNODE_MOVE, words, (root,))
    (loop,) = await task.allocate(ObjectType.CAP_TABLE, size_bits=1)
    await kernel.invoke(loop, Invocation.CNODE_COPY, (1, 1, loop, WORD_BITS, ANY), (root,))
    assert await kernel.cnode_delete(root, nodes[0]) is OK
    assert await kernel.cnode_revoke(root, CapSlot.FIRST_UNTYPED) is OK
    run = yield
    cnode = slots_of(run)
    assert not cnode.slot(CapSlot.FIRST_UNTYPED).children
    assert isinstance(cnode.slot(CapSlot.FIRST_FREE).cap, NullCap)


@initial_thread()
async def test_save_caller_keeps_the_reply_for_later(task: RootTask) -> Program:
    got = []
    kernel, root = task.kernel, task.cnode
    (ep,) = await task.allocate(ObjectType.ENDPOINT)

    async def client(own: Any) -> None:
        got.append((await own.call(ep, (1,))).words[0])

    assert await kernel.cnode_save_caller(root, 100) is OK  # nothing to save
    await ThreadMaker(task).make(client)
    await kernel.recv(ep)
    assert await kernel.cnode_save_caller(root, ep) is DELETE_FIRST
    assert await kernel.cnode_save_caller(root, 100) is OK
    assert await kernel.cap_identify(100) == 8
    assert await kernel.cnode_copy(root, 101, 100) is ILLEGAL
    await kernel.reply((9,))  # the caller slot is empty: nobody is answered
    await kernel.send(100, (42,))
    assert await kernel.cap_identify(100) == 0
    await kernel.yield_()
    yield
    assert got == [42]
