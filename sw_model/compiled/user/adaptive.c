/* The adaptive chooser. */
#include "adaptive.h"

enum { BATCH = 8, WINDOW = 8, PROBE = 8, FIRST_TRIAL = 1024, LAST_TRIAL = 16384 };

/* Better by more than 5 %. */
static bool better(word this, word that)
{
    return 20 * this < 19 * that;
}

/* Chooses while the thread has made its first calls only: one synchronously, then a batch
 * asynchronously; calls behind it wait for its replies. */
static struct {
    bool open; /* no verdict yet */
    word tried, needed, taken;
    word begin; /* of the synchronous call, then of the batch */
    word synchronous;
    uint16_t waiting[MAX_TASKS];
    unsigned waiters;
} learner;

/* Chooses between two ways by the cycles of a window of calls, from the end of one to the end of the
 * next. The other way is tried every so often; each time it turns out worse, twice as far away. */
struct chooser {
    word estimate[2]; /* of WINDOW calls; 0: not known */
    word cycles[2];
    word calls[2];
    word since_trial, interval, trial;
    enum way way;
};
static struct chooser choosers[KINDS];
static word last; /* end of the call before */

static word read_cycle(void)
{
    word value;
    __asm__ volatile("csrr %0, cycle" : "=r"(value) : : "memory");
    return value;
}

static void settle(enum way way)
{
    learner.open = false;
    for (unsigned kind = 0; kind < KINDS; kind++)
        choosers[kind] = (struct chooser){.interval = FIRST_TRIAL, .way = way};
    while (learner.waiters)
        executor_wake(executor_tasks[learner.waiting[--learner.waiters]]);
}

void adaptive_start(void)
{
    learner.open = true;
    if (async_helped())
        settle(WAY_ASYNC); /* a trial would be a trap */
}

static enum way choose_first(struct coroutine *self)
{
    if (learner.tried > BATCH || learner.needed) {
        learner.waiting[learner.waiters++] = self->cid;
        return WAY_WAIT;
    }
    if (learner.tried++ > 1)
        return WAY_ASYNC;
    learner.begin = read_cycle();
    return learner.tried == 1 ? WAY_SYNC : WAY_ASYNC;
}

enum way adaptive_choose(struct coroutine *self, enum kind kind)
{
    struct chooser *chooser = &choosers[kind];
    enum way way = chooser->way;
    if (__builtin_expect(learner.open, 0)) {
        way = choose_first(self);
    } else if (__builtin_expect(chooser->trial, 0)) {
        chooser->trial--;
        way = 1 - way;
    } else if (++chooser->since_trial >= chooser->interval) {
        chooser->since_trial = 0;
        chooser->trial = PROBE;
    }
    self->way = (uint8_t)way;
    return way;
}

static void learn(struct coroutine *self, word now)
{
    if (self->way == WAY_SYNC) {
        learner.synchronous = now - learner.begin;
        return;
    }
    if (!learner.needed) /* the first reply paid for the trap that brought those behind it as well */
        learner.needed = async_outstanding() + 1 < BATCH ? async_outstanding() + 1 : BATCH;
    learner.taken++;
    if (learner.taken >= learner.needed || !async_outstanding())
        settle(better(learner.synchronous * learner.taken, now - learner.begin) ? WAY_SYNC
                                                                                : WAY_ASYNC);
}

static void judge(struct chooser *chooser)
{
    word mine = chooser->estimate[chooser->way], other = chooser->estimate[1 - chooser->way];
    if (!mine || !other)
        return;
    if (better(other, mine)) {
        chooser->way = 1 - chooser->way;
        chooser->interval = FIRST_TRIAL;
    } else if (chooser->interval < LAST_TRIAL) {
        chooser->interval *= 2;
    }
}

void adaptive_done(struct coroutine *self, enum kind kind)
{
    struct chooser *chooser = &choosers[kind];
    enum way way = self->way;
    word now = read_cycle(), cycles = now - last;
    bool first = !last;
    last = now;
    if (__builtin_expect(learner.open, 0)) {
        learn(self, now);
        return;
    }
    if (first)
        return;
    chooser->cycles[way] += cycles;
    if (++chooser->calls[way] < WINDOW)
        return;
    chooser->estimate[way] = chooser->cycles[way];
    chooser->cycles[way] = chooser->calls[way] = 0;
    if (way != chooser->way)
        judge(chooser);
}
