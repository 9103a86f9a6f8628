/* The scheduler of a hart: 256 priorities, round robin with time slices within one. The current
 * thread is in no queue. */
#ifndef SCHEDULER_H
#define SCHEDULER_H

#include "hart.h"

/* Append a runnable thread to its hart's queue, or put it first. */
void scheduler_enqueue(struct tcb *tcb, bool first);
void scheduler_dequeue(struct tcb *tcb);

/* A thread became runnable: let its hart run it if its priority says so. */
void scheduler_wake(struct tcb *tcb);

/* The current thread used one more tick of its slice. */
void scheduler_tick(void);

/* It gives up the rest of its slice. */
void scheduler_yield(void);

/* The thread to run now; it becomes the current one. */
struct tcb *scheduler_choose(void);

/* The highest priority that waits for a hart; -1: nobody does. */
int scheduler_highest(const struct hart *hart);

/* True if a hart has nothing to run, now or next. */
bool scheduler_spare(const struct hart *hart);
#endif
