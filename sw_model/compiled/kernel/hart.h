/* What the kernel keeps for each hart. `here` is the one that runs; it lies in tp. */
#ifndef HART_H
#define HART_H

#include "config.h"
#include "context.h"
#include "objects.h"

enum { PRIORITIES = 256, TIME_SLICE = 5, FENCE_ADDRESSES = 6 };

/* The node of one hart in the big lock's queue. */
struct lock_node {
    volatile word held;
} LINE_ALIGNED;

/* Translations that are gone from the tables, and may still be in a TLB. */
struct fences {
    word asid;
    word count; /* above FENCE_ADDRESSES: forget everything */
    word addresses[FENCE_ADDRESSES];
};

struct hart {
    word stack;
    volatile word fences; /* see vspace_fence */
    volatile word asked;
    volatile word inside; /* in the kernel, or on the way in */
    word index;
    word choose; /* the current thread may not be the one to run next */
    struct tcb *current;
    struct tcb *uintr_owner;
    LINE_ALIGNED struct fences gone;
    struct lock_node *node;
    struct lock_node *before;
    word table; /* what suist holds */
    word satp;  /* what was written last */
    bool alone; /* there is no other hart */
    bool idle;
    word levels[PRIORITIES / 64]; /* priorities that have a thread waiting */
    struct queue *ready;          /* of each priority */
    struct tcb *idle_thread;
} LINE_ALIGNED;
_Static_assert(offsetof(struct hart, stack) == HART_STACK, "traps.S relies on it");
_Static_assert(offsetof(struct hart, fences) == HART_FENCES, "traps.S relies on it");
_Static_assert(offsetof(struct hart, asked) == HART_ASKED, "traps.S relies on it");

extern struct hart harts[MAX_HARTS];
register struct hart *here __asm__("tp");

/* Interrupt a hart in supervisor mode: it looks what is wanted, translations forgotten or itself in
 * the kernel. */
void interrupt_hart(const struct hart *hart);

/* The second. */
void send_ipi(struct hart *hart);
#endif
