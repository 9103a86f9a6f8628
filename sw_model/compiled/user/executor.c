/* The coroutine executor. */
#include "executor.h"

struct queue {
    uint16_t first;
    uint16_t last;
};

static struct coroutine *tasks[MAX_TASKS];
static struct queue queues[PRIORITIES];
static unsigned levels; /* priorities that have somebody ready */
static unsigned spawned, foreground;
static uint16_t by_vector[VECTORS];
static unsigned vectors;

unsigned executor_current = NOBODY;
unsigned (*executor_idle)(void);

struct coroutine *executor_find(unsigned cid)
{
    return cid < spawned ? tasks[cid] : NULL;
}

void executor_wake(unsigned cid)
{
    struct coroutine *coroutine = executor_find(cid);
    if (!coroutine || coroutine->ready)
        return;
    struct queue *queue = &queues[coroutine->priority];
    coroutine->ready = true;
    coroutine->next = NOBODY;
    if (levels >> coroutine->priority & 1)
        tasks[queue->last]->next = (uint16_t)cid;
    else
        queue->first = (uint16_t)cid;
    queue->last = (uint16_t)cid;
    levels |= 1u << coroutine->priority;
}

unsigned executor_spawn(struct coroutine *coroutine, unsigned priority, bool background)
{
    if (spawned == MAX_TASKS || priority >= PRIORITIES)
        seL4_DebugHalt(4);
    coroutine->priority = (uint8_t)priority;
    coroutine->background = background;
    unsigned cid = spawned++;
    tasks[cid] = coroutine;
    foreground += !background;
    executor_wake(cid);
    return cid;
}

unsigned executor_register_vector(unsigned cid)
{
    by_vector[vectors] = (uint16_t)cid;
    return vectors++;
}

/* Wake whom the user interrupts since the last look are for. */
static void take_vectors(void)
{
    word pending = __atomic_exchange_n(wake_word(), 0, __ATOMIC_ACQUIRE);
    for (unsigned vector = 0; pending; vector++, pending >>= 1)
        if (pending & 1 && vector < vectors && by_vector[vector] != NOBODY)
            executor_wake(by_vector[vector]);
}

static unsigned fetch(void)
{
    if (!levels)
        return NOBODY;
    unsigned priority = 0;
    while (!(levels >> priority & 1))
        priority++;
    struct queue *queue = &queues[priority];
    unsigned cid = queue->first;
    struct coroutine *coroutine = tasks[cid];
    coroutine->ready = false;
    if (coroutine->next == NOBODY)
        levels &= ~(1u << priority);
    else
        queue->first = coroutine->next;
    return cid;
}

static void resume(unsigned cid)
{
    struct coroutine *coroutine = tasks[cid];
    executor_current = cid;
    if (coroutine->step(coroutine)) {
        tasks[cid] = NULL;
        foreground -= !coroutine->background;
    }
}

void executor_run(void)
{
    while (foreground) {
        if (*wake_word())
            take_vectors();
        unsigned cid = fetch();
        if (cid == NOBODY && executor_idle)
            cid = executor_idle();
        if (cid != NOBODY)
            resume(cid);
        else
            while (!levels && !*wake_word())
                ;
    }
}
