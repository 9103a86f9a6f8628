"""What an attacker does, step by step."""

import random
from typing import Any

from rel4.abi.message import IpcBuffer, MessageInfo
from rel4.abi.numbers import AsyncLabel, Invocation, SysCall
from rel4.abi.syscall_buffer import Item, SyscallBuffer
from rel4.machine.machine import Machine
from rel4.machine.ops import (
    Compute,
    CsrClear,
    CsrRead,
    CsrSet,
    CsrWrite,
    Ecall,
    Load,
    Registers,
    Store,
    Uipi,
)
from rel4.machine.ops_intel import Clui, ReadMsr, SendUipi, Stui, Testui, WriteMsr
from rel4.user.syscalls import SystemCalls
from uintr.intel.registers import Internal, Msr
from uintr.registers import Csr, Flavour, UipiFunction

from .threads import BUFFER, DATA, IPC, PAGE, RADIX, Own
from .victim import Outcome

__all__ = ["Attacker"]

CAPACITY = 4
LABELS = [*Invocation]
NUMBERS = [
    0,
    1,
    2,
    3,
    4,
    7,
    12,
    16,
    63,
    64,
    255,
    256,
    PAGE,
    1 << 21,
    1 << 38,
    1 << 63,
    (1 << 64) - 1,
]
PLACES = [IPC, IPC + 0x400, IPC + 0xC00, DATA, BUFFER, 0x5000_0000, 0x5020_0000, 0]
STEPS = 50
"""Steps of each attacker."""


