/* Synchronous or asynchronous, chosen for each kind of call by what is measured: the rules of
 * rel4.user.adaptive. */
#ifndef ADAPTIVE_H
#define ADAPTIVE_H

#include "async_syscalls.h"

enum way { WAY_ASYNC, WAY_SYNC, WAY_WAIT };
enum kind { KIND_PAGE_MAP, KIND_PAGE_UNMAP, KINDS };

/* To be called once the buffer is registered. */
void adaptive_start(void);

/* The way of the next call of `self`; WAY_WAIT: not yet, it is woken. */
enum way adaptive_choose(struct coroutine *self, enum kind kind);

/* A call of `self` is over. */
void adaptive_done(struct coroutine *self, enum kind kind);

/* Make a call in either way: `call` is true if it was answered at once. */
#define COROUTINE_CHOOSE(self, kind, call) \
    do { \
        (self)->at = (word)&&COROUTINE_LABEL(__LINE__); \
        COROUTINE_LABEL(__LINE__): \
        if (!(self)->answered && !(call)) \
            return false; \
        (self)->answered = false; \
        adaptive_done(self, kind); \
    } while (0)

static inline bool adaptive_page_map(struct coroutine *self, word frame, word vspace, word virtual,
                                     word rights)
{
    switch (adaptive_choose(self, KIND_PAGE_MAP)) {
    case WAY_SYNC:
        self->error = (uint16_t)seL4_RISCV_Page_Map(frame, vspace, virtual, rights);
        return true;
    case WAY_ASYNC:
        return async_page_map(self, frame, vspace, virtual, rights);
    default:
        return false;
    }
}

static inline bool adaptive_page_unmap(struct coroutine *self, word frame)
{
    switch (adaptive_choose(self, KIND_PAGE_UNMAP)) {
    case WAY_SYNC:
        self->error = (uint16_t)seL4_RISCV_Page_Unmap(frame);
        return true;
    case WAY_ASYNC:
        return async_page_unmap(self, frame);
    default:
        return false;
    }
}
#endif
