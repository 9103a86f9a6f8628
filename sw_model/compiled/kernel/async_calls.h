/* The calls that can be made asynchronously: from a request's item to the reply's. */
#ifndef ASYNC_CALLS_H
#define ASYNC_CALLS_H

#include "objects.h"
#include "syscall_buffer.h"

/* Serve at most `most` of the requests in the first `waiting` slots of the ring, and write their
 * replies' slots; nothing is published. Stores in *broken a sentence if the owner's indices or items
 * cannot be, and answers how many requests were served. */
word async_calls_serve(struct tcb *owner, struct syscall_buffer *buffer, word waiting, word most,
                       const char **broken);
#endif
