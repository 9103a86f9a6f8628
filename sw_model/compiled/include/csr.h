/* Accesses to a CSR by name or number, ordered with the accesses to memory around them. Those of user
 * interrupts, whose names compilers do not know, have macros of their own in uintr.h. */
#ifndef CSR_H
#define CSR_H

#include <stdint.h>

#define csr_read(csr) __extension__({                                                              \
    uint64_t csr_value;                                                                            \
    __asm__ volatile("csrr %0, " #csr : "=r"(csr_value) : : "memory");                             \
    csr_value; })
#define csr_write(csr, word) __asm__ volatile("csrw " #csr ", %0" : : "rK"((uint64_t)(word)) : "memory")
#define csr_swap(csr, word) __extension__({                                                        \
    uint64_t csr_before;                                                                           \
    __asm__ volatile("csrrw %0, " #csr ", %1" : "=r"(csr_before) : "rK"((uint64_t)(word)) : "memory"); \
    csr_before; })
#define csr_set(csr, bits) __asm__ volatile("csrs " #csr ", %0" : : "rK"((uint64_t)(bits)) : "memory")
#define csr_clear(csr, bits) __asm__ volatile("csrc " #csr ", %0" : : "rK"((uint64_t)(bits)) : "memory")

static inline uint64_t read_cycle(void)
{
    uint64_t cycle;
    __asm__ volatile("rdcycle %0" : "=r"(cycle) : : "memory");
    return cycle;
}

static inline uint64_t read_instret(void)
{
    uint64_t count;
    __asm__ volatile("rdinstret %0" : "=r"(count) : : "memory");
    return count;
}

#endif
