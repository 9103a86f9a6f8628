"""User interrupts of Intel under the kernel's interface: UITTs, UPIDs and the hart's MSRs.

Tables and descriptors lie in the table memory: whole pages for UITTs, the last pages for UPIDs. A
receiver is known by the address of its UPID.

*Switch.* Out: SN is set, by a locked OR, before UIRR is read, so that from then on a post stays in
PIR. In: MSRs first, then NV and NDST, then SN is cleared, then PIR is looked at; a post that came
before SN was cleared notified nobody, so the kernel notifies itself with UINV. ON counts like PIR:
a notification that reached the hart when its UINV was not loaded any more has been acknowledged as
a spurious interrupt, and a UPID that keeps ON never notifies again.

*Parking.* NV becomes the kernel's `WAIT_VECTOR` and SN is cleared before PIR is looked at again, so
a post either is seen by this look or interrupts the kernel, which then looks for descriptors with
ON (the receiver pays).

*Giving back.* A UPID that a hart still names may be written by that hart's notification processing.
It is free only when that hart has written another UINTR_PD, which waits for the processing's end.
"""

from collections.abc import Sequence

from rel4.machine.device import DeviceConfig
from rel4.machine.events import ReceiverChanged
from rel4.machine.ops import AmoAnd, AmoOr, Load, Log, Store, Swap
from rel4.machine.ops_intel import Clui, ReadMsr, SendUipi, Stui, Testui, WriteMsr
from uintr.intel.registers import (
    CANONICAL_BITS,
    INTERNAL_REGISTERS,
    MSRS,
    UITTE,
    UITTE_BYTES,
    UPID,
    UPID_BYTES,
    UPID_PIR,
    Internal,
    Msr,
)
from uintr.registers import PAGE_BYTES

from .errors import invalid_argument
from .harts import Harts
from .objects import TCB
from .uintr import UserInterrupts
from .uintr_context import UserInterruptState
from .uintr_entries import SenderEntry, SenderTable

__all__ = ["KERNEL_VECTOR", "NOTIFICATION_VECTOR", "WAIT_VECTOR", "IntelUserInterrupts"]

NOTIFICATION_VECTOR, WAIT_VECTOR, KERNEL_VECTOR = 0xEC, 0xEB, 0xEA
"""UINV of a running receiver; NV of a parked one; NV of the kernel's own receivers."""
ENTRIES = PAGE_BYTES // UITTE_BYTES
SIZE = MSRS[Msr.UINTR_MISC].pack(uittsz=ENTRIES - 1)
ON, SN = UPID.pack(on=1), UPID.pack(sn=1)
WORD = (1 << 64) - 1
MOST_AT_ONCE = 8
"""Interrupts that one trap takes; there are three vectors of the kernel's own."""
UIF = -1
"""Key of the user-interrupt flag among the registers that are saved."""


