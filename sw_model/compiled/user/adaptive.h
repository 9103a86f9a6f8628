/* Synchronous or asynchronous, chosen by what is measured.
 *
 * As in rel4.user.adaptive the way in use is kept until the other is better by more than 5 %, and the
 * other is tried every so often, each time it turns out worse twice as far away; and where a second
 * hart helps, the way to begin with is asynchronous, without a trial. Here a decision has
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

/* True if the next call is made asynchronously, which counts it; else `adaptive_synchronous` says
 * more. So what is often so is told without a call. */
static inline bool adaptive_asynchronous(void)
{
    return adaptive.left && !adaptive.synchronous && adaptive.left--;
}

/* True if the next call is made synchronously, which counts it; else `adaptive_asynchronous` is. */
static inline bool adaptive_synchronous(void)
{
    if (__builtin_expect(!adaptive.left, 0))
        adaptive_next();
    return adaptive.synchronous && adaptive.left--;
}
#endif
