/* What the kernel wants of the hart beyond plain C: causes of traps, time, fences. */
#ifndef RISCV_H
#define RISCV_H

#include <csr.h>

#include "types.h"

/* When the next timer interrupt comes; older assemblers do not know its name. */
#define csr_write_stimecmp(time) csr_write(0x14d, time)

#define INTERRUPT (UINT64_C(1) << 63)
#define CAUSE_SOFTWARE (INTERRUPT | 1)
#define CAUSE_TIMER (INTERRUPT | 5)
#define CAUSE_EXTERNAL (INTERRUPT | 9) /* the controller's supervisor line */
#define CAUSE_ECALL 8
#define CAUSE_FETCH_PAGE_FAULT 12
#define CAUSE_LOAD_PAGE_FAULT 13
#define CAUSE_STORE_PAGE_FAULT 15
#define SIP_SOFTWARE (1 << 1)
#define SIP_TIMER (1 << 5)
#define SIP_EXTERNAL (1 << 9)
#define SATP_SV39 (UINT64_C(8) << 60)
#define SATP_ASID_LSB 44

static inline word read_time(void)
{
    word value;
    __asm__ volatile("csrr %0, time" : "=r"(value));
    return value;
}

/* Before a store that publishes what was written before. */
static inline void fence_release(void)
{
    __asm__ volatile("fence rw, w" : : : "memory");
}

/* After a load that found something published. */
static inline void fence_acquire(void)
{
    __asm__ volatile("fence r, rw" : : : "memory");
}

static inline void fence_full(void)
{
    __asm__ volatile("fence rw, rw" : : : "memory");
}

static inline void sfence_address(word virtual, word asid)
{
    __asm__ volatile("sfence.vma %0, %1" : : "r"(virtual), "r"(asid) : "memory");
}

static inline void sfence_all(void)
{
    __asm__ volatile("sfence.vma" : : : "memory");
}
#endif
