/* An asynchronous call is the very invocation that its synchronous twin is; only where arguments
 * come from differs, and so errors and effects are the same. */
#include "async_calls.h"

#include "cspace.h"
#include "invocation.h"
#include "kernel.h"

struct form {
    uint8_t invocation;
    uint8_t caps;
};

#define FORM(label, invocation, caps) [label] = {invocation, caps},
static const struct form forms[] = {ASYNC_INVOCATIONS(FORM)};

static word put(word label, const word *words, unsigned length)
{
    if (length < 1)
        return ERROR_TRUNCATED_MESSAGE;
    if (label == ASYNC_PUT_CHAR) {
        put_char((char)words[0]);
        return ERROR_NONE;
    }
    if (words[0] > 8 * (word)(length - 1))
        return ERROR_TRUNCATED_MESSAGE;
    for (word n = 0; n < words[0]; n++)
        put_char((char)(words[1 + n / 8] >> 8 * (n % 8)));
    return ERROR_NONE;
}

/* A request of `length` words. */
static word serve(struct tcb *owner, word label, const word *words, unsigned length,
                  struct invocation *call)
{
    call->answers = 0;
    if (label == ASYNC_PUT_CHAR || label == ASYNC_PUT_STRING)
        return put(label, words, length);
    if (UNLIKELY(label >= sizeof forms / sizeof *forms || !forms[label].invocation))
        return ERROR_ILLEGAL_OPERATION;
    unsigned caps = forms[label].caps;
    if (UNLIKELY(length < 1 + caps))
        return ERROR_TRUNCATED_MESSAGE;
    call->caller = owner;
    call->label = forms[label].invocation;
    call->slot = cspace_lookup(&owner->cspace, words[0]);
    if (UNLIKELY(!call->slot))
        return ERROR_FAILED_LOOKUP;
    for (unsigned n = 0; n < caps; n++) {
        call->extra[n] = cspace_lookup(&owner->cspace, words[1 + n]);
        if (UNLIKELY(!call->extra[n]))
            return ERROR_FAILED_LOOKUP;
    }
    call->extra_caps = caps;
    call->words = words + 1 + caps;
    call->length = length - 1 - caps;
    return invoke(call);
}

word async_call_serve(struct tcb *owner, const struct syscall_buffer *buffer, word waiting,
                      volatile word *reply)
{
    word words[MAX_WORDS];
    struct invocation call;
    word index = buffer->request_head;
    volatile word *item = buffer_slot(buffer, index);
    word first = item[0], label = first >> 32 & 0xff;
    unsigned length = first >> 40 & 0xff;
    unsigned slots = length <= ITEM_WORDS ? 1 : 2;
    if (UNLIKELY(length > MAX_WORDS || slots > waiting))
        return 0;
    unsigned here_too = length < ITEM_WORDS ? length : ITEM_WORDS;
    for (unsigned n = 0; n < here_too; n++)
        words[n] = item[1 + n];
    if (UNLIKELY(slots == 2)) {
        item = buffer_slot(buffer, index + 1);
        for (unsigned n = ITEM_WORDS; n < length; n++)
            words[n] = item[n - ITEM_WORDS];
    }
    word error = serve(owner, label, words, length, &call);
    for (unsigned n = 0; n < call.answers; n++)
        reply[1 + n] = call.answer[n];
    reply[0] = error << 48 | (word)call.answers << 40 | label << 32 | (first & 0xffffffff);
    return slots;
}
