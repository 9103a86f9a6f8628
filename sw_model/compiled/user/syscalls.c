/* System calls that are not made often. */
#include "syscalls.h"

static void set_message(unsigned n, word value)
{
    ipc_buffer[IPC_BUFFER_MESSAGE / 8 + n] = value;
}

/* Message registers go and come in `words`; answers the error. */
static word call(word cap, word label, unsigned caps, unsigned length, word *words)
{
    word info = label << 12 | caps << 7 | length;
    system_call(SYS_CALL, cap, &info, words);
    return info >> 12;
}

word seL4_Untyped_Retype(word untyped, word type, word size_bits, word root, word offset, word count)
{
    word words[REGISTER_MESSAGE] = {type, size_bits, 0, 0};
    set_cap(0, root);
    set_message(4, offset);
    set_message(5, count);
    return call(untyped, INVOCATION_UNTYPED_RETYPE, 1, 6, words);
}

word seL4_CNode_Mint(word root, word destination, word source, word rights, word badge)
{
    word words[REGISTER_MESSAGE] = {destination, 64, source, 64};
    set_cap(0, root);
    set_message(4, rights);
    set_message(5, badge);
    return call(root, INVOCATION_CNODE_MINT, 1, 6, words);
}

word seL4_UintrRegisterAsyncSyscall(word notification, word frame, word policy,
                                    word answer[REGISTER_MESSAGE])
{
    answer[0] = policy;
    set_cap(0, frame);
    return call(notification, INVOCATION_UINTR_REGISTER_ASYNC_SYSCALL, 1, 1, answer);
}

word seL4_TCB_Configure(word tcb, word fault_endpoint, word cspace, word vspace, word buffer,
                        word frame)
{
    word words[REGISTER_MESSAGE] = {fault_endpoint, 0, 0, buffer};
    set_cap(0, cspace);
    set_cap(1, vspace);
    set_cap(2, frame);
    return call(tcb, INVOCATION_TCB_CONFIGURE, 3, 4, words);
}

word seL4_TCB_WriteRegisters(word tcb, bool resume, word count, const word registers[])
{
    word words[REGISTER_MESSAGE] = {resume, count, registers[0], registers[1]};
    for (unsigned n = 2; n < count; n++)
        set_message(n + 2, registers[n]);
    return call(tcb, INVOCATION_TCB_WRITE_REGISTERS, 0, (unsigned)count + 2, words);
}

word seL4_UintrRegisterSender(word notification, word *operand)
{
    word words[REGISTER_MESSAGE] = {0};
    word error = call(notification, INVOCATION_UINTR_REGISTER_SENDER, 0, 0, words);
    *operand = words[0];
    return error;
}

void seL4_Send(word cap)
{
    word words[REGISTER_MESSAGE] = {0}, info = 0;
    system_call(SYS_SEND, cap, &info, words);
}

word seL4_Recv(word cap, word *first)
{
    word words[REGISTER_MESSAGE] = {0}, info = 0;
    word badge = system_call(SYS_RECV, cap, &info, words);
    *first = words[0];
    return badge;
}

void seL4_Yield(void)
{
    word words[REGISTER_MESSAGE] = {0}, info = 0;
    system_call(SYS_YIELD, 0, &info, words);
}

void seL4_WakeSyscallHandler(void)
{
    word words[REGISTER_MESSAGE] = {0}, info = 0;
    system_call(SYS_WAKE_SYSCALL_HANDLER, 0, &info, words);
}

void seL4_DebugPutChar(char character)
{
    word words[REGISTER_MESSAGE] = {0}, info = 0;
    system_call(SYS_DEBUG_PUT_CHAR, (unsigned char)character, &info, words);
}

_Noreturn void seL4_DebugHalt(word status)
{
    word words[REGISTER_MESSAGE] = {0}, info = 0;
    for (;;)
        system_call(SYS_DEBUG_HALT, status, &info, words);
}
