# Where every hart begins, in M-mode. Hart 0 clears .bss and runs main(0), whose result ends the run;
# the others wait for .bss and run hart_main(hart), which parks them unless the program has its own.

#include "uintr.h"

    .section .text.start, "ax"
    .globl _start
_start:
    csrr s0, mhartid
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    la t0, unexpected_trap_entry
    csrw mtvec, t0
    csrw mscratch, zero
    # Lower modes may use all of memory and read the counters.
    li t0, -1
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
    li t0, 7
    csrw mcounteren, t0
    csrw scounteren, t0
    la sp, __stack_top
    lui t0, %hi(__stack_bytes)
    addi t0, t0, %lo(__stack_bytes)
    mul t0, t0, s0
    sub sp, sp, t0
    bnez s0, 3f

    la t0, __bss
    la t1, __bss_end
    j 2f
1:  sd zero, 0(t0)
    addi t0, t0, 8
2:  bltu t0, t1, 1b
    fence rw, w
    la t0, started
    li t1, 1
    sd t1, 0(t0)
    li a0, 0
    call main
    tail exit

3:  la t0, started
4:  ld t1, 0(t0)
    beqz t1, 4b
    fence r, rw
    mv a0, s0
    call hart_main
    # What hart_main leaves is parked.

    .weak hart_main
hart_main:
5:  wfi
    j 5b

    # Not in .bss: other harts look at it while that is cleared.
    .data
    .balign 8
started:
    .dword 0
