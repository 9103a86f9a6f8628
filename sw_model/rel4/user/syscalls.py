"""seL4's system calls as a user program makes them: stubs that fill registers and IPC buffer."""

from dataclasses import dataclass

from rel4.abi.message import REGISTER_MESSAGE, IpcBuffer, MessageInfo
from rel4.abi.numbers import Invocation, SeL4Error, SysCall
from rel4.machine.ops import Ecall, Load, Path, Registers, Store

from .calls import WORD_BITS, Answer, ObjectCalls

__all__ = ["WORD_BITS", "Answer", "Message", "SystemCalls"]


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was received: badge, message information and first message registers."""

    badge: int
    info: MessageInfo
    words: tuple[int, int, int, int]


class SystemCalls(ObjectCalls):
    """System calls of one thread.

    Parameters
    ----------
    ipc_buffer : virtual address of its IPC buffer
    tcb : its own TCB's capability, where it was told
    """

    def __init__(self, ipc_buffer: int, tcb: int = 0) -> None:
        self.ipc_buffer = ipc_buffer
        self.tcb = tcb

    async def invoke(
        self, cap: int, label: int, words: tuple[int, ...] = (), caps: tuple[int, ...] = ()
    ) -> Answer:
        """seL4_Call on a kernel object: one invocation."""
        async with Path("user.invoke"):
            for index, word in enumerate(words[REGISTER_MESSAGE:], start=REGISTER_MESSAGE):
                await Store(self.ipc_buffer + IpcBuffer.message(index), word)
            for index, cptr in enumerate(caps):
                await Store(self.ipc_buffer + IpcBuffer.cap(index), cptr)
            info = MessageInfo(label=label, length=len(words), extra_caps=len(caps))
            first = (*words, 0, 0, 0, 0)
            registers = Registers(
                SysCall.CALL, cap, info.word(), (first[0], first[1], first[2], first[3])
            )
            answer = await Ecall(registers)
        return Answer(SeL4Error(MessageInfo.from_word(answer.info).label), answer.message)

    # --- user interrupts --------------------------------------------------------------------------

    async def uintr_register_receiver(
        self, notification: int, tcb: int, words: tuple[int, ...] = ()
    ) -> SeL4Error:
        """Make the notification deliver to ``tcb``, to which it is bound, by user interrupts.
        ``words`` are what the flavour needs: on Intel handler and stack adjustment."""
        label = Invocation.UINTR_REGISTER_RECEIVER
        return (await self.invoke(notification, label, words, (tcb,))).error

    async def uintr_register_sender(self, notification: int) -> tuple[SeL4Error, int]:
        """A sender-table entry for the notification; returns the operand of UIPI SEND."""
        answer = await self.invoke(notification, Invocation.UINTR_REGISTER_SENDER)
        if answer.error is not SeL4Error.NO_ERROR:
            return answer.error, 0
        return answer.error, await Load(self.ipc_buffer + IpcBuffer.UINTR_FLAG)

    async def uintr_register_async_syscall(
        self, notification: int, buffer: int, policy: int = 0
    ) -> tuple[SeL4Error, int | None]:
        """Start a kernel handler for the syscall buffer in frame ``buffer``, to run as the kernel's
        policy of that number says. Returns the operand of the UIPI SEND that wakes it, or None: it
        is woken by `wake_syscall_handler`."""
        label = Invocation.UINTR_REGISTER_ASYNC_SYSCALL
        answer = await self.invoke(notification, label, (policy,), (buffer,))
        _cid, has_sender, sender, _ = answer.words
        return answer.error, sender if has_sender else None

    # --- calls that are no invocations ------------------------------------------------------------

    async def _transfer(
        self,
        number: SysCall,
        cap: int,
        label: int,
        words: tuple[int, ...],
        caps: tuple[int, ...] = (),
    ) -> Message:
        """Any system call with a message: fill registers and IPC buffer, trap, take the answer."""
        for index, word in enumerate(words[REGISTER_MESSAGE:], start=REGISTER_MESSAGE):
            await Store(self.ipc_buffer + IpcBuffer.message(index), word)
        for index, cptr in enumerate(caps):
            await Store(self.ipc_buffer + IpcBuffer.cap(index), cptr)
        await Path("user.ipc").spend()
        info = MessageInfo(label, len(words), len(caps))
        first = (*words, 0, 0, 0, 0)
        message = (first[0], first[1], first[2], first[3])
        answer = await Ecall(Registers(number, cap, info.word(), message))
        return Message(answer.cap, MessageInfo.from_word(answer.info), answer.message)

    async def call(
        self, cap: int, words: tuple[int, ...] = (), caps: tuple[int, ...] = (), label: int = 0
    ) -> Message:
        """seL4_Call."""
        return await self._transfer(SysCall.CALL, cap, label, words, caps)

    async def send(
        self, cap: int, words: tuple[int, ...] = (), caps: tuple[int, ...] = (), label: int = 0
    ) -> None:
        """seL4_Send."""
        await self._transfer(SysCall.SEND, cap, label, words, caps)

    async def nb_send(
        self, cap: int, words: tuple[int, ...] = (), caps: tuple[int, ...] = (), label: int = 0
    ) -> None:
        """seL4_NBSend."""
        await self._transfer(SysCall.NB_SEND, cap, label, words, caps)

    async def recv(self, cap: int) -> Message:
        """seL4_Recv."""
        return await self._transfer(SysCall.RECV, cap, 0, ())

    async def nb_recv(self, cap: int) -> Message:
        """seL4_NBRecv."""
        return await self._transfer(SysCall.NB_RECV, cap, 0, ())

    async def reply(
        self, words: tuple[int, ...] = (), caps: tuple[int, ...] = (), label: int = 0
    ) -> None:
        """seL4_Reply."""
        await self._transfer(SysCall.REPLY, 0, label, words, caps)

    async def reply_recv(
        self, cap: int, words: tuple[int, ...] = (), caps: tuple[int, ...] = (), label: int = 0
    ) -> Message:
        """seL4_ReplyRecv."""
        return await self._transfer(SysCall.REPLY_RECV, cap, label, words, caps)

    async def message_word(self, index: int) -> int:
        """seL4_GetMR for a message register behind the fourth."""
        return await Load(self.ipc_buffer + IpcBuffer.message(index))

    async def cap_or_badge(self, index: int) -> int:
        """seL4_GetCap / badge ``index`` of the message received last."""
        return await Load(self.ipc_buffer + IpcBuffer.cap(index))

    async def set_receive_path(self, root: int, index: int, depth: int = WORD_BITS) -> None:
        """seL4_SetCapReceivePath."""
        for number, word in enumerate((root, index, depth)):
            await Store(self.ipc_buffer + IpcBuffer.RECEIVE + 8 * number, word)

    async def name_thread(self, tcb: int, name: str) -> None:
        """seL4_DebugNameThread."""
        data = name.encode("ascii")[:63].ljust(64, b"\0")
        for index in range(8):
            word = int.from_bytes(data[8 * index : 8 * index + 8], "little")
            await Store(self.ipc_buffer + IpcBuffer.message(index), word)
        await Ecall(Registers(SysCall.DEBUG_NAME_THREAD, tcb))

    async def cap_identify(self, cap: int) -> int:
        """seL4_DebugCapIdentify."""
        return (await Ecall(Registers(SysCall.DEBUG_CAP_IDENTIFY, cap))).cap

    async def signal(self, notification: int) -> None:
        """seL4_Signal."""
        await Ecall(Registers(SysCall.SEND, notification))

    async def wait(self, notification: int) -> int:
        """seL4_Wait: block until signalled; returns the badge."""
        return (await Ecall(Registers(SysCall.RECV, notification))).cap

    async def poll(self, notification: int) -> int:
        """seL4_Poll: the badge signalled so far, or 0."""
        return (await Ecall(Registers(SysCall.NB_RECV, notification))).cap

    async def yield_(self) -> None:
        """seL4_Yield."""
        await Ecall(Registers(SysCall.YIELD))

    async def put_char(self, character: str) -> None:
        """seL4_DebugPutChar."""
        await Ecall(Registers(SysCall.DEBUG_PUT_CHAR, ord(character)))

    async def wake_syscall_handler(self) -> SeL4Error:
        """ReL4's WakeSyscallHandler: make this thread's kernel handler ready."""
        answer = await Ecall(Registers(SysCall.WAKE_SYSCALL_HANDLER))
        return SeL4Error(MessageInfo.from_word(answer.info).label)
