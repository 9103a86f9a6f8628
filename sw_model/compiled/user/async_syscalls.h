/* Asynchronous system calls of the coroutines of this thread, through one syscall buffer.
 *
 * Published style: a receiver coroutine, woken by the user interrupt, takes replies and makes their
 * owners ready. Direct style: the executor itself, when nobody is ready, takes the next reply and
 * resumes its owner; only a thread that finds none polls for a while, then sleeps. */
#ifndef ASYNC_SYSCALLS_H
#define ASYNC_SYSCALLS_H

#include <mark.h>

#include "executor.h"

struct style {
    word direct;
    word batch;       /* submissions after which the kernel is told at the latest */
    word poll_cycles; /* how long to look for a reply before sleeping */
    word adaptive;    /* tell the kernel by a user interrupt only while its helper is idle */
};

/* What every call touches, in one cache line. This side writes the tail of requests and the head of
 * replies, and keeps them here: what it wrote itself is never read back. A call uses one slot of
 * either ring from its submission until its reply is taken. */
struct async {
    char *requests;
    char *replies;
    word mask;         /* capacity - 1 */
    word request_tail; /* next to put */
    word reply_head;   /* next to take */
    word reply_tail;   /* replies that are known to be there end here */
    word due;          /* request tail at which something must be done */
    word waiting;      /* coroutines that wait for room */
    word until;        /* request tail up to which calls are asynchronous (adaptive.h) */
} __attribute__((aligned(64)));
extern struct async async;

/* Set up over a buffer in zeroed memory at `base` whose rings have `capacity` slots. */
void async_create(char *base, word capacity, const struct style *style);

/* The kernel knows the buffer; `sender` wakes its handler by UIPI SEND (-1: by a trap). */
void async_registered(long sender);

/* The kernel can be told without a trap, and by a hart that has time for it. */
bool async_helped(void);

/* What the receiver of user interrupts does in the published style. */
extern struct coroutine async_receiver;

/* The executor's idle function in the direct style: the owner of the next reply. */
struct coroutine *async_next_reply(void);

/* Traps that were made to wake the kernel. */
extern word async_traps;

/* Calls without a reply. */
static inline word async_outstanding(void)
{
    return async.request_tail - async.reply_head;
}

/* What is rare, and false: let `self` make its call again when there is room; publish what was
 * submitted and tell the kernel, as far as it is time for that. */
bool async_wait_for_room(struct coroutine *self);
bool async_due(void);

/* The slot of the next request; null: there is no room. */
static inline volatile word *async_slot(void)
{
    if (__builtin_expect(async_outstanding() > async.mask, 0))
        return NULL;
    return (volatile word *)(async.requests + ITEM_BYTES * (async.request_tail & async.mask));
}

/* Submit it, its words being there. Always false: it is answered later. */
static inline bool async_submit(struct coroutine *self, volatile word *item, word label, word count)
{
    word head = count << 40 | label << 32 | self->cid;
    mark(MARK_SUBMITTED, head);
    item[0] = head;
    if (__builtin_expect(++async.request_tail == async.due, 0))
        return async_due();
    return false;
}

static inline bool async_page_map(struct coroutine *self, word frame, word vspace, word virtual,
                                  word rights)
{
    volatile word *item = async_slot();
    if (!item)
        return async_wait_for_room(self);
    item[1] = frame;
    item[2] = vspace;
    item[3] = virtual;
    item[4] = rights;
    item[5] = 0;
    return async_submit(self, item, ASYNC_RISCV_PAGE_MAP, 5);
}

static inline bool async_page_unmap(struct coroutine *self, word frame)
{
    volatile word *item = async_slot();
    if (!item)
        return async_wait_for_room(self);
    item[1] = frame;
    return async_submit(self, item, ASYNC_RISCV_PAGE_UNMAP, 1);
}
#endif