class Attacker:
    """What an attacker does, step by step."""

    def __init__(self, seed: int, number: int, outcome: Outcome, machine: Machine) -> None:
        self._draw = random.Random(f"attacker {seed} {number}")
        self._outcome = outcome
        self._machine = machine
        self._intel = machine.device.config.flavour is Flavour.INTEL
        self._buffer = SyscallBuffer(BUFFER, CAPACITY)
        self._steps = {
            self._invoke: 30,
            self._system_call: 10,
            self._register: 12,
            self._request: 14,
            self._scribble: 14,
            self._flip: 6,
            self._remap: 4,
            self._instruction: 12,
            self._wait: 8,
        }

    async def run(self, own: SystemCalls) -> None:
        """The attacker's program."""
        steps, weights = list(self._steps), list(self._steps.values())
        for _ in range(STEPS):
            (step,) = self._draw.choices(steps, weights)
            await step()
            self._outcome.steps += 1

    def _word(self) -> int:
        kind = self._draw.randrange(4)
        if kind == 0:
            return self._draw.choice(NUMBERS)
        if kind == 1:
            return self._draw.choice(PLACES)
        if kind == 2:
            return self._draw.getrandbits(64)
        return self._slot()

    def _slot(self) -> int:
        return self._draw.randrange(Own.FIRST_FREE + 6)

    async def _message(
        self, number: int, cap: int, label: int, words: list[int], caps: list[int]
    ) -> Registers:
        for index, word in enumerate(words[4:], start=4):
            await Store(IPC + IpcBuffer.message(index), word)
        for index, cap_ in enumerate(caps):
            await Store(IPC + IpcBuffer.cap(index), cap_)
        info = MessageInfo(label, len(words), len(caps)).word()
        first = [*words, 0, 0, 0, 0][:4]
        return await Ecall(Registers(number, cap, info, (first[0], first[1], first[2], first[3])))

    async def _invoke(self) -> None:
        draw = self._draw
        label = draw.choice(LABELS)
        words = [self._word() for _ in range(draw.randrange(8))]
        caps = [self._slot() for _ in range(draw.randrange(4))]
        number = draw.choice((SysCall.CALL, SysCall.CALL, SysCall.NB_SEND))
        cap = self._slot()
        if cap == Own.ENDPOINT:
            number = SysCall.NB_SEND  # a call would wait for ever
        await self._message(number, cap, label, words, caps)

    async def _system_call(self) -> None:
        draw = self._draw
        number = draw.choice(
            (SysCall.NB_RECV, SysCall.NB_SEND, SysCall.REPLY, SysCall.YIELD,
             SysCall.WAKE_SYSCALL_HANDLER, SysCall.DEBUG_CAP_IDENTIFY, SysCall.DEBUG_NAME_THREAD)
        )  # fmt: skip
        await self._message(number, self._slot(), 0, [self._word()], [])

    async def _register(self) -> None:
        """The published order, or a part of it, or its inverse, on one's own objects."""
        draw = self._draw
        ntfn = draw.choice((Own.NOTIFICATION, Own.BADGED, Own.SECOND, Own.SHARED))
        handler = self._machine.place(self._handler)
        call, invocation = SysCall.CALL, Invocation
        match draw.randrange(8):
            case 0 | 1:
                await self._receive(ntfn, handler)
            case 2:
                await self._message(call, ntfn, invocation.UINTR_REGISTER_SENDER, [], [])
            case 3 | 4:
                await self._buffer_of(ntfn)
            case 5:
                await self._message(call, Own.TCB, invocation.TCB_UNBIND_NOTIFICATION, [], [])
            case 6:
                await self._receive(Own.NOTIFICATION, handler)
                await self._buffer_of(Own.BADGED)
            case _:
                place = IPC + draw.choice((0, 0x400, 0x800, 0xC00))
                label = invocation.TCB_SET_IPC_BUFFER
                await self._message(call, Own.TCB, label, [place], [Own.IPC_FRAME])

    async def _receive(self, ntfn: int, handler: int) -> None:
        call, label = SysCall.CALL, Invocation.UINTR_REGISTER_RECEIVER
        await self._message(call, Own.TCB, Invocation.TCB_BIND_NOTIFICATION, [], [ntfn])
        if not self._intel:
            await CsrWrite(Csr.UTVEC, handler)
        words = [handler, DATA + PAGE | 1] if self._intel else []
        await self._message(call, ntfn, label, words, [Own.TCB])

    async def _buffer_of(self, ntfn: int) -> None:
        await SyscallBuffer.create(BUFFER, CAPACITY)
        frame = await self._weaker() if self._draw.randrange(3) == 0 else Own.BUFFER_FRAME
        label = Invocation.UINTR_REGISTER_ASYNC_SYSCALL
        await self._message(SysCall.CALL, ntfn, label, [0], [frame])

    async def _weaker(self) -> int:
        """Its buffer's frame by a capability with fewer rights."""
        place = Own.FIRST_FREE + self._draw.randrange(4)
        words = [place, RADIX, Own.BUFFER_FRAME, RADIX, self._draw.randrange(4)]
        await self._message(SysCall.CALL, Own.CNODE, Invocation.CNODE_DELETE, words[:2], [])
        await self._message(SysCall.CALL, Own.CNODE, Invocation.CNODE_COPY, words, [Own.CNODE])
        return place

    async def _handler(self) -> None:
        """A user-interrupt handler that never returns properly."""
        await Compute(5)

    async def _request(self) -> None:
        """A request in the ring, well formed or not, and a wake-up."""
        draw = self._draw
        label = draw.choice([*AsyncLabel, draw.getrandbits(8)])
        words = tuple(self._word() for _ in range(draw.randrange(9)))
        await self._buffer.requests.put(Item(draw.getrandbits(32), label, 0, words))
        await self._message(SysCall.WAKE_SYSCALL_HANDLER, 0, 0, [], [])

    async def _scribble(self) -> None:
        """Any word of the memory that is shared with the kernel."""
        draw = self._draw
        place = draw.choice((BUFFER, BUFFER + 0xC0, BUFFER + 0x140, BUFFER + PAGE, IPC, DATA))
        for _ in range(draw.randrange(1, 6)):
            await Store(
                place + 8 * draw.randrange(40), draw.choice((self._word(), draw.randrange(6)))
            )

    async def _flip(self) -> None:
        """Publish a request and take it back, while somebody may be serving it."""
        ring, draw = self._buffer.requests, self._draw
        await self._message(SysCall.WAKE_SYSCALL_HANDLER, 0, 0, [], [])
        operand = draw.randrange(3)
        head = await ring.last_taken()
        for _ in range(draw.randrange(40)):
            await Store(ring.tail, (head + 1) & (1 << 64) - 1)
            if not self._intel:  # where an index that is not registered is a fault
                await Uipi(UipiFunction.SEND, operand)
            await Compute(draw.randrange(8))
            await Store(ring.tail, head)

    async def _remap(self) -> None:
        """Look at one's page, take its mapping away and put it back."""
        await Load(DATA)
        await self._message(SysCall.CALL, Own.DATA_FRAME, Invocation.RISCV_PAGE_UNMAP, [], [])
        words = [DATA, 0b11, 0]
        label = Invocation.RISCV_PAGE_MAP
        await self._message(SysCall.CALL, Own.DATA_FRAME, label, words, [Own.VSPACE])

    async def _instruction(self) -> None:
        """Instructions of user interrupts; one that is illegal would end the attacker."""
        draw = self._draw
        operation: Any
        if self._intel:
            operation = draw.choice((Clui(), Stui(), Testui()))
            if not draw.randrange(20):
                operation = draw.choice(
                    (SendUipi(draw.randrange(8)), ReadMsr(Internal.ACKNOWLEDGE),
                     WriteMsr(Internal.CR4, 0), ReadMsr(Msr.UINTR_TT))
                )  # fmt: skip
        else:
            csr = draw.choice((Csr.USTATUS, Csr.UIE, Csr.USCRATCH, Csr.UEPC, Csr.UIP, Csr.UCAUSE))
            operation = draw.choice(
                (CsrRead(csr), CsrWrite(csr, self._word()), CsrSet(csr, 0x11), CsrClear(csr, 0x11),
                 *(Uipi(function, draw.randrange(8)) for function in UipiFunction))
            )  # fmt: skip
            if not draw.randrange(40):
                # No type fits: a user may name any number.
                # 0x7C0 is no register that the machine knows: that is the attack.
                operation = CsrRead(draw.choice((0x7C0, Csr.SUIRS)))  # type: ignore[arg-type]
        await operation

    async def _wait(self) -> None:
        await Compute(self._draw.choice((1, 50, 700, 5_000)))
