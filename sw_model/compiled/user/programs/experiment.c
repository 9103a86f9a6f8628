/* The published experiment: N frames, N coroutines, rounds of {map, unmap} of one's own frame. */
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
};

static struct worker workers[MAX_TASKS];
static word errors;

static word read_cycle(void)
{
    word value;
    __asm__ volatile("csrr %0, cycle" : "=r"(value) : : "memory");
    return value;
}

static bool work(struct coroutine *self)
{
    struct worker *worker = (struct worker *)self;
    COROUTINE_BEGIN(self);
    for (; worker->left; worker->left--) {
        COROUTINE_CALL(self, async_page_map(self, worker->frame, SLOT_INIT_THREAD_VSPACE,
                                            worker->address, READ_WRITE));
        errors += self->error != ERROR_NONE;
        COROUTINE_CALL(self, async_page_unmap(self, worker->frame));
        errors += self->error != ERROR_NONE;
    }
    COROUTINE_END(self);
}

static void work_synchronously(struct worker *worker)
{
    for (; worker->left; worker->left--) {
        errors += seL4_RISCV_Page_Map(worker->frame, SLOT_INIT_THREAD_VSPACE, worker->address, READ_WRITE)
                  != ERROR_NONE;
        errors += seL4_RISCV_Page_Unmap(worker->frame) != ERROR_NONE;
    }
}

int main(void)
{
    word concurrency = experiment.concurrency, calls = 2 * concurrency * experiment.rounds;
    if (!concurrency || concurrency > MAX_TASKS)
        seL4_DebugHalt(7);
    word frames = root_allocate(OBJECT_RISCV_4K_PAGE, concurrency, 0);
    root_map_page_tables(FRAME_ADDRESS, concurrency * PAGE);
    struct style style = experiment.style;
    if (experiment.asynchronous)
        root_start_async(experiment.capacity, &style, experiment.policy);
    for (word n = 0; n < concurrency; n++) {
        workers[n] = (struct worker){{.step = work}, frames + n, FRAME_ADDRESS + n * PAGE,
                                     experiment.rounds};
        if (experiment.asynchronous)
            executor_spawn(&workers[n].coroutine, WORKER_PRIORITY, false);
    }
    word begin = read_cycle();
    if (experiment.asynchronous)
        executor_run();
    else
        for (word n = 0; n < concurrency; n++)
            work_synchronously(&workers[n]);
    word end = read_cycle();
    print_number("cycles", end - begin);
    print_number("calls", calls);
    print_number("traps", experiment.asynchronous ? async_traps : calls);
    print_number("interrupts", user_interrupts);
    print_number("outstanding", async_outstanding);
    print_number("errors", errors);
    return errors || async_outstanding || (experiment.asynchronous && async_taken != calls);
}
