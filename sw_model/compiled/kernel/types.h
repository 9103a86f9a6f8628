/* Words, and the two addresses of one byte of memory. */
#ifndef TYPES_H
#define TYPES_H

/* The kernel sees the first 4 GiB of physical memory, devices too, at this distance. */
#define KERNEL_OFFSET 0xffffffff00000000
#define PAGE_BITS 12
#define PAGE_BYTES (1 << PAGE_BITS)
#define LINE_BYTES 64

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t word;

#define LINE_ALIGNED __attribute__((aligned(LINE_BYTES)))
#define PAGE_ALIGNED __attribute__((aligned(PAGE_BYTES)))
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

static inline void *at(word physical)
{
    return (void *)(physical + KERNEL_OFFSET);
}

static inline word physical(const volatile void *address)
{
    return (word)address - KERNEL_OFFSET;
}
#endif
#endif
