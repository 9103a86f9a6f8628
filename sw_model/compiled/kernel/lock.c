/* The big kernel lock. */
#include "lock.h"

#include "config.h"
#include "riscv.h"
#include "hart.h"

static struct lock_node nodes[MAX_HARTS + 1];
static LINE_ALIGNED struct lock_node *last = &nodes[MAX_HARTS]; /* who came last; free at boot */

void lock_boot(void)
{
    here->node = &nodes[here->index];
}

void lock_acquire(void)
{
    if (here->alone)
        return;
    here->node->held = 1;
    here->before = __atomic_exchange_n(&last, here->node, __ATOMIC_ACQ_REL);
    while (here->before->held)
        ;
    fence_acquire();
}

void lock_release(void)
{
    if (here->alone)
        return;
    struct lock_node *mine = here->node;
    here->node = here->before; /* it is ours now: nobody looks at it any more */
    fence_release();
    mine->held = 0;
}

void lock_pass_on(void)
{
    if (!here->alone && __atomic_load_n(&last, __ATOMIC_RELAXED) != here->node) {
        lock_release();
        lock_acquire();
    }
}
