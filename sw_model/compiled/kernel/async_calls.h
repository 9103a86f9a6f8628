/* The calls that can be made asynchronously. */
#ifndef ASYNC_CALLS_H
#define ASYNC_CALLS_H

#include "objects.h"
#include "syscall_buffer.h"

/* Serve the request at the head of the ring, of which `waiting` slots are published, and write the
 * reply's slot. Answers how many slots the request took; 0: it cannot be. */
word async_call_serve(struct tcb *owner, const struct syscall_buffer *buffer, word waiting,
                      volatile word *reply);
#endif
