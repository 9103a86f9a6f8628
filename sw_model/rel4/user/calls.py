"""Stubs of the invocations that manage objects, in seL4's names and argument order."""

from dataclasses import dataclass

from rel4.abi.numbers import Invocation, SeL4Error

__all__ = ["WORD_BITS", "Answer", "ObjectCalls"]

WORD_BITS = 64
ALL_RIGHTS = 0b1111
READ_WRITE = 0b0011


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call answers: seL4's error and the message registers."""

    error: SeL4Error
    words: tuple[int, int, int, int]


class ObjectCalls:
    """Invocations of memory, CNodes, TCBs, interrupts and ASIDs, with 64-bit slot addresses."""

    async def invoke(
        self, cap: int, label: int, words: tuple[int, ...] = (), caps: tuple[int, ...] = ()
    ) -> Answer:
        """One invocation; the subclass makes the system call."""
        raise NotImplementedError

    async def _error(
        self, cap: int, label: int, words: tuple[int, ...] = (), caps: tuple[int, ...] = ()
    ) -> SeL4Error:
        return (await self.invoke(cap, label, words, caps)).error

    # --- memory -----------------------------------------------------------------------------------

    async def untyped_retype(
        self,
        untyped: int,
        kind: int,
        size_bits: int,
        root: int,
        offset: int,
        count: int = 1,
    ) -> SeL4Error:
        """seL4_Untyped_Retype into ``count`` slots of CNode ``root`` from ``offset`` on."""
        words = (kind, size_bits, 0, 0, offset, count)
        return (await self.invoke(untyped, Invocation.UNTYPED_RETYPE, words, (root,))).error

    async def page_table_map(self, table: int, vspace: int, virtual: int) -> SeL4Error:
        """seL4_RISCV_PageTable_Map."""
        words = (virtual, 0)
        return (await self.invoke(table, Invocation.RISCV_PAGE_TABLE_MAP, words, (vspace,))).error

    async def page_map(
        self, frame: int, vspace: int, virtual: int, rights: int = READ_WRITE, attributes: int = 0
    ) -> SeL4Error:
        """seL4_RISCV_Page_Map."""
        words = (virtual, rights, attributes)
        return (await self.invoke(frame, Invocation.RISCV_PAGE_MAP, words, (vspace,))).error

    async def page_unmap(self, frame: int) -> SeL4Error:
        """seL4_RISCV_Page_Unmap."""
        return (await self.invoke(frame, Invocation.RISCV_PAGE_UNMAP)).error

    async def page_get_address(self, frame: int) -> Answer:
        """seL4_RISCV_Page_GetAddress; the address is word 0."""
        return await self.invoke(frame, Invocation.RISCV_PAGE_GET_ADDRESS)

    # --- CNodes -----------------------------------------------------------------------------------

    async def cnode_copy(
        self, root: int, destination: int, source: int, rights: int = ALL_RIGHTS
    ) -> SeL4Error:
        """seL4_CNode_Copy within CNode ``root``."""
        words = (destination, WORD_BITS, source, WORD_BITS, rights)
        return await self._error(root, Invocation.CNODE_COPY, words, (root,))

    async def cnode_mint(
        self, root: int, destination: int, source: int, rights: int, badge: int
    ) -> SeL4Error:
        """seL4_CNode_Mint within CNode ``root``."""
        words = (destination, WORD_BITS, source, WORD_BITS, rights, badge)
        return await self._error(root, Invocation.CNODE_MINT, words, (root,))

    async def cnode_move(self, root: int, destination: int, source: int) -> SeL4Error:
        """seL4_CNode_Move within CNode ``root``."""
        words = (destination, WORD_BITS, source, WORD_BITS)
        return await self._error(root, Invocation.CNODE_MOVE, words, (root,))

    async def cnode_mutate(self, root: int, destination: int, source: int, data: int) -> SeL4Error:
        """seL4_CNode_Mutate within CNode ``root``."""
        words = (destination, WORD_BITS, source, WORD_BITS, data)
        return await self._error(root, Invocation.CNODE_MUTATE, words, (root,))

    async def cnode_rotate(
        self,
        root: int,
        destination: int,
        pivot: int,
        source: int,
        destination_data: int = 0,
        pivot_data: int = 0,
    ) -> SeL4Error:
        """seL4_CNode_Rotate within CNode ``root``."""
        words = (
            *(destination, WORD_BITS, destination_data),
            *(pivot, WORD_BITS, pivot_data),
            *(source, WORD_BITS),
        )
        return await self._error(root, Invocation.CNODE_ROTATE, words, (root, root))

    async def cnode_delete(self, root: int, index: int, depth: int = WORD_BITS) -> SeL4Error:
        """seL4_CNode_Delete."""
        return await self._error(root, Invocation.CNODE_DELETE, (index, depth))

    async def cnode_revoke(self, root: int, index: int, depth: int = WORD_BITS) -> SeL4Error:
        """seL4_CNode_Revoke."""
        return await self._error(root, Invocation.CNODE_REVOKE, (index, depth))

    async def cnode_cancel_badged_sends(self, root: int, index: int) -> SeL4Error:
        """seL4_CNode_CancelBadgedSends."""
        label = Invocation.CNODE_CANCEL_BADGED_SENDS
        return await self._error(root, label, (index, WORD_BITS))

    async def cnode_save_caller(self, root: int, index: int) -> SeL4Error:
        """seL4_CNode_SaveCaller."""
        return await self._error(root, Invocation.CNODE_SAVE_CALLER, (index, WORD_BITS))

    # --- TCBs -------------------------------------------------------------------------------------

    async def tcb_configure(
        self,
        tcb: int,
        fault_endpoint: int,
        cspace: int,
        cspace_data: int,
        vspace: int,
        vspace_data: int,
        buffer: int,
        frame: int,
    ) -> SeL4Error:
        """seL4_TCB_Configure."""
        words = (fault_endpoint, cspace_data, vspace_data, buffer)
        return await self._error(tcb, Invocation.TCB_CONFIGURE, words, (cspace, vspace, frame))

    async def tcb_set_space(
        self, tcb: int, fault_endpoint: int, cspace: int, cspace_data: int, vspace: int
    ) -> SeL4Error:
        """seL4_TCB_SetSpace."""
        words = (fault_endpoint, cspace_data, 0)
        return await self._error(tcb, Invocation.TCB_SET_SPACE, words, (cspace, vspace))

    async def tcb_set_priority(self, tcb: int, authority: int, priority: int) -> SeL4Error:
        """seL4_TCB_SetPriority."""
        return await self._error(tcb, Invocation.TCB_SET_PRIORITY, (priority,), (authority,))

    async def tcb_set_mc_priority(self, tcb: int, authority: int, mcp: int) -> SeL4Error:
        """seL4_TCB_SetMCPriority."""
        return await self._error(tcb, Invocation.TCB_SET_MC_PRIORITY, (mcp,), (authority,))

    async def tcb_set_sched_params(
        self, tcb: int, authority: int, mcp: int, priority: int
    ) -> SeL4Error:
        """seL4_TCB_SetSchedParams."""
        label = Invocation.TCB_SET_SCHED_PARAMS
        return await self._error(tcb, label, (mcp, priority), (authority,))

    async def tcb_set_ipc_buffer(self, tcb: int, buffer: int, frame: int) -> SeL4Error:
        """seL4_TCB_SetIPCBuffer."""
        return await self._error(tcb, Invocation.TCB_SET_IPC_BUFFER, (buffer,), (frame,))

    async def tcb_set_affinity(self, tcb: int, hart: int) -> SeL4Error:
        """seL4_TCB_SetAffinity."""
        return await self._error(tcb, Invocation.TCB_SET_AFFINITY, (hart,))

    async def tcb_suspend(self, tcb: int) -> SeL4Error:
        """seL4_TCB_Suspend."""
        return await self._error(tcb, Invocation.TCB_SUSPEND)

    async def tcb_resume(self, tcb: int) -> SeL4Error:
        """seL4_TCB_Resume."""
        return await self._error(tcb, Invocation.TCB_RESUME)

    async def tcb_read_registers(self, tcb: int, count: int, *, suspend: bool = False) -> Answer:
        """seL4_TCB_ReadRegisters; registers behind the fourth are in the IPC buffer."""
        return await self.invoke(tcb, Invocation.TCB_READ_REGISTERS, (int(suspend), count))

    async def tcb_write_registers(
        self, tcb: int, values: tuple[int, ...], *, resume: bool = False
    ) -> SeL4Error:
        """seL4_TCB_WriteRegisters."""
        words = (int(resume), len(values), *values)
        return await self._error(tcb, Invocation.TCB_WRITE_REGISTERS, words)

    async def tcb_copy_registers(self, tcb: int, source: int, flags: int) -> SeL4Error:
        """seL4_TCB_CopyRegisters: flags 1 suspend source, 2 resume target, 4 frame, 8 integer."""
        return await self._error(tcb, Invocation.TCB_COPY_REGISTERS, (flags,), (source,))

    async def tcb_bind_notification(self, tcb: int, notification: int) -> SeL4Error:
        """seL4_TCB_BindNotification."""
        return await self._error(tcb, Invocation.TCB_BIND_NOTIFICATION, (), (notification,))

    async def tcb_unbind_notification(self, tcb: int) -> SeL4Error:
        """seL4_TCB_UnbindNotification."""
        return await self._error(tcb, Invocation.TCB_UNBIND_NOTIFICATION)

    # --- interrupts and address-space identifiers -------------------------------------------------

    async def irq_control_get(self, control: int, irq: int, root: int, slot: int) -> SeL4Error:
        """seL4_IRQControl_Get."""
        words = (irq, slot, WORD_BITS)
        return await self._error(control, Invocation.IRQ_ISSUE_IRQ_HANDLER, words, (root,))

    async def irq_handler_ack(self, handler: int) -> SeL4Error:
        """seL4_IRQHandler_Ack."""
        return await self._error(handler, Invocation.IRQ_ACK_IRQ)

    async def irq_handler_set_notification(self, handler: int, notification: int) -> SeL4Error:
        """seL4_IRQHandler_SetNotification."""
        return await self._error(handler, Invocation.IRQ_SET_IRQ_HANDLER, (), (notification,))

    async def irq_handler_clear(self, handler: int) -> SeL4Error:
        """seL4_IRQHandler_Clear."""
        return await self._error(handler, Invocation.IRQ_CLEAR_IRQ_HANDLER)

    async def asid_control_make_pool(
        self, control: int, untyped: int, root: int, slot: int
    ) -> SeL4Error:
        """seL4_RISCV_ASIDControl_MakePool."""
        label = Invocation.RISCV_ASID_CONTROL_MAKE_POOL
        return await self._error(control, label, (slot, WORD_BITS), (untyped, root))

    async def asid_pool_assign(self, pool: int, vspace: int, quota: int = 0) -> SeL4Error:
        """seL4_RISCV_ASIDPool_Assign. With a ``quota``, this kernel's own addition, the space may
        take that many receivers, sender tables and asynchronous handlers; else its creator's."""
        words = (quota,) if quota else ()
        return await self._error(pool, Invocation.RISCV_ASID_POOL_ASSIGN, words, (vspace,))
