/* UintrRegisterAsyncSyscall: a handler for the syscall buffer in a frame. */
#include "invocation.h"
#include "policies.h"

/* UintrRegisterAsyncSyscall(policy), frame. Answers the handler's number, whether it is woken by
 * UIPI SEND, and the operand of that. */
word uintr_register_async_syscall(struct invocation *call)
{
    const struct notification *notification = (struct notification *)call->slot->object;
    const struct slot *frame = call->extra[0];
    word number = call->words[0];
    if (!(call->slot->rights & RIGHT_WRITE))
        return invalid_capability(call, 0);
    if (frame->type != CAP_FRAME || !(frame->rights & RIGHT_WRITE))
        return invalid_capability(call, 1);
    if (notification->receiver == NO_RECEIVER || call->caller->handler)
        return ERROR_ILLEGAL_OPERATION;
    if (call->slot->value >= UINTR_VECTORS)
        return fail(call, ERROR_RANGE, 2, 0, UINTR_VECTORS - 1);
    if (number >= POLICIES)
        return fail(call, ERROR_RANGE, 2, 0, POLICIES - 1);
    if (handler_count == MAX_HANDLERS)
        return fail(call, ERROR_NOT_ENOUGH_MEMORY, 1, 0, 0);
    struct syscall_buffer buffer = {.base = (char *)frame->object};
    buffer.capacity = *buffer_word(&buffer, BUFFER_CAPACITY);
    word capacity = buffer.capacity;
    if (*buffer_word(&buffer, BUFFER_MAGIC) != BUFFER_VERSION || !capacity
        || capacity > MAX_CAPACITY || capacity & (capacity - 1)
        || BUFFER_ITEMS + 2 * ITEM_BYTES * capacity > UINT64_C(1) << frame->bits)
        return invalid_argument(call, 0);
    *buffer_word(&buffer, BUFFER_HANDLER_ONLINE) = 0; /* it sleeps until it is woken */
    struct handler *handler = &handlers[handler_count];
    *handler = (struct handler){
        .buffer = buffer,
        .owner = call->caller,
        .policy = &policies[number],
        .receiver = notification->receiver,
        .vector = call->slot->value,
        .ready = buffer_waiting(&buffer),
    };
    int sender = policy_register(handler);
    call->caller->handler = handler;
    call->answers = 3;
    call->answer[0] = handler_count++;
    call->answer[1] = sender >= 0;
    call->answer[2] = sender >= 0 ? (word)sender : 0;
    return ERROR_NONE;
}