class IntelUserInterrupts(UserInterrupts):
    """Tables of 16-byte entries, posted-interrupt descriptors, MSRs and ordinary interrupts."""

    registration_words = 2

    def __init__(self, config: DeviceConfig, harts: Harts) -> None:
        each = PAGE_BYTES // UPID_BYTES
        # Half of the pages at most: a receiver without a sender is of no use.
        pages = min(-(-config.receivers // each), max(1, config.table_pages // 2))
        first = config.table_pages - pages
        self._descriptors = config.table_base + first * PAGE_BYTES
        super().__init__(
            config,
            harts,
            receivers=[
                self._descriptors + number * UPID_BYTES
                for number in range(min(config.receivers, pages * each))
            ],
            tables=[config.table_base + page * PAGE_BYTES for page in range(first)],
        )
        self._held: list[int | None] = [None] * config.harts  # receiver that UINTR_PD names
        self._states: dict[int, UserInterruptState] = {}
        self._leaving: dict[int, int] = {}  # receivers that were given back, by the hart with them

    def _table_at(self, address: int) -> SenderTable:
        return SenderTable(address, address | MSRS[Msr.UINTR_TT].pack(enable=1), ENTRIES, self)

    async def write_entry(self, address: int, index: int, receiver: int, vector: int) -> None:
        """Address first: the entry is valid with the second store."""
        entry = address + index * UITTE_BYTES
        await Store(entry + 8, receiver)
        await Store(entry, UITTE.pack(v=1, uv=vector))

    async def clear_entry(self, address: int, index: int) -> None:
        """One store."""
        await Store(address + index * UITTE_BYTES, 0)

    # --- context switch ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Enable user interrupts on this hart; no thread has any yet."""
        await WriteMsr(Internal.CR4, INTERNAL_REGISTERS[Internal.CR4].pack(uintr=1))
        await WriteMsr(Msr.UINTR_MISC, SIZE)

    async def _save(self) -> None:
        hart = self._harts.here
        self._stale.discard(hart)
        receiver, self._held[hart] = self._held[hart], None
        owner, self.owner[hart] = self.owner[hart], None
        if receiver is None:
            if owner is not None:
                await self._save_flag(owner)
            return
        state = self._states.get(receiver)
        leaving = self._leaving.pop(hart, None)
        if receiver not in self.parked or leaving is not None:
            await AmoOr(receiver, SN)
        flag = await Testui()
        if flag:
            await Clui()
        requests = await ReadMsr(Msr.UINTR_RR)
        if requests:
            await WriteMsr(Msr.UINTR_RR, 0)
        await WriteMsr(Msr.UINTR_MISC, SIZE)
        await WriteMsr(Msr.UINTR_PD, 0)
        await WriteMsr(Msr.UINTR_HANDLER, 0)
        if state is not None:
            state.registers[UIF] = flag
            state.registers[Msr.UINTR_RR] = requests
        if leaving is None:
            await Log(ReceiverChanged(receiver, False, 0, 0))
        else:
            await self._empty(leaving, requests)
            self._freed(leaving)

    async def _save_flag(self, owner: TCB) -> None:
        """All that a thread without a receiver has of the hart: it may set and clear the flag."""
        flag = await Testui()
        if flag:
            await Clui()
        state = owner.find(UserInterruptState)
        if state is None:
            self._keep(owner, {UIF: flag})
        else:
            state.registers[UIF] = flag

    async def _restore(self, state: UserInterruptState) -> None:
        if state.receiver is not None:
            await self._activate(state)
        elif state.registers.get(UIF, 0):
            await Stui()

    async def _activate(self, state: UserInterruptState) -> None:
        hart = self._harts.here
        receiver = state.receiver
        assert receiver is not None
        self._states[receiver] = state
        self._held[hart] = receiver
        for msr in (Msr.UINTR_HANDLER, Msr.UINTR_STACKADJUST, Msr.UINTR_RR):
            await WriteMsr(msr, state.registers.get(msr, 0))
        await WriteMsr(Msr.UINTR_PD, receiver)
        await WriteMsr(Msr.UINTR_MISC, SIZE | MSRS[Msr.UINTR_MISC].pack(uinv=NOTIFICATION_VECTOR))
        await self._notify_thread(receiver)
        await (Stui() if state.registers.get(UIF, 0) else Clui())
        await Log(ReceiverChanged(receiver, True, 0, 0))

    async def _notify_thread(self, receiver: int) -> None:
        """Posts notify the thread, which runs here: of those that were made meanwhile it is told
        now."""
        hart = self._harts.here
        outstanding = await AmoOr(receiver, SN) & ON
        notified = UPID.pack(sn=1, nv=NOTIFICATION_VECTOR, ndst=hart)
        await Store(receiver, notified | outstanding)  # nobody else writes this word under SN
        await AmoAnd(receiver, WORD ^ SN)
        if outstanding or await Load(receiver + UPID_PIR.address):
            await self._interrupt(NOTIFICATION_VECTOR, hart)

    @staticmethod
    async def _interrupt(vector: int, hart: int) -> None:
        await WriteMsr(Msr.X2APIC_ICR, MSRS[Msr.X2APIC_ICR].pack(vector=vector, destination=hart))

    async def _set_table(self, register: int) -> None:
        await WriteMsr(Msr.UINTR_TT, register)

    # --- receivers --------------------------------------------------------------------------------

    def _registration(self, words: Sequence[int]) -> dict[int, int]:
        """The handler's address, and the stack adjustment."""
        handler, adjust = words
        for number, (name, word) in enumerate((("handler", handler), ("stack", adjust))):
            if word >> (CANONICAL_BITS - 1) not in (0, (1 << (65 - CANONICAL_BITS)) - 1):
                raise invalid_argument(number, f"the {name} must be canonical, not {word:#x}")
        return {Msr.UINTR_HANDLER: handler, Msr.UINTR_STACKADJUST: adjust}

    async def _clear(self, receiver: int) -> None:
        """A descriptor that notifies nobody and holds nothing."""
        await Store(receiver, SN)
        await self._empty(receiver, 0)

    async def _empty(self, receiver: int, requests: int) -> None:
        """Take what is pending: in PIR, and ``requests`` of UIRR."""
        posted = await Swap(receiver + UPID_PIR.address, 0)
        await Log(ReceiverChanged(receiver, False, 0, posted | requests))

    async def _activate_kernel(self, hart: int, receiver: int) -> None:
        await Store(receiver, UPID.pack(nv=KERNEL_VECTOR, ndst=hart))
        await Log(ReceiverChanged(receiver, True, 0, 0))

    async def _listen(self, receiver: int, on: bool) -> None:
        if not on:
            await AmoOr(receiver, SN)
            return
        await AmoAnd(receiver, WORD ^ SN)
        if await Load(receiver + UPID_PIR.address) and not await AmoOr(receiver, ON) & ON:
            await self._interrupt(KERNEL_VECTOR, self._harts.here)

    async def _free_receiver(self, tcb: TCB, state: UserInterruptState) -> None:
        receiver = state.receiver
        assert receiver is not None
        self.parked.pop(receiver, None)
        self.receivers.remove(receiver)
        await AmoOr(receiver, SN)
        holder = next((hart for hart, held in enumerate(self._held) if held == receiver), None)
        if holder is None:
            await self._empty(receiver, state.registers.get(Msr.UINTR_RR, 0))
            self._freed(receiver)
        else:
            await self._harts.stall(holder)
            self._leaving[holder] = receiver
            self._stale.add(holder)
            if holder == self._harts.here:
                await self._save()
        state.receiver = None
        state.registers.clear()
        self._states.pop(receiver, None)

    # --- signals from the kernel ------------------------------------------------------------------

    async def _send(self, entry: SenderEntry) -> None:
        if entry.receiver in self.parked:
            await self._post(entry.receiver, entry.vector)
            return
        await self._use_table(self.kernel_table.register)
        await SendUipi(entry.index)

    async def _post(self, receiver: int, vector: int) -> None:
        """What SENDUIPI does, by locked instructions; a parked receiver is looked at anyway."""
        await AmoOr(receiver + UPID_PIR.address, 1 << vector)
        await Log(ReceiverChanged(receiver, False, 1 << vector, 0))
        if receiver in self.parked or await Load(receiver) & SN:
            return
        before = await AmoOr(receiver, ON)
        if not before & ON:
            await self._interrupt(UPID.field("nv").get(before), UPID.field("ndst").get(before))

    # --- threads that wait ------------------------------------------------------------------------

    async def _park(self, receiver: int) -> int:
        here = self._harts.here
        await AmoOr(receiver, SN)
        pending = await ReadMsr(Msr.UINTR_RR) | await Load(receiver + UPID_PIR.address)
        if not pending:
            await Store(receiver, UPID.pack(sn=1, nv=WAIT_VECTOR, ndst=here))
            await AmoAnd(receiver, WORD ^ SN)
            pending = await Load(receiver + UPID_PIR.address)
        if pending:
            await self._notify_thread(receiver)
        return pending

    async def _absent(self, receiver: int, tcb: TCB) -> int:
        pending = await Load(receiver + UPID_PIR.address)
        if pending:
            await AmoOr(receiver, SN)
        return pending

    async def take_interrupts(self) -> int:
        """Acknowledge vectors, a bounded number: others interrupt again. That of a receiver which
        is not loaded any more is spurious: what was posted is found when its thread comes back."""
        vectors = 0
        for _ in range(MOST_AT_ONCE):
            vector = await ReadMsr(Internal.ACKNOWLEDGE)
            if not vector:
                break
            if vector == WAIT_VECTOR:
                for receiver in list(self.parked):
                    if await Load(receiver) & ON:
                        await self.absent_post(receiver)
            elif vector == KERNEL_VECTOR:
                own = self.kernel_receivers.get(self._harts.here)
                if own is None:
                    continue  # it was given back
                await AmoAnd(own, WORD ^ ON)
                taken = await Swap(own + UPID_PIR.address, 0)
                await Log(ReceiverChanged(own, True, 0, taken))
                vectors |= taken
        return vectors

    # --- inspection -------------------------------------------------------------------------------

    async def pending(self, receiver: int) -> int:
        """PIR, and UIRR as far as it is saved or on this hart."""
        if self._held[self._harts.here] == receiver:
            requests = await ReadMsr(Msr.UINTR_RR)
        else:
            state = self._states.get(receiver)
            requests = state.registers.get(Msr.UINTR_RR, 0) if state is not None else 0
        return requests | await Load(receiver + UPID_PIR.address)
