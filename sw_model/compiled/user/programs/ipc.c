/* The IPC experiment: a client and a server, on one hart or one each. One IPC is a request and its
 * reply. Synchronous: Call and ReplyRecv. Asynchronous: N coroutines of the client share one pair of
 * rings, as in asynchronous system calls. */
#include <uintr.h>

#include "async_ipc.h"
#include "root_task.h"

enum { MOST_WORKERS = 128, RECEIVER_PRIORITY = 1, WORKER_PRIORITY = 2, SERVER_VECTOR = 0 };

/* The loader may change these words in the image. */
struct experiment {
    word asynchronous;
    word harts;
    word concurrency;
    word rounds;
};
const volatile struct experiment experiment __attribute__((section(".data"))) = {
    .harts = 1,
    .concurrency = 1,
    .rounds = 10,
};

static word answer(word request)
{
    return request + 1;
}

/* --- synchronously ----------------------------------------------------------------------------- */

static word endpoint;

static void serve_calls(void)
{
    word request;
    seL4_Recv(endpoint, &request);
    for (;;)
        request = seL4_ReplyRecv(endpoint, answer(request));
}

static word synchronously(void)
{
    word wrong = 0, calls = experiment.concurrency * experiment.rounds;
    word server = root_make_thread(serve_calls, experiment.harts - 1);
    check("TCB_Resume", seL4_TCB_Resume(server));
    wrong |= seL4_Call(endpoint, 0) - answer(0); /* the server waits from now on */
    mark(MARK_BEGIN, 0);
    for (word n = 0; n < calls; n++)
        wrong |= seL4_Call(endpoint, n) - answer(n);
    mark(MARK_END, 0);
    return wrong;
}

/* --- asynchronously ---------------------------------------------------------------------------- */

struct worker {
    struct coroutine coroutine;
    word number;
    word step;
    word wrong;
};
static struct worker workers[MOST_WORKERS];

static struct ipc_server server;
static word server_tcb, to_server, to_client;

static bool ask(struct coroutine *self, word first)
{
    volatile word *item = async_slot();
    if (!item)
        return async_wait_for_room(self);
    item[1] = first;
    /* The label is the server's own affair; it needs one that the log can name. */
    return async_submit(self, item, ASYNC_PUT_CHAR, 1);
}

static bool work(struct coroutine *self)
{
    struct worker *worker = (struct worker *)self;
    COROUTINE_BEGIN(self);
    for (; worker->step < experiment.rounds; worker->step++) {
        COROUTINE_CALL(self, ask(self, worker->number + worker->step));
        worker->wrong |= self->error | (self->answer - answer(worker->number + worker->step));
    }
    return true;
}

static void serve_ring(void)
{
    root_receive_interrupts(to_server, server_tcb, server_interrupt);
    check("UintrRegisterSender", seL4_UintrRegisterSender(to_client, &server.client));
    seL4_Send(endpoint); /* ready */
    ipc_serve(&server);
}

static word asynchronously(void)
{
    const struct style style = {.batch = 1};
    word frame, badged, capacity = 8, operand, nothing;
    while (capacity < experiment.concurrency)
        capacity *= 2;
    server = (struct ipc_server){.base = root_map_buffer(&frame), .answer = answer,
                                 .gives_way = experiment.harts == 1};
    async_create(server.base, capacity, &style);
    word vector = executor_register_vector(executor_spawn(&async_receiver, RECEIVER_PRIORITY, true));
    word notification = root_notification(vector, &to_client);
    check("TCB_BindNotification", seL4_TCB_BindNotification(SLOT_INIT_THREAD_TCB, notification));
    root_receive_interrupts(notification, SLOT_INIT_THREAD_TCB, user_interrupt);
    to_server = root_notification(SERVER_VECTOR, &badged);
    server_tcb = root_make_thread(serve_ring, experiment.harts - 1);
    check("TCB_BindNotification", seL4_TCB_BindNotification(server_tcb, to_server));
    check("TCB_Resume", seL4_TCB_Resume(server_tcb));
    seL4_Recv(endpoint, &nothing);
    check("UintrRegisterSender", seL4_UintrRegisterSender(badged, &operand));
    async_registered((long)operand);
    if (server.gives_way)
        executor_give_way = seL4_Yield;
    for (word n = 0; n < experiment.concurrency; n++) {
        workers[n].coroutine.step = work;
        workers[n].number = n;
        executor_spawn(&workers[n].coroutine, WORKER_PRIORITY, false);
    }
    mark(MARK_BEGIN, 0);
    executor_run();
    mark(MARK_END, 0);
    word wrong = async_outstanding();
    for (word n = 0; n < experiment.concurrency; n++)
        wrong |= workers[n].wrong;
    return wrong;
}

int main(void)
{
    word concurrency = experiment.concurrency;
    if (!concurrency || concurrency > MOST_WORKERS)
        seL4_DebugHalt(7);
    endpoint = root_allocate(OBJECT_ENDPOINT, 1, 0);
    return (experiment.asynchronous ? asynchronously() : synchronously()) != 0;
}
