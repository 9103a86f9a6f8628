/* The scheduler of a hart. */
#include "scheduler.h"

#include "riscv.h"

int scheduler_highest(const struct hart *hart)
{
    for (int level = PRIORITIES / 64 - 1; level >= 0; level--)
        for (int bit = 63; hart->levels[level] && bit >= 0; bit--)
            if (hart->levels[level] >> bit & 1)
                return 64 * level + bit;
    return -1;
}

bool scheduler_spare(const struct hart *hart)
{
    return hart->current == hart->idle_thread && scheduler_highest(hart) < 0;
}

void scheduler_enqueue(struct tcb *tcb, bool first)
{
    if (tcb->queued)
        return;
    struct hart *hart = &harts[tcb->affinity];
    tcb->queued = true;
    hart->levels[tcb->priority / 64] |= UINT64_C(1) << tcb->priority % 64;
    if (first)
        queue_prepend(&hart->ready[tcb->priority], tcb);
    else
        queue_append(&hart->ready[tcb->priority], tcb);
    hart->choose = true;
}

static struct tcb *taken(struct hart *hart, int priority)
{
    struct tcb *tcb = queue_take(&hart->ready[priority]);
    if (!hart->ready[priority].first)
        hart->levels[priority / 64] &= ~(UINT64_C(1) << priority % 64);
    tcb->queued = false;
    return tcb;
}

void scheduler_dequeue(struct tcb *tcb)
{
    struct hart *hart = &harts[tcb->affinity];
    hart->choose = true;
    if (!tcb->queued)
        return;
    queue_remove(&hart->ready[tcb->priority], tcb);
    if (!hart->ready[tcb->priority].first)
        hart->levels[tcb->priority / 64] &= ~(UINT64_C(1) << tcb->priority % 64);
    tcb->queued = false;
}

void scheduler_wake(struct tcb *tcb)
{
    struct hart *hart = &harts[tcb->affinity];
    if (tcb != hart->current)
        scheduler_enqueue(tcb, true);
    hart->choose = true;
    if (hart != here && (hart->idle || (!hart->inside && tcb->priority > hart->current->priority)))
        send_ipi(hart);
}

void scheduler_tick(void)
{
    struct tcb *tcb = here->current;
    if (tcb->state == THREAD_IDLE || --tcb->time_slice > 0)
        return;
    tcb->time_slice = TIME_SLICE;
    if (runnable(tcb))
        scheduler_enqueue(tcb, false);
}

void scheduler_yield(void)
{
    here->current->time_slice = 0;
    scheduler_tick();
}

struct tcb *scheduler_choose(void)
{
    struct tcb *current = here->current;
    bool keeps = runnable(current) && !current->queued && current->affinity == here->index;
    int highest = scheduler_highest(here);
    here->choose = false;
    if (keeps && current->priority >= highest)
        return current;
    if (keeps)
        scheduler_enqueue(current, false);
    here->choose = false;
    if (highest < 0)
        return here->current = here->idle_thread;
    return here->current = taken(here, highest);
}
