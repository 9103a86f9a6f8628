/* What is chosen when the kernel is built (-D), and what the loader writes into its image. */
#ifndef CONFIG_H
#define CONFIG_H

#include <soc.h>

#include "types.h"

#define MAX_HARTS 4
#define STACK_BYTES 2048

/* Slots of the initial CNode, as log2. */
#ifndef ROOT_RADIX
#define ROOT_RADIX 10
#endif

/* What a trap does to the root page table. 0: nothing, the kernel is mapped in every table.
 * 1: it goes to the kernel's own and back, address-space identifiers keep translations apart.
 * 2: the same, and translations are forgotten both times. */
#ifndef ROOT_SWITCH
#define ROOT_SWITCH 0
#endif

/* 1: short IPC takes seL4's fastpath. */
#ifndef FASTPATH
#define FASTPATH 0
#endif

#ifndef __ASSEMBLER__
/* The loader may change these words in the image. */
struct parameters {
    word harts;
    word timer_period;
    word timer_phase[MAX_HARTS]; /* cycles from boot to the first tick */
    word memory_bytes;           /* from MEMORY_BASE on */
};
extern const volatile struct parameters parameters;
#endif
#endif
