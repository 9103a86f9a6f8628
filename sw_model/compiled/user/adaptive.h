/* Synchronous or asynchronous, chosen by what is measured.
 *
 * As in rel4.user.adaptive the way in use is kept until the other is better by more than 5 %, and the
 * other is tried every so often, each time it turns out worse twice as far away; and where a second
 * hart helps, the way to begin with is asynchronous, without a trial. Here a decision has to cost a few
 * cycles, so it is made for a stretch of calls and not for each, and all kinds of calls share it. What
 * is synchronous is granted to a coroutine for as many calls as it can make in one go; asynchronous
 * calls are counted by the ring's tail. */
#ifndef ADAPTIVE_H
#define ADAPTIVE_H

#include "async_syscalls.h"

/* To be called once the buffer is registered and `coroutines` are there. */
void adaptive_start(word coroutines);

/* Of the caller's `wanted` next calls, how many to make synchronously now; they are counted. When they
 * are made, `adaptive_made` says so. 0: the next ones are asynchronous. */
word adaptive_grant(word wanted);

void adaptive_made(void);

/* True if the next call is made asynchronously; else ask for a grant. */
static inline bool adaptive_asynchronous(void)
{
    return (long)(async.until - async.request_tail) > 0;
}
#endif
