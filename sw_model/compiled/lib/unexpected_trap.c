#include <csr.h>
#include <stdio.h>
#include <stdlib.h>
#include <trap.h>

/* Called by unexpected.S: a trap that the program has no handler for. */
__attribute__((noreturn, weak)) void unexpected_trap(uint64_t cause, uint64_t pc, uint64_t value)
{
    printf("hart %lu: unexpected trap, mcause %#lx, mepc %#lx, mtval %#lx\n",
           csr_read(mhartid), cause, pc, value);
    exit(133);
}

/* Called by trap.S of a program that does not handle traps. */
__attribute__((weak)) void trap(struct trap_frame *frame)
{
    unexpected_trap(frame->cause, frame->pc, frame->value);
}
