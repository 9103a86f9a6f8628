/* The adaptive chooser. */
#include "adaptive.h"

#include <csr.h>

/* Calls of a stretch: the first ones in a way, which find cold caches, and those that are measured. */
enum { WARM = 8, MEASURED = 16, FIRST_TRIAL = 1024, LAST_TRIAL = 16384 };
/* With fewer coroutines a wake trap cannot serve a batch. */
enum { LEAST_COROUTINES = 8 };

struct adaptive adaptive;

static enum { TRY_SYNCHRONOUS, TRY_ASYNCHRONOUS, IN_USE, TRY_OTHER } stage;
static bool warming;
static word begin;                       /* of the stretch, in cycles */
static word per_stretch[2];              /* cycles of MEASURED calls: asynchronous, synchronous */
static word interval = FIRST_TRIAL;

/* Better by more than 5 %. */
static bool better(word this, word that)
{
    return 20 * this < 19 * that;
}

static void stretch(bool synchronous, word calls)
{
    adaptive.synchronous = synchronous;
    adaptive.left = calls;
    begin = read_cycle();
}

static void use(bool synchronous)
{
    stage = IN_USE;
    stretch(synchronous, interval);
}

void adaptive_start(word coroutines)
{
    if (async_helped()) {
        use(false);
    } else if (coroutines < LEAST_COROUTINES) {
        interval = ~UINT64_C(0); /* there is nothing to try */
        use(true);
    } else {
        stage = TRY_SYNCHRONOUS;
        warming = true;
        stretch(true, WARM);
    }
}

/* A trial is over. */
static void judge(bool mine)
{
    if (better(per_stretch[!mine], per_stretch[mine])) {
        interval = FIRST_TRIAL;
        use(!mine);
    } else {
        if (interval < LAST_TRIAL)
            interval *= 2;
        use(mine);
    }
}

void adaptive_next(void)
{
    word cycles = read_cycle() - begin;
    bool now = adaptive.synchronous;
    if (stage == IN_USE) {
        per_stretch[now] = cycles * MEASURED / interval;
        stage = TRY_OTHER;
        warming = true;
        stretch(!now, WARM);
        return;
    }
    if (warming) {
        warming = false;
        stretch(now, MEASURED);
        return;
    }
    per_stretch[now] = cycles;
    if (stage == TRY_SYNCHRONOUS) {
        stage = TRY_ASYNCHRONOUS;
        warming = true;
        stretch(false, WARM);
    } else if (stage == TRY_ASYNCHRONOUS) {
        use(better(per_stretch[true], per_stretch[false]));
    } else {
        judge(!now);
    }
}
