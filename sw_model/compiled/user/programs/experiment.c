/* The published experiment: N frames, N coroutines, rounds of {map, unmap} of one's own frame. */
#include "adaptive.h"
#include "root_task.h"

#define FRAME_ADDRESS 0x20e8000 /* kernel.ld says where its page-table entries lie */
enum { PAGE = 4096, READ_WRITE = 3, WORKER_PRIORITY = 2 };

/* The loader may change these words in the image. */
struct experiment {
    word policy;
    word asynchronous;
    struct style style;
    word concurrency;
    word rounds;
    word capacity;
};
const volatile struct experiment experiment __attribute__((section(".data"))) = {
    .policy = POLICY_NEVER,
    .concurrency = 4,
    .rounds = 10,
    .capacity = 8,
};

struct worker {
    struct coroutine coroutine;
    word frame;
    word address;
    uint32_t left; /* rounds */
    uint32_t errors;
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct worker) == 64, "one cache line");

static struct worker workers[MAX_TASKS];

static bool work(struct coroutine *self)
{
    struct worker *worker = (struct worker *)self;
    COROUTINE_BEGIN(self);
    for (; worker->left; worker->left--) {
        COROUTINE_CALL(self, async_page_map(self, worker->frame, SLOT_INIT_THREAD_VSPACE,
                                            worker->address, READ_WRITE));
        worker->errors |= self->error;
        COROUTINE_CALL(self, async_page_unmap(self, worker->frame));
        worker->errors |= self->error;
    }
    return true;
}

static inline void work_synchronously(struct worker *worker, word rounds)
{
    worker->left -= rounds;
    for (; rounds; rounds--) {
        worker->errors |= (uint32_t)seL4_RISCV_Page_Map(worker->frame, SLOT_INIT_THREAD_VSPACE,
                                              worker->address, READ_WRITE);
        worker->errors |= (uint32_t)seL4_RISCV_Page_Unmap(worker->frame);
    }
}

static bool work_at_once(struct coroutine *self);

static bool work_adaptively(struct coroutine *self)
{
    struct worker *worker = (struct worker *)self;
    COROUTINE_BEGIN(self);
    while (adaptive_asynchronous()) {
        COROUTINE_CALL(self, async_page_map(self, worker->frame, SLOT_INIT_THREAD_VSPACE,
                                            worker->address, READ_WRITE));
        worker->errors |= self->error;
        COROUTINE_CALL(self, async_page_unmap(self, worker->frame));
        worker->errors |= self->error;
        if (!--worker->left)
            return true;
    }
    return work_at_once(self);
}

/* The next rounds, as far as they are to be made synchronously. A round's two calls go the same way. */
static __attribute__((noinline)) bool work_at_once(struct coroutine *self)
{
    struct worker *worker = (struct worker *)self;
    word calls;
    while ((calls = adaptive_grant(2 * worker->left))) {
        work_synchronously(worker, calls / 2);
        adaptive_made();
        if (!worker->left)
            return true;
    }
    self->step = work_adaptively;
    self->at = 0;
    return work_adaptively(self);
}

int main(void)
{
    word concurrency = experiment.concurrency;
    if (!concurrency || concurrency > MAX_TASKS)
        seL4_DebugHalt(7);
    word frames = root_allocate(OBJECT_RISCV_4K_PAGE, concurrency, 0);
    root_map_page_tables(FRAME_ADDRESS, concurrency * PAGE);
    const struct style style = {experiment.style.direct, experiment.style.batch,
                                experiment.style.poll_cycles, experiment.style.adaptive};
    if (experiment.asynchronous)
        root_start_async(experiment.capacity, &style, experiment.policy);
    if (style.adaptive)
        adaptive_start(concurrency);
    for (word n = 0; n < concurrency; n++) {
        workers[n].coroutine.step = style.adaptive ? work_at_once : work;
        workers[n].frame = frames + n;
        workers[n].address = FRAME_ADDRESS + n * PAGE;
        workers[n].left = (uint32_t)experiment.rounds;
        if (experiment.asynchronous)
            executor_spawn(&workers[n].coroutine, WORKER_PRIORITY, false);
    }
    mark(MARK_BEGIN, 0);
    if (experiment.asynchronous)
        executor_run();
    else
        for (word n = 0; n < concurrency; n++)
            work_synchronously(&workers[n], workers[n].left);
    mark(MARK_END, 0);
    word errors = 0;
    for (word n = 0; n < concurrency; n++)
        errors |= workers[n].errors;
    if (errors)
        print_number("a call failed with", errors);
    return errors || (experiment.asynchronous && async_outstanding());
}
