/* Queues of threads. */
#include "objects.h"

void queue_append(struct queue *queue, struct tcb *tcb)
{
    tcb->next = NULL;
    if (queue->first)
        queue->last->next = tcb;
    else
        queue->first = tcb;
    queue->last = tcb;
}

void queue_prepend(struct queue *queue, struct tcb *tcb)
{
    tcb->next = queue->first;
    if (!queue->first)
        queue->last = tcb;
    queue->first = tcb;
}

struct tcb *queue_take(struct queue *queue)
{
    struct tcb *tcb = queue->first;
    if (tcb)
        queue->first = tcb->next;
    return tcb;
}

void queue_remove(struct queue *queue, struct tcb *tcb)
{
    struct tcb *before = NULL;
    for (struct tcb *each = queue->first; each != tcb; each = each->next)
        before = each;
    if (before)
        before->next = tcb->next;
    else
        queue->first = tcb->next;
    if (queue->last == tcb)
        queue->last = before;
}
