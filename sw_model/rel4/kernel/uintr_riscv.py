"""User interrupts of RISC-V under the kernel's interface: controller, sender tables, hart's CSRs.

Order matters twice at a context switch. A receiver is deactivated before its thread's `uip` is
read, so that what is saved is the software bit and not the hart line; and it is activated last on
the way out, so that no interrupt meets half-restored state. While a receiver is inactive its
pending bits stay in the controller and raise the line at the next activation.

A parked thread's receiver is deactivated first: a post that the look at its pending word misses
meets an inactive receiver. A UIPI of another thread wakes it when the controller tells the kernel
of the absent receiver (feature NOTIFY); without that feature the kernel looks at every timer tick.
"""

from rel4.machine.device import DeviceConfig
from rel4.machine.events import ReceiverChanged
from rel4.machine.ops import CsrWrite, Load, Log, Store, Uipi
from uintr.registers import (
    ACTIVE,
    CLAIM,
    CONTROL_OFFSET,
    CSRS,
    ENABLE,
    ENTRIES_PER_PAGE,
    HIGH,
    LOW,
    NOTIFY_HART,
    PAGE_BYTES,
    SEND,
    SENDER_ENTRY,
    SENDER_ENTRY_BYTES,
    SLOT_BYTES,
    SLOT_RESET,
    Csr,
    Feature,
    UipiFunction,
)

from .harts import Harts
from .objects import TCB
from .uintr import UserInterrupts
from .uintr_context import UserInterruptState
from .uintr_entries import SenderEntry, SenderTable

__all__ = ["RiscvUserInterrupts"]

SAVED_CSRS = (
    Csr.USTATUS,
    Csr.UIE,
    Csr.UTVEC,
    Csr.USCRATCH,
    Csr.UEPC,
    Csr.UCAUSE,
    Csr.UTVAL,
    Csr.UIP,
)
DELEGATED = CSRS[Csr.SIDELEG].pack(software=1)


