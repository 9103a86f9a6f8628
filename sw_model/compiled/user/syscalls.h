/* System calls, in seL4's names and order of arguments. */
#ifndef SYSCALLS_H
#define SYSCALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rel4_abi.h>

typedef uint64_t word;

/* A trap with up to four message registers; answers badge and message information. */
static inline word system_call(long number, word cap, word *info, word words[REGISTER_MESSAGE])
{
    register word a0 __asm__("a0") = cap;
    register word a1 __asm__("a1") = *info;
    register word a2 __asm__("a2") = words[0];
    register word a3 __asm__("a3") = words[1];
    register word a4 __asm__("a4") = words[2];
    register word a5 __asm__("a5") = words[3];
    register long a7 __asm__("a7") = number;
    __asm__ volatile("ecall"
                     : "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     : "r"(a7)
                     : "memory");
    *info = a1;
    words[0] = a2;
    words[1] = a3;
    words[2] = a4;
    words[3] = a5;
    return a0;
}

/* A thread's IPC buffer, as it was told when it was made. */
register word *ipc_buffer __asm__("tp");

static inline void set_cap(unsigned n, word cap)
{
    ipc_buffer[IPC_BUFFER_CAPS / 8 + n] = cap;
}

/* One invocation with at most one extra capability and four message registers; answers the error. */
static inline word seL4_Invoke(word cap, word label, unsigned caps, word extra, unsigned length, word first,
                          word second, word third, word fourth)
{
    word words[REGISTER_MESSAGE] = {first, second, third, fourth};
    word info = label << 12 | caps << 7 | length;
    if (caps)
        set_cap(0, extra);
    system_call(SYS_CALL, cap, &info, words);
    return info >> 12;
}

static inline word seL4_RISCV_Page_Map(word frame, word vspace, word virtual, word rights)
{
    return seL4_Invoke(frame, INVOCATION_RISCV_PAGE_MAP, 1, vspace, 3, virtual, rights, 0, 0);
}

static inline word seL4_RISCV_Page_Unmap(word frame)
{
    return seL4_Invoke(frame, INVOCATION_RISCV_PAGE_UNMAP, 0, 0, 0, 0, 0, 0, 0);
}

static inline word seL4_RISCV_PageTable_Map(word table, word vspace, word virtual)
{
    return seL4_Invoke(table, INVOCATION_RISCV_PAGE_TABLE_MAP, 1, vspace, 2, virtual, 0, 0, 0);
}

static inline word seL4_TCB_BindNotification(word tcb, word notification)
{
    return seL4_Invoke(tcb, INVOCATION_TCB_BIND_NOTIFICATION, 1, notification, 0, 0, 0, 0, 0);
}

static inline word seL4_UintrRegisterReceiver(word notification, word tcb)
{
    return seL4_Invoke(notification, INVOCATION_UINTR_REGISTER_RECEIVER, 1, tcb, 0, 0, 0, 0, 0);
}

static inline word seL4_TCB_SetPriority(word tcb, word authority, word priority)
{
    return seL4_Invoke(tcb, INVOCATION_TCB_SET_PRIORITY, 1, authority, 1, priority, 0, 0, 0);
}

static inline word seL4_TCB_SetAffinity(word tcb, word hart)
{
    return seL4_Invoke(tcb, INVOCATION_TCB_SET_AFFINITY, 0, 0, 1, hart, 0, 0, 0);
}

static inline word seL4_TCB_Resume(word tcb)
{
    return seL4_Invoke(tcb, INVOCATION_TCB_RESUME, 0, 0, 0, 0, 0, 0, 0);
}

/* The calls with more than four message registers, or with an answer. */
word seL4_Untyped_Retype(word untyped, word type, word size_bits, word root, word offset, word count);
word seL4_CNode_Mint(word root, word destination, word source, word rights, word badge);
word seL4_UintrRegisterAsyncSyscall(word notification, word frame, word policy,
                                    word answer[REGISTER_MESSAGE]);

/* The calls that make and start a thread. `registers`: pc, ra, sp, gp, tp. */
word seL4_TCB_Configure(word tcb, word fault_endpoint, word cspace, word vspace, word buffer,
                        word frame);
word seL4_TCB_WriteRegisters(word tcb, bool resume, word count, const word registers[]);
word seL4_UintrRegisterSender(word notification, word *operand);

/* Messages of one word. Call and ReplyRecv answer the word that came, Recv the badge. */
static inline word seL4_Call(word endpoint, word first)
{
    word words[REGISTER_MESSAGE] = {first}, info = 1;
    system_call(SYS_CALL, endpoint, &info, words);
    return words[0];
}

static inline word seL4_ReplyRecv(word endpoint, word first)
{
    word words[REGISTER_MESSAGE] = {first}, info = 1;
    system_call(SYS_REPLY_RECV, endpoint, &info, words);
    return words[0];
}

void seL4_Send(word cap);
word seL4_Recv(word cap, word *first);
void seL4_Yield(void);

void seL4_WakeSyscallHandler(void);
void seL4_DebugPutChar(char character);
_Noreturn void seL4_DebugHalt(word status);
#endif
