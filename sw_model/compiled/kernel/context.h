/* A thread's registers as trap entry and exit see them. */
#ifndef CONTEXT_H
#define CONTEXT_H

/* Register xN lies at 8 * N; x0's place holds the program counter. */
#define CONTEXT_PC 0
#define CONTEXT_HART 256 /* the hart that runs it */
#define HART_STACK 0     /* upper end of the hart's kernel stack */
#define HART_FENCES 8    /* another hart wants translations forgotten */
#define HART_ASKED 16    /* another hart wants this one in the kernel */

#ifndef __ASSEMBLER__
#include "types.h"

struct hart;

struct context {
    word registers[32];
    struct hart *hart;
};
enum { PC = 0, SP = 2, A0 = 10, A1, A2, A3, A4, A5, A6, A7 };
_Static_assert(offsetof(struct context, hart) == CONTEXT_HART, "traps.S relies on it");
#endif
#endif
