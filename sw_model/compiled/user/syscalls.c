/* System calls that are not made often. */
#include "syscalls.h"

static void set_message(unsigned n, word value)
{
    ipc_buffer()[IPC_BUFFER_MESSAGE / 8 + n] = value;
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
