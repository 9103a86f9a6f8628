/* Stackless coroutines: a function that is entered where it was left.
 *
 * A coroutine is a function `bool step(struct coroutine *self)`, true when it has ended. What must
 * outlive a suspension lies in a structure that begins with `struct coroutine`. A suspension is a
 * place in the code, so there is at most one a line. */
#ifndef COROUTINE_H
#define COROUTINE_H

#include "syscalls.h"

enum { NOBODY = 0xffff };

struct coroutine {
    bool (*step)(struct coroutine *self);
    uint16_t at;      /* line where it goes on */
    uint16_t next;    /* in a queue, by cid */
    uint16_t error;   /* what its call answered */
    uint8_t priority;
    bool ready;
    bool background;
    bool answered;
};

#define COROUTINE_BEGIN(self) switch ((self)->at) { case 0:
#define COROUTINE_END(self) } return true

/* Suspend until woken. */
#define COROUTINE_SUSPEND(self) \
    do { (self)->at = __LINE__; return false; case __LINE__:; } while (0)

/* Make a call that may suspend: `call` is true if it was answered at once; if not, the coroutine is
 * entered again with its answer, or, where there was no room for it, without, and it is made again. */
#define COROUTINE_CALL(self, call) \
    do { \
        (self)->at = __LINE__; /* fall through */ case __LINE__: \
        if (!(self)->answered && !(call)) \
            return false; \
        (self)->answered = false; \
    } while (0)
#endif
