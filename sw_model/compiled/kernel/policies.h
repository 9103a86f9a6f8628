/* Where and when the handlers of syscall buffers run. A buffer names its policy by number. */
#ifndef POLICIES_H
#define POLICIES_H

#include "async_runtime.h"

/* What one policy is made of; docs/async.md has them in words. */
struct policy {
    bool tick;       /* runs at the tick of hart 0 */
    bool tick_any;   /* at the tick of any hart that is not idle */
    bool ipi;        /* a wake-up interrupts the least busy other hart */
    bool inline_;    /* runs in the wake trap; what a budget left over at the tick of its hart */
    bool uipi;       /* on a hart of the kernel's own, woken by a user interrupt */
    bool poll;       /* looks for requests for a while before it sleeps */
    bool adaptive;   /* inline where it runs on its owner's hart, else as poll */
    bool preemptible; /* between two batches others may have the kernel */
    word batch;      /* requests of a batch; 0: all that are there */
};

enum { POLICIES = POLICY_ADAPTIVE + 1 };
extern const struct policy policies[POLICIES];

/* A buffer was registered. Answers the operand of the UIPI SEND that wakes its handler, or -1: it
 * is woken by the WakeSyscallHandler trap. */
int policy_register(struct handler *handler);

/* Requests that it serves at a time before it lets go of its hart; 0: all. */
word policy_budget(const struct handler *handler);

/* It found no request and is about to sleep. True: it looks again instead. */
bool policy_linger(struct handler *handler);

/* Occasions, on this hart: the wake trap, a timer tick, an interrupt by another hart, user
 * interrupts to the kernel (one bit a vector), the begin and end of having nothing to run. */
void policies_on_wake(struct handler *handler);
void policies_on_tick(void);
void policies_on_ipi(void);
void policies_on_signal(word vectors);
void policies_on_idle(bool idle);
#endif
