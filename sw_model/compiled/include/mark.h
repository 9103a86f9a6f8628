/* mark(id, value): a moment of a run that Python hears of as (cycle, hart, id, value).
 *
 * It is one instruction of one cycle, `slti x0, value, id`, which the ISA reserves as a hint: it
 * changes nothing, and is seen where the hart's retired instructions are. id is a constant from 0 to
 * 2047. The compiler moves no access to memory across a mark; arithmetic it may. */
#ifndef MARK_H
#define MARK_H

#include <stdint.h>

#define mark(id, value)                                                                            \
    __asm__ volatile("slti x0, %0, %1" : : "r"((uint64_t)(value)), "i"(id) : "memory")

#endif
