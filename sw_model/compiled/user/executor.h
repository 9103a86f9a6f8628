/* The coroutine executor of a thread: priorities, first in first out in one, woken by user
 * interrupts. A user interrupt does not run a coroutine: its handler notes the vectors in a word of
 * memory, which the executor looks at whenever it takes the next coroutine. */
#ifndef EXECUTOR_H
#define EXECUTOR_H

#include "coroutine.h"

#ifndef MAX_TASKS
#define MAX_TASKS 1024
#endif

enum { PRIORITIES = 8, VECTORS = 64 };

/* Answers the cid. 0 is the highest priority. Coroutines in the background do not keep the executor
 * running. */
unsigned executor_spawn(struct coroutine *coroutine, unsigned priority, bool background);

/* The coroutine of a cid; null: there is none. */
extern struct coroutine *executor_tasks[MAX_TASKS];
static inline struct coroutine *executor_find(word cid)
{
    return cid < MAX_TASKS ? executor_tasks[cid] : NULL;
}

/* A free vector that wakes `cid`, or, if NOBODY, lets the executor look for replies again. */
unsigned executor_register_vector(unsigned cid);

/* Make a coroutine ready. Nothing happens if it is. */
void executor_wake(struct coroutine *coroutine);

/* Run until all but the background has ended. When nobody is ready, `executor_idle` (may be null) is
 * asked for somebody to resume at once; null: wait for a user interrupt. */
extern struct coroutine *(*executor_idle)(void);
void executor_run(void);

/* What it does until a user interrupt comes; null: it spins. */
extern void (*executor_give_way)(void);

/* The user-interrupt handler (interrupts.S), and where it notes vectors. */
extern char user_interrupt[];
extern volatile word wake_word;
#endif
