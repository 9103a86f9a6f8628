/* The coroutine executor. */
#include "executor.h"

struct queue {
    struct coroutine *last;
    uint16_t first;
};

volatile word wake_word;
struct coroutine *executor_tasks[MAX_TASKS];
struct coroutine *(*executor_idle)(void);
void (*executor_give_way)(void);

static struct queue queues[PRIORITIES];
static unsigned levels; /* priorities that have somebody ready */
static unsigned spawned, foreground;
static uint16_t by_vector[VECTORS];
static unsigned vectors;

void executor_wake(struct coroutine *coroutine)
{
    if (coroutine->ready)
        return;
    struct queue *queue = &queues[coroutine->priority];
    coroutine->ready = true;
    coroutine->next = NOBODY;
    if (levels >> coroutine->priority & 1)
        queue->last->next = coroutine->cid;
    else
        queue->first = coroutine->cid;
    queue->last = coroutine;
    levels |= 1u << coroutine->priority;
}

unsigned executor_spawn(struct coroutine *coroutine, unsigned priority, bool background)
{
    if (spawned == MAX_TASKS || priority >= PRIORITIES)
        seL4_DebugHalt(4);
    coroutine->cid = (uint16_t)spawned;
    coroutine->priority = (uint8_t)priority;
    coroutine->background = background;
    executor_tasks[spawned] = coroutine;
    foreground += !background;
    executor_wake(coroutine);
    return spawned++;
}

unsigned executor_register_vector(unsigned cid)
{
    by_vector[vectors] = (uint16_t)cid;
    return vectors++;
}

/* Wake whom the user interrupts since the last look are for. */
static void take_vectors(void)
{
    word pending = __atomic_exchange_n(&wake_word, 0, __ATOMIC_ACQUIRE);
    for (unsigned vector = 0; pending; vector++, pending >>= 1) {
        struct coroutine *coroutine = NULL;
        if (pending & 1 && vector < vectors)
            coroutine = executor_find(by_vector[vector]);
        if (coroutine)
            executor_wake(coroutine);
    }
}

/* The next one that is ready; there is one. */
static struct coroutine *fetch(void)
{
    unsigned priority = 0;
    while (!(levels >> priority & 1))
        priority++;
    struct queue *queue = &queues[priority];
    struct coroutine *coroutine = executor_tasks[queue->first];
    coroutine->ready = false;
    queue->first = coroutine->next;
    if (coroutine->next == NOBODY)
        levels &= ~(1u << priority);
    return coroutine;
}

void executor_run(void)
{
    while (foreground) {
        struct coroutine *coroutine = NULL;
        if (wake_word)
            take_vectors();
        if (levels)
            coroutine = fetch();
        else if (executor_idle)
            coroutine = executor_idle();
        if (!coroutine) {
            while (!levels && !wake_word)
                if (executor_give_way)
                    executor_give_way();
        } else if (coroutine->step(coroutine)) {
            executor_tasks[coroutine->cid] = NULL;
            foreground -= !coroutine->background;
        }
    }
}
