/* Synchronous or asynchronous, chosen by what is measured.
 *
 * As in rel4.user.adaptive the way in use is kept until the other is better by more than 5 %, and the
 * other is tried every so often, each time it turns out worse twice as far away. Here a decision has
 * to cost a few cycles, so it is made for a stretch of calls and not for each: a stretch's cycles are
 * read from the clock at its ends alone, and all kinds of calls share it. */
#ifndef ADAPTIVE_H
#define ADAPTIVE_H

#include "async_syscalls.h"

struct adaptive {
    word left; /* calls of the stretch */
    bool synchronous;
};
extern struct adaptive adaptive;

/* To be called once the buffer is registered and `coroutines` are there. */
void adaptive_start(word coroutines);

/* The stretch is over: what was measured, and the next one. */
void adaptive_next(void);

/* True if the next call is to be made synchronously. */
static inline bool adaptive_synchronous(void)
{
    if (__builtin_expect(!adaptive.left--, 0))
        adaptive_next();
    return adaptive.synchronous;
}

/* Make a call in either way: `call` is true if it was answered at once. */
#define COROUTINE_CHOOSE(self, call) \
    do { \
        (self)->at = (word)&&COROUTINE_LABEL(__LINE__); \
        COROUTINE_LABEL(__LINE__): \
        if (!(self)->answered && !(call)) \
            return false; \
        (self)->answered = false; \
    } while (0)

static inline bool adaptive_page_map(struct coroutine *self, word frame, word vspace, word virtual,
                                     word rights)
{
    if (!adaptive_synchronous())
        return async_page_map(self, frame, vspace, virtual, rights);
    self->error = (uint16_t)seL4_RISCV_Page_Map(frame, vspace, virtual, rights);
    return true;
}

static inline bool adaptive_page_unmap(struct coroutine *self, word frame)
{
    if (!adaptive_synchronous())
        return async_page_unmap(self, frame);
    self->error = (uint16_t)seL4_RISCV_Page_Unmap(frame);
    return true;
}
#endif
