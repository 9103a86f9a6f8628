/* The adaptive chooser. */
#include "adaptive.h"

#include <csr.h>

/* Calls of a trial's two stretches: the first ones in a way, which find cold caches, and those that are
 * measured. Synchronous ones are few, because the first of them cost twice as much as the others: one
 * coroutine makes them two by two, and the least that two took counts, which no timer tick is in. Of
 * asynchronous ones each coroutine makes one before any reply is taken. */
enum { SHARE = 2, WARM_SYNC = SHARE, MEASURED_SYNC = 2 * SHARE, MEASURED_ASYNC = 16 };
enum { FIRST_TRIAL = 1024, LAST_TRIAL = 16384 };
/* With fewer coroutines a wake trap cannot serve a batch; with a single one there is nothing that a
 * second hart could do meanwhile. */
enum { LEAST_COROUTINES = 8, LEAST_HELPED = 2 };

static enum { TRY_SYNCHRONOUS, TRY_ASYNCHRONOUS, IN_USE, TRY_OTHER } stage;
static bool synchronous, warming;
static word left;                        /* synchronous calls of the stretch */
static word coroutines;
static word begin, spent, least;         /* cycles: all, and of one share */
static word length;                      /* of a synchronous stretch, in calls */
static word from;                        /* request tail where an asynchronous one began */
static word per_call[2];                 /* 256ths of cycles: asynchronous, synchronous */
static word interval = FIRST_TRIAL;

/* Better by more than 5 %. */
static bool better(word this, word that)
{
    return 20 * this < 19 * that;
}

static void stretch(bool now, word calls)
{
    synchronous = now;
    length = calls;
    left = now ? calls : 0;
    from = async.request_tail;
    async.until = from + (now ? 0 : calls);
    spent = 0;
    least = ~UINT64_C(0);
    begin = read_cycle();
}

static void warm(bool now)
{
    warming = true;
    stretch(now, now ? WARM_SYNC : coroutines);
}

static void use(bool now)
{
    stage = IN_USE;
    stretch(now, interval);
}

void adaptive_start(word count)
{
    coroutines = count;
    bool helped = async_helped();
    if (coroutines < (helped ? LEAST_HELPED : LEAST_COROUTINES)) {
        interval = ~UINT64_C(0); /* there is nothing to try */
        use(true);
    } else if (helped) {
        use(false);
    } else {
        stage = TRY_SYNCHRONOUS;
        warm(true);
    }
}

/* A trial is over. */
static void judge(bool mine)
{
    if (better(per_call[!mine], per_call[mine])) {
        interval = FIRST_TRIAL;
        use(!mine);
    } else {
        if (interval < LAST_TRIAL)
            interval *= 2;
        use(mine);
    }
}

/* The stretch is over: what was measured, and the next one. */
static __attribute__((noinline)) void next_stretch(void)
{
    bool now = synchronous;
    if (!now) { /* whoever is in the middle of a round asks for nothing: there may be more */
        spent = read_cycle() - begin;
        length = async.request_tail - from;
    }
    if (warming) {
        warming = false;
        stretch(now, now                           ? MEASURED_SYNC
                     : coroutines > MEASURED_ASYNC ? coroutines
                                                   : MEASURED_ASYNC);
        return;
    }
    per_call[now] = now && stage != IN_USE ? 256 * least / SHARE : 256 * spent / length;
    switch (stage) {
    case IN_USE:
        stage = TRY_OTHER;
        warm(!now);
        break;
    case TRY_SYNCHRONOUS:
        stage = TRY_ASYNCHRONOUS;
        warm(false);
        break;
    case TRY_ASYNCHRONOUS:
        use(per_call[true] < per_call[false]);
        break;
    case TRY_OTHER:
        judge(!now);
        break;
    }
}

word adaptive_grant(word wanted)
{
    if (!adaptive_asynchronous() && !left)
        next_stretch();
    if (!synchronous)
        return 0;
    word calls = wanted < left ? wanted : left;
    if (stage != IN_USE && calls > SHARE)
        calls = SHARE;
    left -= calls;
    begin = read_cycle();
    return calls;
}

void adaptive_made(void)
{
    word cycles = read_cycle() - begin;
    spent += cycles;
    if (cycles < least)
        least = cycles;
}
