/* System calls by number: what a thread's trap with ecall means. */
#include "async_runtime.h"
#include "cspace.h"
#include "endpoint.h"
#include "hart.h"
#include "invocation.h"
#include "kernel.h"
#include "message.h"
#include "notification.h"
#include "policies.h"
#include "scheduler.h"
#include "vspace.h"

static void answer(struct tcb *tcb, word error, const struct invocation *call)
{
    for (word n = 0; n < call->answers; n++)
        tcb->context.registers[A2 + n] = call->answer[n];
    message_give(tcb, 0, error, call->answers);
}

/* Message registers beyond the fourth lie in the IPC buffer: bring all together. */
static const word *gather(const struct tcb *tcb, word *words, word *length)
{
    const word *registers = &tcb->context.registers[A2];
    if (*length <= REGISTER_MESSAGE)
        return registers;
    if (*length > INVOCATION_WORDS)
        *length = INVOCATION_WORDS;
    for (unsigned n = 0; n < REGISTER_MESSAGE; n++)
        words[n] = registers[n];
    for (unsigned n = REGISTER_MESSAGE; n < *length; n++)
        words[n] = *buffer_message(tcb, n);
    return words;
}

/* An invocation by Call or Send: arguments from registers and the IPC buffer. Answers the error. */
static word invoke_by_message(struct tcb *tcb, struct slot *slot, word info,
                              struct invocation *call)
{
    word words[INVOCATION_WORDS];
    call->caller = tcb;
    call->slot = slot;
    call->label = message_label(info);
    call->length = message_length(info);
    call->extra_caps = message_extra_caps(info);
    call->answers = 0;
    if (UNLIKELY((call->extra_caps || call->length > REGISTER_MESSAGE) && !tcb->ipc_buffer))
        return ERROR_TRUNCATED_MESSAGE;
    call->words = gather(tcb, words, &call->length);
    for (unsigned n = 0; n < call->extra_caps; n++) {
        call->extra[n] = cspace_lookup(&tcb->cspace, *buffer_cap(tcb, n));
        if (UNLIKELY(!call->extra[n]))
            return ERROR_FAILED_LOOKUP;
    }
    word error = invoke(call);
    vspace_fence();
    return error;
}

static bool uintr_label(word label)
{
    return label >= INVOCATION_UINTR_REGISTER_SENDER
           && label <= INVOCATION_UINTR_REGISTER_ASYNC_SYSCALL;
}

static void send(struct tcb *tcb, bool blocking, bool call)
{
    struct invocation invocation;
    word info = tcb->context.registers[A1];
    word error = ERROR_FAILED_LOOKUP;
    struct slot *slot = cspace_lookup(&tcb->cspace, tcb->context.registers[A0]);
    invocation.answers = 0;
    if (slot && slot->type == CAP_ENDPOINT) {
        error = ERROR_INVALID_CAPABILITY;
        if (slot->rights & RIGHT_WRITE) {
            endpoint_send(tcb, slot, blocking, call);
            return;
        }
    } else if (slot && slot->type == CAP_NOTIFICATION && !uintr_label(message_label(info))) {
        error = ERROR_INVALID_CAPABILITY;
        if (slot->rights & RIGHT_WRITE) {
            notification_signal((struct notification *)slot->object, slot->value);
            error = ERROR_NONE;
        }
    } else if (slot) {
        error = invoke_by_message(tcb, slot, info, &invocation);
    }
    if (call)
        answer(tcb, error, &invocation);
}

static void receive(struct tcb *tcb, bool blocking)
{
    struct slot *slot = cspace_lookup(&tcb->cspace, tcb->context.registers[A0]);
    if (!slot || !(slot->rights & RIGHT_READ)
        || (slot->type != CAP_NOTIFICATION && slot->type != CAP_ENDPOINT)) {
        message_give(tcb, 0, ERROR_INVALID_CAPABILITY, 0);
        return;
    }
    if (slot->type == CAP_ENDPOINT) {
        endpoint_receive(tcb, slot, blocking);
        return;
    }
    struct notification *notification = (struct notification *)slot->object;
    if (blocking)
        notification_wait(notification, tcb);
    else
        notification_poll(notification, tcb);
}

void syscall_handle(struct tcb *tcb)
{
    long number = (long)tcb->context.registers[A7];
    switch (number) {
    case SYS_CALL:
        send(tcb, true, true);
        break;
    case SYS_SEND:
    case SYS_NB_SEND:
        send(tcb, number == SYS_SEND, false);
        break;
    case SYS_REPLY:
        endpoint_reply(tcb);
        break;
    case SYS_REPLY_RECV:
        endpoint_reply(tcb);
        receive(tcb, true);
        break;
    case SYS_RECV:
    case SYS_NB_RECV:
        receive(tcb, number == SYS_RECV);
        break;
    case SYS_YIELD:
        scheduler_yield();
        break;
    case SYS_WAKE_SYSCALL_HANDLER:
        message_give(tcb, 0, tcb->handler ? ERROR_NONE : ERROR_ILLEGAL_OPERATION, 0);
        if (tcb->handler)
            policies_on_wake(tcb->handler);
        break;
    case SYS_DEBUG_PUT_CHAR:
        put_char((char)tcb->context.registers[A0]);
        break;
    case SYS_DEBUG_HALT:
        halt(tcb->context.registers[A0]);
    default:
        put_string("unknown system call ");
        put_hex((word)number);
        put_string("\n");
        message_give(tcb, 0, ERROR_ILLEGAL_OPERATION, 0);
        break;
    }
}
