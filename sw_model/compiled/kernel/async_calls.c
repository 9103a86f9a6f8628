/* An asynchronous call is the very invocation that its synchronous twin is; only where arguments
 * come from differs, and so errors and effects are the same. */
#include "async_calls.h"

#include <mark.h>

#include "cspace.h"
#include "invocation.h"
#include "kernel.h"

struct form {
    uint8_t invocation;
    uint8_t caps;
};

#define FORM(label, invocation, caps) [label] = {invocation, caps},
static const struct form forms[] = {ASYNC_INVOCATIONS(FORM)};

static word put(word label, const word *words, word length)
{
    if (length < 1)
        return ERROR_TRUNCATED_MESSAGE;
    if (label == ASYNC_PUT_CHAR) {
        put_char((char)words[0]);
        return ERROR_NONE;
    }
    if (words[0] > 8 * (length - 1))
        return ERROR_TRUNCATED_MESSAGE;
    for (word n = 0; n < words[0]; n++)
        put_char((char)(words[1 + n / 8] >> 8 * (n % 8)));
    return ERROR_NONE;
}

/* Slots of the capabilities that the request names into `call`; false: one leads nowhere. */
static inline bool look_up(struct invocation *call, const word *words, word caps)
{
    const struct slot *root = &call->caller->cspace;
    call->slot = cspace_lookup(root, words[0]);
    if (UNLIKELY(!call->slot))
        return false;
    if (!caps)
        return true;
    call->extra[0] = cspace_lookup(root, words[1]);
    if (caps > 1)
        call->extra[1] = cspace_lookup(root, words[2]);
    return call->extra[0] && (caps == 1 || call->extra[1]);
}

/* A request of `length` words. */
static inline word serve(struct invocation *call, word label, const word *words, word length)
{
    if (UNLIKELY(label >= sizeof forms / sizeof *forms || !forms[label].invocation))
        return label == ASYNC_PUT_CHAR || label == ASYNC_PUT_STRING ? put(label, words, length)
                                                                    : ERROR_ILLEGAL_OPERATION;
    word caps = forms[label].caps;
    if (UNLIKELY(length <= caps))
        return ERROR_TRUNCATED_MESSAGE;
    if (UNLIKELY(!look_up(call, words, caps)))
        return ERROR_FAILED_LOOKUP;
    call->label = forms[label].invocation;
    call->words = words + 1 + caps;
    call->length = length - 1 - caps;
    call->extra_caps = caps;
    return invoke(call);
}

word async_calls_serve(struct tcb *owner, struct syscall_buffer *buffer, word waiting, word most,
                       const char **broken)
{
    struct invocation call;
    word words[MAX_WORDS];
    word served = 0;
    call.caller = owner;
    word free = buffer->capacity - (buffer->reply_tail - *buffer_word(buffer, BUFFER_REPLIES_HEAD));
    for (; waiting && served < most; served++, free--, waiting--) {
        if (UNLIKELY(free - 1 >= buffer->capacity)) { /* none, or more than there are */
            *broken = "no room for a reply";
            break;
        }
        volatile word *item = buffer_slot(buffer, buffer->request_head++);
        word first = item[0], length = first >> 40 & 0xff;
        /* By halves of the slot: one more question costs more than a few words in a line that is
         * there, and a line that is not there costs more than a question. */
        words[0] = item[1], words[1] = item[2], words[2] = item[3];
        if (length > 3)
            words[3] = item[4], words[4] = item[5], words[5] = item[6], words[6] = item[7];
        if (UNLIKELY(length > ITEM_WORDS)) {
            if (length > MAX_WORDS || !--waiting) {
                *broken = "an item is longer than what was published";
                break;
            }
            item = buffer_slot(buffer, buffer->request_head++);
            for (word n = ITEM_WORDS; n < length; n++)
                words[n] = item[n - ITEM_WORDS];
        }
        call.answers = 0;
        word error = serve(&call, first >> 32 & 0xff, words, length);
        volatile word *reply = buffer_slot(buffer, buffer->reply_tail++)
                               + buffer->capacity * (ITEM_BYTES / sizeof(word));
        for (word n = 0; n < call.answers; n++)
            reply[1 + n] = call.answer[n];
        word head = error << 48 | call.answers << 40 | (first & 0xffffffffff);
        mark(MARK_HANDLED, head);
        reply[0] = head;
    }
    return served;
}
