/* Messages: what a thread finds in its registers when the kernel answers. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "objects.h"
#include <rel4_abi.h>

static inline word message_label(word info)
{
    return info >> 12;
}

static inline word message_extra_caps(word info)
{
    return info >> 7 & 3;
}

static inline word message_length(word info)
{
    return (info & 0x7f) < MAX_MESSAGE ? info & 0x7f : MAX_MESSAGE;
}

/* Badge and message information. Message registers are the caller's. */
static inline void message_give(struct tcb *tcb, word badge, word label, word length)
{
    tcb->context.registers[A0] = badge;
    tcb->context.registers[A1] = label << 12 | length;
}

/* Extra capability n and message register n, n from 4 on, of a thread's IPC buffer. */
static inline word *buffer_cap(const struct tcb *tcb, unsigned n)
{
    return &tcb->ipc_buffer[IPC_BUFFER_CAPS / 8 + n];
}

static inline word *buffer_message(const struct tcb *tcb, unsigned n)
{
    return &tcb->ipc_buffer[IPC_BUFFER_MESSAGE / 8 + n];
}
#endif
