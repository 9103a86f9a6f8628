/* Kernel objects, made from untyped memory. */
#ifndef OBJECTS_H
#define OBJECTS_H

#include "capability.h"
#include "context.h"
#include "types.h"
#include <uintr.h>

enum thread_state {
    THREAD_INACTIVE,
    THREAD_RUNNING,
    THREAD_BLOCKED_ON_NOTIFICATION,
    THREAD_BLOCKED_ON_SEND,
    THREAD_BLOCKED_ON_RECEIVE,
    THREAD_BLOCKED_ON_REPLY,
    THREAD_IDLE,
};

/* A page of sender entries, and how many of them are in use. */
struct sender_table {
    word *entries;
    word used;
};

/* What a thread owns of the user-interrupt hardware. `csrs` are the hart's registers while the
 * thread is off its hart, in the order of uintr.c. */
enum { NO_RECEIVER = -1, UINTR_CSRS = 8 };

struct uintr_state {
    int receiver;
    bool exists;
    struct sender_table table;
    word csrs[UINTR_CSRS];
};

struct notification;
struct handler;

/* A thread. `cspace`, `vspace` and `buffer` (its IPC buffer's frame) are capabilities. */
struct tcb {
    struct context context;
    uint8_t state;
    uint8_t priority;
    bool queued;
    uint8_t affinity;
    int32_t time_slice;
    word satp;
    word *ipc_buffer; /* kernel address, or null */
    struct slot cspace;
    struct slot vspace;
    struct slot buffer;
    struct tcb *next; /* in a ready queue, a notification's or an endpoint's */
    struct queue *waiting_on;
    struct notification *bound_notification;
    struct handler *handler;
    struct uintr_state uintr;
    struct tcb *caller;   /* who waits for this thread's reply */
    struct tcb *answerer; /* whose reply it waits for */
    word send_badge;      /* of the message that it waits to send */
    uint8_t send_rights;
    bool send_calls;
};

static inline bool runnable(const struct tcb *tcb)
{
    return tcb->state == THREAD_RUNNING;
}

/* First in, first out. */
struct queue {
    struct tcb *first;
    struct tcb *last;
};

/* seL4's notification with ReL4's word for user interrupts: with `receiver` set, signals are user
 * interrupts of that receiver, which is `uintr_tcb`'s. */
struct notification {
    word active;
    word badges;
    struct queue queue;
    struct tcb *bound_tcb;
    struct tcb *uintr_tcb;
    int receiver;
};

enum {
    TCB_BITS = 10,
    NOTIFICATION_BITS = 6,
    ENDPOINT_BITS = 4, /* a queue, of threads that send or of threads that receive */
    SLOT_BITS = 5,
    PAGE_TABLE_BITS = 12,
    MEGA_PAGE_BITS = 21,
};
_Static_assert(sizeof(struct tcb) <= 1 << TCB_BITS, "a TCB fits its object");
_Static_assert(sizeof(struct queue) <= 1 << ENDPOINT_BITS, "and an endpoint");
_Static_assert(sizeof(struct notification) <= 1 << NOTIFICATION_BITS, "so does a notification");

void queue_append(struct queue *queue, struct tcb *tcb);
void queue_prepend(struct queue *queue, struct tcb *tcb);
struct tcb *queue_take(struct queue *queue);
void queue_remove(struct queue *queue, struct tcb *tcb);
#endif
