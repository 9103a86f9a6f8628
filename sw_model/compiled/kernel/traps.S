/* Trap entry and exit. From user mode alone: the kernel runs with interrupts off, and takes none. */
#include "config.h"
#include "context.h"

.macro each_register operation
    \operation x1, 8*1(tp)
    \operation x2, 8*2(tp)
    \operation x3, 8*3(tp)
    \operation x6, 8*6(tp)
    \operation x7, 8*7(tp)
    \operation x8, 8*8(tp)
    \operation x9, 8*9(tp)
    \operation x10, 8*10(tp)
    \operation x11, 8*11(tp)
    \operation x12, 8*12(tp)
    \operation x13, 8*13(tp)
    \operation x14, 8*14(tp)
    \operation x15, 8*15(tp)
    \operation x16, 8*16(tp)
    \operation x17, 8*17(tp)
    \operation x18, 8*18(tp)
    \operation x19, 8*19(tp)
    \operation x20, 8*20(tp)
    \operation x21, 8*21(tp)
    \operation x22, 8*22(tp)
    \operation x23, 8*23(tp)
    \operation x24, 8*24(tp)
    \operation x25, 8*25(tp)
    \operation x26, 8*26(tp)
    \operation x27, 8*27(tp)
    \operation x28, 8*28(tp)
    \operation x29, 8*29(tp)
    \operation x30, 8*30(tp)
    \operation x31, 8*31(tp)
.endm

/* sscratch is the current thread's context in user mode and 0 in the kernel. */
    .section .text.traps, "ax"
    .globl trap_entry
    .balign 64
trap_entry:
    csrrw tp, sscratch, tp
    beqz tp, trap_in_kernel
    sd t0, 8*5(tp)
    csrr t0, scause
    bltz t0, interrupt
enter:
    each_register sd
    mv a1, t0
    csrrw t0, sscratch, zero
    sd t0, 8*4(tp)
    csrr t0, sepc
    sd t0, CONTEXT_PC(tp)
#if ROOT_SWITCH
    ld t0, kernel_satp
    csrw satp, t0
#if ROOT_SWITCH == 2
    sfence.vma
#endif
#endif
    mv a0, tp
    ld tp, CONTEXT_HART(tp)
    ld sp, HART_STACK(tp)
    call trap                   /* answers the thread to run; satp is that thread's already */

    .globl trap_exit
trap_exit:                      /* a0: the context of the thread to run */
    mv tp, a0
    csrw sscratch, tp
    ld t0, CONTEXT_PC(tp)
    csrw sepc, t0
    each_register ld
    ld t0, 8*5(tp)
    ld tp, 8*4(tp)
    sret

/* Another hart that wants no more than translations forgotten is served here at once: nothing is
 * saved, and the big lock, which the other one holds, is not asked for. */
interrupt:
    sd t1, 8*6(tp)
    li t1, (1 << 63) | 1
    bne t0, t1, not_alone
    csrci sip, 1 << 1           /* before the look at what is wanted */
    ld t1, CONTEXT_HART(tp)
    ld t0, HART_FENCES(t1)
    beqz t0, 1f
    sfence.vma
    fence rw, w
    sd zero, HART_FENCES(t1)
1:  ld t0, HART_ASKED(t1)
    bnez t0, asked
    ld t1, 8*6(tp)
    ld t0, 8*5(tp)
    csrrw tp, sscratch, tp
    sret
asked:
    li t0, (1 << 63) | 1
not_alone:
    ld t1, 8*6(tp)
    j enter

/* A bug of the kernel's: say where it was. */
trap_in_kernel:
    csrr a0, scause
    csrr a1, sepc
    csrr a2, stval
    csrr tp, sscratch
    ld sp, HART_STACK(tp)
    j kernel_fault
