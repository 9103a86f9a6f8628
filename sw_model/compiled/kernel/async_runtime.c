/* Handlers of syscall buffers.
 *
 * Requests are served in batches: one look at the ring's tail, one fence of translations, one store
 * of each index and one look at the receiver's flag for all requests that were there. */
#include "async_runtime.h"

#include "async_calls.h"
#include "kernel.h"
#include "lock.h"
#include "policies.h"
#include "uintr_state.h"
#include "vspace.h"

/* How often one activation looks again after it found the ring empty: a user who keeps changing its
 * indices just then gets no more of the kernel's time, however fast it is. */
enum { LOOKS = 16 };

struct handler handlers[MAX_HANDLERS];
unsigned handler_count;

void handler_wake(struct handler *handler)
{
    if (handler->running)
        handler->again = true;
    else if (!handler->closed)
        handler->ready = true;
}

/* Serve at most `most` of the `waiting` slots of requests. Answers how many requests that were. */
static word serve_batch(struct handler *handler, word waiting, word most)
{
    const char *broken = NULL;
    word served = async_calls_serve(handler->owner, &handler->buffer, waiting, most, &broken);
    if (UNLIKELY(broken)) {
        put_string("syscall buffer: ");
        put_string(broken);
        put_string("\n");
        handler->closed = true;
    }
    vspace_fence();
    buffer_publish(&handler->buffer);
    return served;
}

static void wake_receiver(struct handler *handler)
{
    fence_full();
    if (flag_claim(buffer_word(&handler->buffer, BUFFER_RECEIVER_ONLINE)))
        uintr_post(handler->receiver, handler->vector);
}

/* Serve what is there, within the policy's budget and never more than the ring holds. True: the
 * ring was found empty. */
static bool drain(struct handler *handler)
{
    const struct policy *policy = handler->policy;
    struct syscall_buffer *buffer = &handler->buffer;
    word budget = handler->budget ? handler->budget : buffer->capacity;
    for (bool first = true; budget && !handler->closed; first = false) {
        if (policy->preemptible && !first)
            lock_pass_on();
        word waiting = buffer_waiting(buffer);
        if (!waiting)
            return true;
        fence_acquire();
        if (UNLIKELY(waiting > buffer->capacity)) {
            put_string("syscall buffer: indices further apart than the ring is long\n");
            handler->closed = true;
            return true;
        }
        word most = policy->batch && policy->batch < budget ? policy->batch : budget;
        budget -= serve_batch(handler, waiting, most);
        wake_receiver(handler);
    }
    return handler->closed || !buffer_waiting(buffer);
}

/* As the consumer of requests: clear the flag, look again. True: sleep. */
static bool retire(struct handler *handler)
{
    volatile word *online = buffer_word(&handler->buffer, BUFFER_HANDLER_ONLINE);
    *online = 0;
    fence_full();
    return !buffer_waiting(&handler->buffer) || !flag_claim(online);
}

static void activation(struct handler *handler)
{
    for (unsigned looks = 0; looks < LOOKS; looks++) {
        if (!drain(handler))
            break;
        if (handler->closed)
            return;
        if (policy_linger(handler))
            continue;
        if (retire(handler))
            return;
    }
    /* It stays ready for the policy's next occasion. A thread that waits can wake it sooner. */
    handler->over = true;
    if (handler->budget)
        *buffer_word(&handler->buffer, BUFFER_HANDLER_ONLINE) = 0;
}

void handler_run(struct handler *handler)
{
    while (handler->ready && !handler->running) {
        handler->ready = false;
        handler->budget = policy_budget(handler);
        handler->running = true;
        activation(handler);
        handler->running = false;
        bool again = handler->again, over = handler->over;
        handler->again = handler->over = false;
        if (again || over)
            handler_wake(handler);
        if (over)
            return;
    }
}
