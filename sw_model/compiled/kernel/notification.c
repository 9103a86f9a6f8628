/* Notifications. */
#include "notification.h"

#include "hart.h"
#include "message.h"
#include "scheduler.h"
#include "uintr_state.h"

void notification_wake(struct tcb *tcb, word badge)
{
    tcb->waiting_on = NULL;
    tcb->state = THREAD_RUNNING;
    message_give(tcb, badge, 0, 0);
    scheduler_wake(tcb);
}

void notification_signal(struct notification *notification, word badge)
{
    struct tcb *bound = notification->bound_tcb;
    struct tcb *waiter = queue_take(&notification->queue);
    if (!waiter && bound && bound->state == THREAD_BLOCKED_ON_RECEIVE) {
        waiter = bound;
        queue_remove(bound->waiting_on, bound);
    }
    if (waiter) {
        uintr_awake(waiter);
        notification_wake(waiter, badge);
    } else if (notification->receiver != NO_RECEIVER && badge < UINTR_VECTORS) {
        uintr_post(notification->receiver, badge);
    } else {
        notification->badges |= badge;
        notification->active = true;
    }
}

void notification_poll(struct notification *notification, struct tcb *tcb)
{
    message_give(tcb, notification->badges, 0, 0);
    notification->badges = 0;
    notification->active = false;
}

bool notification_interrupted(const struct notification *notification, struct tcb *tcb)
{
    if (!notification || notification->uintr_tcb != tcb)
        return false;
    word pending = uintr_park(tcb);
    if (pending)
        message_give(tcb, pending, 0, 0);
    return pending;
}

void notification_wait(struct notification *notification, struct tcb *tcb)
{
    if (notification->active) {
        notification_poll(notification, tcb);
        return;
    }
    if (notification_interrupted(notification, tcb))
        return;
    tcb->state = THREAD_BLOCKED_ON_NOTIFICATION;
    tcb->waiting_on = &notification->queue;
    queue_append(&notification->queue, tcb);
    here->choose = true;
}
