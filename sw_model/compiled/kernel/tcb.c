/* TCB invocations. A thread's capabilities are copies in its TCB. */
#include "riscv.h"
#include "hart.h"
#include "invocation.h"
#include "message.h"
#include "scheduler.h"
#include "uintr_state.h"
#include "vspace.h"

static struct tcb *thread_of(const struct slot *slot)
{
    return (struct tcb *)slot->object;
}

/* TCB_Configure(fault endpoint, CSpace guard, VSpace data, IPC buffer's address), CSpace, VSpace,
 * IPC buffer's frame. Faults end a thread here, so the endpoint is not used. */
word tcb_configure(struct invocation *call)
{
    struct tcb *tcb = thread_of(call->slot);
    const struct slot *cspace = call->extra[0], *vspace = call->extra[1], *frame = call->extra[2];
    word buffer = call->words[3];
    if (cspace->type != CAP_CNODE || vspace->type != CAP_PAGE_TABLE || !vspace->bits)
        return ERROR_ILLEGAL_OPERATION;
    if (buffer && (frame->type != CAP_FRAME || buffer % 512))
        return ERROR_ALIGNMENT;
    tcb->cspace = *cspace;
    tcb->vspace = *vspace;
    tcb->satp = vspace_satp(vspace);
    if (buffer) {
        tcb->buffer = *frame;
        tcb->ipc_buffer = (word *)(frame->object + (buffer & ((UINT64_C(1) << frame->bits) - 1)));
    }
    return ERROR_NONE;
}

/* TCB_WriteRegisters(resume, count, pc, ra, sp, ...), in the order of the registers' numbers. */
word tcb_write_registers(struct invocation *call)
{
    struct tcb *tcb = thread_of(call->slot);
    if (tcb == here->current)
        return ERROR_ILLEGAL_OPERATION;
    for (unsigned n = 2; n < call->length && n - 2 < call->words[1]; n++)
        tcb->context.registers[n - 2] = call->words[n];
    if (call->words[0] & 1)
        return tcb_resume(call);
    return ERROR_NONE;
}

/* TCB_SetPriority(priority), authority. */
word tcb_set_priority(struct invocation *call)
{
    struct tcb *tcb = thread_of(call->slot);
    if (call->words[0] >= PRIORITIES)
        return fail(call, ERROR_RANGE, 2, 0, PRIORITIES - 1);
    bool queued = tcb->queued;
    scheduler_dequeue(tcb);
    tcb->priority = (uint8_t)call->words[0];
    if (queued)
        scheduler_enqueue(tcb, false);
    return ERROR_NONE;
}

/* TCB_SetAffinity(hart). Of a thread that does not run. */
word tcb_set_affinity(struct invocation *call)
{
    struct tcb *tcb = thread_of(call->slot);
    if (call->words[0] >= parameters.harts)
        return fail(call, ERROR_RANGE, 2, 0, parameters.harts - 1);
    if (tcb->state != THREAD_INACTIVE)
        return ERROR_ILLEGAL_OPERATION;
    tcb->affinity = (uint8_t)call->words[0];
    return ERROR_NONE;
}

/* TCB_Suspend: of the caller, or of a thread that no other hart runs. */
word tcb_suspend(struct invocation *call)
{
    struct tcb *tcb = thread_of(call->slot);
    if (tcb != here->current && harts[tcb->affinity].current == tcb)
        return ERROR_ILLEGAL_OPERATION;
    if (tcb->waiting_on) {
        uintr_awake(tcb);
        queue_remove(tcb->waiting_on, tcb);
        tcb->waiting_on = NULL;
    }
    if (tcb->state == THREAD_BLOCKED_ON_REPLY)
        tcb->answerer->caller = NULL;
    if (tcb != here->current && tcb->state != THREAD_RUNNING && tcb->state != THREAD_INACTIVE)
        tcb->context.registers[PC] -= 4; /* what it waited in begins again */
    scheduler_dequeue(tcb);
    tcb->state = THREAD_INACTIVE;
    return ERROR_NONE;
}

word tcb_resume(struct invocation *call)
{
    struct tcb *tcb = thread_of(call->slot);
    if (tcb->state != THREAD_INACTIVE)
        return ERROR_NONE;
    tcb->state = THREAD_RUNNING;
    tcb->time_slice = TIME_SLICE;
    scheduler_wake(tcb);
    return ERROR_NONE;
}

/* TCB_BindNotification(), notification. */
word tcb_bind_notification(struct invocation *call)
{
    struct tcb *tcb = thread_of(call->slot);
    const struct slot *cap = call->extra[0];
    if (cap->type != CAP_NOTIFICATION)
        return invalid_capability(call, 1);
    struct notification *notification = (struct notification *)cap->object;
    if (tcb->bound_notification || notification->bound_tcb || notification->queue.first)
        return ERROR_ILLEGAL_OPERATION;
    tcb->bound_notification = notification;
    notification->bound_tcb = tcb;
    return ERROR_NONE;
}

word tcb_unbind_notification(struct invocation *call)
{
    struct tcb *tcb = thread_of(call->slot);
    struct notification *notification = tcb->bound_notification;
    if (!notification || notification->receiver != NO_RECEIVER)
        return ERROR_ILLEGAL_OPERATION;
    tcb->bound_notification = NULL;
    notification->bound_tcb = NULL;
    return ERROR_NONE;
}