class RiscvUserInterrupts(UserInterrupts):
    """The controller's receivers, tables of eight-byte entries, and the CSRs of the N extension."""

    @property
    def reaches_kernel(self) -> bool:
        return Feature.SUPERVISOR in self._config.features

    def __init__(self, config: DeviceConfig, harts: Harts) -> None:
        pages = range(config.table_pages)
        super().__init__(
            config,
            harts,
            receivers=list(range(config.receivers)),
            tables=[config.table_base + page * PAGE_BYTES for page in pages],
        )
        self._extended = False  # the controller was told what this kernel knows
        self._notifies = False  # somebody has parked, and the controller tells of posts

    # --- places -----------------------------------------------------------------------------------

    def _slot(self, receiver: int, offset: int) -> int:
        return self._config.base + receiver * SLOT_BYTES + offset

    def _control(self, offset: int) -> int:
        return self._config.base + CONTROL_OFFSET + offset

    def _table_at(self, address: int) -> SenderTable:
        suist = CSRS[Csr.SUIST].pack(en=1, size=1, ppn=address // PAGE_BYTES)
        return SenderTable(address, suist, ENTRIES_PER_PAGE, self)

    async def write_entry(self, address: int, index: int, receiver: int, vector: int) -> None:
        """One store."""
        word = SENDER_ENTRY.pack(valid=1, vector=vector, receiver=receiver)
        await Store(address + index * SENDER_ENTRY_BYTES, word)

    async def clear_entry(self, address: int, index: int) -> None:
        """One store."""
        await Store(address + index * SENDER_ENTRY_BYTES, 0)

    # --- context switch ---------------------------------------------------------------------------

    async def _save(self) -> None:
        hart = self._harts.here
        was_freed = hart in self._stale
        self._stale.discard(hart)
        owner, self.owner[hart] = self.owner[hart], None
        if owner is None:
            return
        state = owner.find(UserInterruptState)
        if state is not None and state.receiver is not None:
            await Store(self._slot(state.receiver, ACTIVE.address), 0)
            await Log(ReceiverChanged(state.receiver, False, 0, 0))
        # Read, and hidden from the next thread.
        registers = {int(csr): await CsrWrite(csr, 0) for csr in SAVED_CSRS}
        if state is not None or was_freed:
            await CsrWrite(Csr.SIDELEG, 0)
            await CsrWrite(Csr.SUIRS, 0)
        if state is not None:
            state.registers.update(registers)
        else:
            self._keep(owner, registers)

    async def _restore(self, state: UserInterruptState) -> None:
        await self._delegate(state)  # before uie and uip, which take only what is delegated
        for csr in SAVED_CSRS:
            await CsrWrite(csr, state.registers.get(csr, 0))
        await self._attach(state)

    async def _activate(self, state: UserInterruptState) -> None:
        await self._delegate(state)
        await self._attach(state)

    async def _delegate(self, state: UserInterruptState) -> None:
        if state.receiver is not None:
            await CsrWrite(Csr.SIDELEG, DELEGATED)

    async def _attach(self, state: UserInterruptState) -> None:
        if state.receiver is None:
            return
        await CsrWrite(Csr.SUIRS, CSRS[Csr.SUIRS].pack(en=1, index=state.receiver))
        low = LOW.pack(active=1, mode=1, hartid=self._harts.here)
        await Store(self._slot(state.receiver, LOW.address), low)
        await Log(ReceiverChanged(state.receiver, True, 0, 0))

    async def _set_table(self, register: int) -> None:
        await CsrWrite(Csr.SUIST, register)

    # --- receivers --------------------------------------------------------------------------------

    async def _clear(self, receiver: int) -> None:
        await Store(self._slot(receiver, LOW.address), 0)
        cleared = await Load(self._slot(receiver, HIGH.address))
        await Log(ReceiverChanged(receiver, False, 0, cleared))

    async def _extend(self) -> None:
        """Tell the controller, once, that LOW's further bits mean what they say."""
        if not self._extended and ENABLE.feature & self._config.features:
            self._extended = True
            word = ENABLE.pack(supervisor=1, notify=1)
            await Store(self._control(ENABLE.address), word)

    async def _activate_kernel(self, hart: int, receiver: int) -> None:
        await self._extend()
        low = LOW.pack(active=1, mode=1, supervisor=1, hartid=hart)
        await Store(self._slot(receiver, LOW.address), low)
        await Log(ReceiverChanged(receiver, True, 0, 0))

    async def _listen(self, receiver: int, on: bool) -> None:
        await Store(self._slot(receiver, ACTIVE.address), int(on))

    async def _free_receiver(self, tcb: TCB, state: UserInterruptState) -> None:
        receiver, state.receiver = state.receiver, None
        assert receiver is not None
        self.parked.pop(receiver, None)
        # First the owner stops: UIPI WRITE and ACTIVATE reach the receiver as long as it runs. It
        # runs again when its hart has another `suirs`.
        for hart, owner in enumerate(self.owner):
            if owner is tcb:
                await self._harts.stall(hart)
                self._stale.add(hart)
        await self._clear(receiver)
        if Feature.SLOT_RESET in self._config.features:
            await Store(self._control(SLOT_RESET.address), receiver)
        self.receivers.remove(receiver)
        self._freed(receiver)

    # --- signals from the kernel ------------------------------------------------------------------

    async def _send(self, entry: SenderEntry) -> None:
        await self._use_table(self.kernel_table.register)
        await Uipi(UipiFunction.SEND, entry.index)

    async def _post(self, receiver: int, vector: int) -> None:
        await Store(self._slot(receiver, SEND.address), vector)
        await Log(ReceiverChanged(receiver, False, 1 << vector, 0))

    # --- threads that wait ------------------------------------------------------------------------

    async def _park(self, receiver: int) -> int:
        here = self._harts.here
        tells = Feature.NOTIFY in self._config.features
        if tells and not self._notifies:
            self._notifies = True
            await self._extend()
            await Store(self._control(NOTIFY_HART.address), 0)
        low = LOW.pack(active=0, mode=1, notify=int(tells), hartid=here)
        await Store(self._slot(receiver, LOW.address), low)
        pending = await Load(self._slot(receiver, HIGH.address))
        if pending:
            low = LOW.pack(active=1, mode=1, hartid=here)
            await Store(self._slot(receiver, LOW.address), low)
            await Store(self._slot(receiver, HIGH.address), pending)
        return pending

    async def _absent(self, receiver: int, tcb: TCB) -> int:
        """Nothing pending: the receiver keeps its notify bit all the time, so that the next post is
        a transition of which the controller tells. Told once is enough otherwise: the bit goes
        before what was taken is put back."""
        pending = await Load(self._slot(receiver, HIGH.address))
        if pending:
            low = LOW.pack(active=0, mode=1, hartid=tcb.affinity)
            await Store(self._slot(receiver, LOW.address), low)
            await Store(self._slot(receiver, HIGH.address), pending)
        return pending

    async def poll_parked(self) -> None:
        """A timer tick: look at every parked thread's pending word, unless the controller tells."""
        if not self._notifies:
            for receiver in list(self.parked):
                await self.absent_post(receiver)

    async def take_interrupts(self) -> int:
        """Empty the controller's queue of absent receivers, then the kernel's receiver here."""
        while self._notifies:
            claim = await Load(self._control(CLAIM.address))
            if not CLAIM.field("valid").get(claim):
                break
            await self.absent_post(CLAIM.field("receiver").get(claim))
        receiver = self.kernel_receivers.get(self._harts.here)
        if receiver is None:
            return 0
        vectors = await Load(self._slot(receiver, HIGH.address))
        await Log(ReceiverChanged(receiver, True, 0, vectors))
        return vectors

    # --- inspection -------------------------------------------------------------------------------

    async def pending(self, receiver: int) -> int:
        """Take and put back a receiver's pending word, as the kernel's own code may."""
        bits = await Load(self._slot(receiver, HIGH.address))
        if bits:
            await Store(self._slot(receiver, HIGH.address), bits)
        return bits
