/* Endpoints, by seL4's rules: a message passes when both sides are there, and a caller waits until it is
 * answered. Capabilities are not transferred. */
#include "endpoint.h"

#include "cspace.h"
#include "hart.h"
#include "message.h"
#include "notification.h"
#include "scheduler.h"
#include "uintr_state.h"

static struct queue *queue_of(const struct slot *cap)
{
    return (struct queue *)cap->object;
}

static struct tcb *first_in(const struct queue *queue, enum thread_state state)
{
    return queue->first && queue->first->state == state ? queue->first : NULL;
}

/* No register of the sender's beyond its message is seen. */
static inline void transfer(const struct tcb *from, struct tcb *to, word badge)
{
    word info = from->context.registers[A1], length = message_length(info);
    if (length > REGISTER_MESSAGE && (!from->ipc_buffer || !to->ipc_buffer))
        length = REGISTER_MESSAGE;
    for (unsigned n = 0; n < length; n++)
        if (n < REGISTER_MESSAGE)
            to->context.registers[A2 + n] = from->context.registers[A2 + n];
        else
            *buffer_message(to, n) = *buffer_message(from, n);
    message_give(to, badge, message_label(info), length);
}

static void block(struct tcb *tcb, enum thread_state state, struct queue *queue)
{
    tcb->state = state;
    tcb->waiting_on = queue;
    queue_append(queue, tcb);
    here->choose = true;
}

static struct tcb *take(struct queue *queue)
{
    struct tcb *tcb = queue_take(queue);
    tcb->waiting_on = NULL;
    uintr_awake(tcb);
    return tcb;
}

static void awake(struct tcb *tcb)
{
    tcb->state = THREAD_RUNNING;
    scheduler_wake(tcb);
}

/* The caller waits for the receiver's reply, if its capability lets it have one. */
static inline void set_up_caller(struct tcb *caller, struct tcb *receiver, word rights)
{
    caller->state = THREAD_INACTIVE;
    if (rights & (RIGHT_GRANT | RIGHT_GRANT_REPLY)) {
        caller->state = THREAD_BLOCKED_ON_REPLY;
        caller->answerer = receiver;
        receiver->caller = caller;
    }
}

void endpoint_send(struct tcb *tcb, const struct slot *cap, bool blocking, bool call)
{
    struct queue *queue = queue_of(cap);
    if (!first_in(queue, THREAD_BLOCKED_ON_RECEIVE)) {
        if (!blocking)
            return;
        tcb->send_badge = cap->value;
        tcb->send_rights = call ? cap->rights : 0;
        tcb->send_calls = call;
        block(tcb, THREAD_BLOCKED_ON_SEND, queue);
        return;
    }
    struct tcb *receiver = take(queue);
    transfer(tcb, receiver, cap->value);
    awake(receiver);
    if (call) {
        set_up_caller(tcb, receiver, cap->rights);
        here->choose = true;
    }
}

/* Who was received before and is not answered yet never will be. */
static void forget_caller(struct tcb *tcb)
{
    if (tcb->caller)
        tcb->caller->state = THREAD_INACTIVE;
    tcb->caller = NULL;
}

void endpoint_receive(struct tcb *tcb, const struct slot *cap, bool blocking)
{
    struct notification *bound = tcb->bound_notification;
    struct queue *queue = queue_of(cap);
    forget_caller(tcb);
    if (bound && bound->active) {
        notification_poll(bound, tcb);
    } else if (first_in(queue, THREAD_BLOCKED_ON_SEND)) {
        struct tcb *sender = take(queue);
        transfer(sender, tcb, sender->send_badge);
        if (sender->send_calls)
            set_up_caller(sender, tcb, sender->send_rights);
        else
            awake(sender);
    } else if (!blocking) {
        message_give(tcb, 0, 0, 0);
    } else if (!notification_interrupted(bound, tcb)) {
        block(tcb, THREAD_BLOCKED_ON_RECEIVE, queue);
    }
}

void endpoint_reply(struct tcb *tcb)
{
    struct tcb *caller = tcb->caller;
    if (!caller)
        return;
    tcb->caller = NULL;
    transfer(tcb, caller, 0);
    awake(caller);
}

/* --- fastpath ---------------------------------------------------------------------------------- */

static bool is_short(const struct tcb *tcb)
{
    word info = tcb->context.registers[A1];
    return message_length(info) <= REGISTER_MESSAGE && !message_extra_caps(info);
}

static const struct slot *endpoint_cap(const struct tcb *tcb, word rights)
{
    const struct slot *cap = cspace_lookup(&tcb->cspace, tcb->context.registers[A0]);
    return cap && cap->type == CAP_ENDPOINT && (cap->rights & rights) == rights ? cap : NULL;
}

/* `next`, which waited, runs here instead of the current thread, past the ready queues. */
static bool may_go_on(const struct tcb *next)
{
    return next && next->affinity == here->index && !here->choose
           && (int)next->priority >= scheduler_highest(here);
}

static bool go_on(struct tcb *next)
{
    next->state = THREAD_RUNNING;
    here->current = next;
    return true;
}

static bool fast_call(struct tcb *tcb)
{
    const struct slot *cap = endpoint_cap(tcb, RIGHT_WRITE | RIGHT_GRANT);
    struct tcb *receiver = cap ? first_in(queue_of(cap), THREAD_BLOCKED_ON_RECEIVE) : NULL;
    if (!may_go_on(receiver) || receiver->priority < tcb->priority)
        return false;
    take(queue_of(cap));
    transfer(tcb, receiver, cap->value);
    set_up_caller(tcb, receiver, cap->rights);
    return go_on(receiver);
}

static bool fast_reply_recv(struct tcb *tcb)
{
    const struct slot *cap = endpoint_cap(tcb, RIGHT_READ);
    struct tcb *caller = tcb->caller;
    if (!cap || tcb->bound_notification || first_in(queue_of(cap), THREAD_BLOCKED_ON_SEND)
        || !may_go_on(caller))
        return false;
    tcb->caller = NULL;
    transfer(tcb, caller, 0);
    block(tcb, THREAD_BLOCKED_ON_RECEIVE, queue_of(cap));
    here->choose = false;
    return go_on(caller);
}

bool endpoint_fastpath(struct tcb *tcb)
{
    long number = (long)tcb->context.registers[A7];
    if (!is_short(tcb))
        return false;
    return number == SYS_CALL ? fast_call(tcb) : number == SYS_REPLY_RECV && fast_reply_recv(tcb);
}
