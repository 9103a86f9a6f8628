/* The published experiment: N frames, N coroutines, rounds of {map, unmap} of one's own frame. */
#include "adaptive.h"
#include "root_task.h"

#define FRAME_ADDRESS 0x2000000
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
    word left; /* rounds */
    word errors;
    bool mapped;
} __attribute__((aligned(64)));

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

static bool work_at_once(struct coroutine *self);

static bool work_adaptively(struct coroutine *self)
{
    struct worker *worker = (struct worker *)self;
    COROUTINE_BEGIN(self);
    for (;;) {
        if (!worker->mapped) {
            if (!adaptive_asynchronous())
                return work_at_once(self);
            COROUTINE_CALL(self, async_page_map(self, worker->frame, SLOT_INIT_THREAD_VSPACE,
                                                worker->address, READ_WRITE));
            worker->errors |= self->error;
            worker->mapped = true;
        }
        if (!adaptive_asynchronous())
            return work_at_once(self);
        COROUTINE_CALL(self, async_page_unmap(self, worker->frame));
        worker->errors |= self->error;
        worker->mapped = false;
        if (!--worker->left)
            return true;
    }
}

/* The next call and those behind it, as long as they are to be made synchronously. */
static __attribute__((noinline)) bool work_at_once(struct coroutine *self)
{
    struct worker *worker = (struct worker *)self;
    if (worker->mapped)
        goto mapped;
    while (adaptive_synchronous()) {
        worker->errors |= seL4_RISCV_Page_Map(worker->frame, SLOT_INIT_THREAD_VSPACE,
                                              worker->address, READ_WRITE);
        worker->mapped = true;
    mapped:
        if (!adaptive_synchronous())
            break;
        worker->errors |= seL4_RISCV_Page_Unmap(worker->frame);
        worker->mapped = false;
        if (!--worker->left)
            return true;
    }
    self->step = work_adaptively;
    self->at = 0;
    return work_adaptively(self);
}

static void work_synchronously(struct worker *worker)
{
    for (; worker->left; worker->left--) {
        worker->errors |= seL4_RISCV_Page_Map(worker->frame, SLOT_INIT_THREAD_VSPACE,
                                              worker->address, READ_WRITE);
        worker->errors |= seL4_RISCV_Page_Unmap(worker->frame);
    }
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
        workers[n].left = experiment.rounds;
        if (experiment.asynchronous)
            executor_spawn(&workers[n].coroutine, WORKER_PRIORITY, false);
    }
    mark(MARK_BEGIN, 0);
    if (experiment.asynchronous)
        executor_run();
    else
        for (word n = 0; n < concurrency; n++)
            work_synchronously(&workers[n]);
    mark(MARK_END, 0);
    word errors = 0;
    for (word n = 0; n < concurrency; n++)
        errors |= workers[n].errors;
    if (errors)
        print_number("a call failed with", errors);
    return errors || (experiment.asynchronous && async_outstanding());
}
