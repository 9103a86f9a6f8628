/* Asynchronous system calls of the coroutines of this thread, through one syscall buffer.
 *
 * Published style: a receiver coroutine, woken by the user interrupt, takes replies and makes their
 * owners ready. Direct style: the executor itself, when nobody is ready, takes the next reply and
 * resumes its owner; only a thread that finds none polls for a while, then sleeps. */
#ifndef ASYNC_SYSCALLS_H
#define ASYNC_SYSCALLS_H

#include "executor.h"

struct style {
    word direct;
    word batch;       /* submissions after which the kernel is told at the latest */
    word poll_cycles; /* how long to look for a reply before sleeping */
    word adaptive;    /* tell the kernel by a user interrupt only while its helper is idle */
};

/* Set up over a buffer in zeroed memory at `base` whose rings have `capacity` slots. */
void async_create(char *base, word capacity, const struct style *style);

/* The kernel knows the buffer; `sender` wakes its handler by UIPI SEND (-1: by a trap). */
void async_registered(long sender);

/* What the receiver of user interrupts does in the published style. */
extern struct coroutine async_receiver;

/* Submit a call of the running coroutine with one to seven words. False, always: it is answered
 * later, or, where there was no room, made again later. */
bool async_call(struct coroutine *self, word label, unsigned count, word first, word second,
                word third, word fourth, word fifth);

/* The executor's idle function in the direct style. */
unsigned async_next_reply(void);

/* Traps that were made to wake the kernel, and replies taken. */
extern word async_traps, async_taken;
extern word async_outstanding;

static inline bool async_page_map(struct coroutine *self, word frame, word vspace, word virtual,
                                  word rights)
{
    return async_call(self, ASYNC_RISCV_PAGE_MAP, 5, frame, vspace, virtual, rights, 0);
}

static inline bool async_page_unmap(struct coroutine *self, word frame)
{
    return async_call(self, ASYNC_RISCV_PAGE_UNMAP, 1, frame, 0, 0, 0, 0);
}
#endif
