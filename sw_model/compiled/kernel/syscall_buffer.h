/* The kernel's view of a syscall buffer, which its owner may change at any moment: every word of it
 * is read once, and what the kernel itself writes is never read back. */
#ifndef SYSCALL_BUFFER_H
#define SYSCALL_BUFFER_H

#include "riscv.h"
#include <rel4_abi.h>
#include "types.h"

struct syscall_buffer {
    char *base;
    word capacity;
    word request_head; /* next to take; the user sees it when it is published */
    word reply_tail;   /* next to put */
};

static inline volatile word *buffer_word(const struct syscall_buffer *buffer, word offset)
{
    return (volatile word *)(buffer->base + offset);
}

/* The first word of a slot of the request ring; slots of the reply ring are `capacity` further. */
static inline volatile word *buffer_slot(const struct syscall_buffer *buffer, word index)
{
    return buffer_word(buffer, BUFFER_ITEMS + ITEM_BYTES * (index & (buffer->capacity - 1)));
}

/* Requests in the ring, in slots; more than `capacity` cannot be. */
static inline word buffer_waiting(const struct syscall_buffer *buffer)
{
    return *buffer_word(buffer, BUFFER_REQUESTS_TAIL) - buffer->request_head;
}

/* Publish what was taken and put since the last call. */
static inline void buffer_publish(struct syscall_buffer *buffer)
{
    fence_release();
    *buffer_word(buffer, BUFFER_REQUESTS_HEAD) = buffer->request_head;
    *buffer_word(buffer, BUFFER_REPLIES_TAIL) = buffer->reply_tail;
}

/* The protocol of the online flags, docs/async.md. The caller has made a full fence. */
static inline bool flag_claim(volatile word *flag)
{
    return !*flag && !__atomic_exchange_n(flag, 1, __ATOMIC_ACQ_REL);
}
#endif
