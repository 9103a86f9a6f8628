/* The kernel's side of asynchronous system calls: handlers of syscall buffers. */
#ifndef ASYNC_RUNTIME_H
#define ASYNC_RUNTIME_H

#include "hart.h"
#include "syscall_buffer.h"

struct policy;

/* A handler: the buffer it serves, whose requests they are, and how to answer. It runs on one hart
 * at a time: who wakes one that is at work leaves a note. */
struct handler {
    struct syscall_buffer buffer;
    struct tcb *owner;
    const struct policy *policy;
    struct hart *home; /* where user interrupts wake it */
    word budget;       /* of requests, as it runs now; 0: what the ring holds */
    int receiver;      /* what wakes the owner: receiver and vector */
    word vector;
    bool ready;
    bool running;
    bool again;  /* woken while it ran */
    bool over;   /* stopped with work left */
    bool closed; /* the owner broke its buffer: it is served no more */
    word poll_bound;
    word poll_average;
};

enum { MAX_HANDLERS = MAX_HARTS };
extern struct handler handlers[MAX_HANDLERS];
extern unsigned handler_count;

/* Make a handler ready; nothing happens if it is. */
void handler_wake(struct handler *handler);

/* Run it here if it is ready, until it suspends. */
void handler_run(struct handler *handler);
#endif
