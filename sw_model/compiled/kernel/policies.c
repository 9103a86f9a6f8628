/* Policies: the same names and rules as in rel4.kernel.policies. */
#include "policies.h"

#include "riscv.h"
#include "lock.h"
#include "scheduler.h"
#include "uintr_state.h"

enum { INLINE_BUDGET = 16, BATCH = 8, POLL_LEAST = 1024, POLL_MOST = 8192 };

const struct policy policies[POLICIES] = {
    [POLICY_TICK] = {.tick = true},
    [POLICY_TICK_SMP] = {.tick_any = true},
    [POLICY_IPI] = {.tick_any = true, .ipi = true},
    [POLICY_INLINE] = {.inline_ = true, .preemptible = true, .batch = BATCH},
    [POLICY_UIPI] = {.uipi = true, .preemptible = true, .batch = BATCH},
    [POLICY_POLL] = {.uipi = true, .poll = true, .preemptible = true, .batch = BATCH},
    [POLICY_ADAPTIVE] = {.inline_ = true, .uipi = true, .poll = true, .adaptive = true,
                         .preemptible = true, .batch = BATCH},
};

/* In a trap of its own user there is one. */
word policy_budget(const struct handler *handler)
{
    return handler->policy->inline_ && here->index == handler->owner->affinity ? INLINE_BUDGET : 0;
}

/* The hart without threads that serves the fewest buffers, or else the owner's neighbour. */
static struct hart *helper_for(const struct handler *handler)
{
    struct hart *best = &harts[(handler->owner->affinity + 1) % parameters.harts];
    unsigned least = MAX_HANDLERS + 1;
    for (unsigned n = 0; n < parameters.harts; n++) {
        unsigned serves = 0;
        for (unsigned other = 0; other < handler_count; other++)
            serves += handlers[other].home == &harts[n];
        if (scheduler_spare(&harts[n]) && serves < least) {
            best = &harts[n];
            least = serves;
        }
    }
    return best;
}

static void tell_idle(const struct handler *handler, bool idle)
{
    *buffer_word(&handler->buffer, BUFFER_HELPER_IDLE) = idle;
}

int policy_register(struct handler *handler)
{
    const struct policy *policy = handler->policy;
    handler->poll_bound = POLL_MOST;
    if (!policy->uipi || (policy->adaptive && parameters.harts == 1))
        return -1;
    handler->home = helper_for(handler);
    tell_idle(handler, handler->home->idle);
    word vector = (word)(handler - handlers);
    return uintr_register_sender_to_kernel(handler->owner, handler->home, vector);
}

bool policy_linger(struct handler *handler)
{
    if (!handler->policy->poll || handler->budget)
        return false;
    word begin = read_time(), waited;
    lock_release(); /* others may use the kernel meanwhile */
    do {
        waited = read_time() - begin;
    } while (!buffer_waiting(&handler->buffer) && waited < handler->poll_bound);
    lock_acquire();
    if (!buffer_waiting(&handler->buffer)) {
        handler->poll_bound /= 2;
        if (handler->poll_bound < POLL_LEAST)
            handler->poll_bound = POLL_LEAST;
        return false;
    }
    handler->poll_average = (7 * handler->poll_average + waited) / 8;
    handler->poll_bound = 2 * handler->poll_average;
    if (handler->poll_bound < POLL_LEAST)
        handler->poll_bound = POLL_LEAST;
    if (handler->poll_bound > POLL_MOST)
        handler->poll_bound = POLL_MOST;
    return true;
}

/* --- occasions --------------------------------------------------------------------------------- */

/* -1: nothing to run. */
static int busy(const struct hart *hart)
{
    return hart->current == hart->idle_thread ? -1 : hart->current->priority;
}

static void interrupt_least_busy(void)
{
    struct hart *target = NULL;
    for (unsigned n = 0; n < parameters.harts; n++)
        if (n != here->index && (!target || busy(&harts[n]) < busy(target)))
            target = &harts[n];
    if (target && busy(target) < busy(here))
        send_ipi(target);
}

void policies_on_wake(struct handler *handler)
{
    handler_wake(handler);
    if (handler->policy->inline_)
        handler_run(handler);
    else if (handler->policy->ipi)
        interrupt_least_busy();
}

void policies_on_tick(void)
{
    for (unsigned n = 0; n < handler_count; n++) {
        const struct policy *policy = handlers[n].policy;
        if (!handlers[n].ready)
            continue;
        if ((policy->tick && here->index == 0)
            || (policy->tick_any && here->current != here->idle_thread)
            || (policy->inline_ && (!policy->uipi || handlers[n].budget)
                && handlers[n].owner->affinity == here->index))
            handler_run(&handlers[n]);
    }
}

void policies_on_ipi(void)
{
    for (unsigned n = 0; n < handler_count; n++)
        if (handlers[n].policy->ipi)
            handler_run(&handlers[n]);
}

void policies_on_signal(word vectors)
{
    for (;;) {
        bool left = false;
        for (unsigned n = 0; n < handler_count; n++) {
            if (vectors >> n & 1)
                handler_wake(&handlers[n]);
            if (handlers[n].home == here)
                handler_run(&handlers[n]);
            left = left || (handlers[n].home == here && handlers[n].ready);
        }
        if (!left)
            return;
        lock_pass_on(); /* first whoever waits; then the buffers that were signalled meanwhile */
        vectors = uintr_take_interrupts();
    }
}

void policies_on_idle(bool idle)
{
    for (unsigned n = 0; n < handler_count; n++)
        if (handlers[n].policy->adaptive && handlers[n].home == here)
            tell_idle(&handlers[n], idle);
}
