/* Stackless coroutines: a function that is entered where it was left.
 *
 * A coroutine is a function `bool step(struct coroutine *self)`, true when it has ended. What must
 * outlive a suspension lies in a structure that begins with `struct coroutine`. A suspension is a
 * label, so there is at most one a line. */
#ifndef COROUTINE_H
#define COROUTINE_H

#include "syscalls.h"

enum { NOBODY = 0xffff };

struct coroutine {
    bool (*step)(struct coroutine *self);
    word at;          /* label where it goes on; 0: its beginning */
    word answer;      /* first word of its call's answer, if that has one */
    uint16_t cid;
    uint16_t next;    /* in a queue, by cid */
    uint16_t error;   /* what its call answered */
    bool answered;
    bool ready;
    uint8_t priority;
    bool background;
};

#define COROUTINE_BEGIN(self) \
    if ((self)->at) \
        goto *(const void *)(self)->at

#define COROUTINE_PASTE(line) coroutine_line_##line
#define COROUTINE_LABEL(line) COROUTINE_PASTE(line)

/* Suspend until woken. */
#define COROUTINE_SUSPEND(self) \
    do { \
        (self)->at = (word)&&COROUTINE_LABEL(__LINE__); \
        return false; \
        COROUTINE_LABEL(__LINE__):; \
    } while (0)

/* Make a call that is answered later: `submit` submits it and is false. The coroutine is entered
 * again with its answer, or, where there was no room for it, without; then it is made again. */
#define COROUTINE_CALL(self, submit) \
    do { \
        (self)->at = (word)&&COROUTINE_LABEL(__LINE__); \
        return submit; \
        COROUTINE_LABEL(__LINE__): \
        if (!(self)->answered) \
            return submit; \
        (self)->answered = false; \
    } while (0)
#endif
