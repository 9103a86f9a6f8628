# A handler of user interrupts in C: takes the pending bits and hands them to the program's
# user_interrupt(pending), with the registers saved that C may change. Write its address into utvec.

#include "uintr.h"

#define FRAME 128

.macro registers op
    \op ra, 0(sp)
    \op t0, 8(sp)
    \op t1, 16(sp)
    \op t2, 24(sp)
    \op t3, 32(sp)
    \op t4, 40(sp)
    \op t5, 48(sp)
    \op t6, 56(sp)
    \op a0, 64(sp)
    \op a1, 72(sp)
    \op a2, 80(sp)
    \op a3, 88(sp)
    \op a4, 96(sp)
    \op a5, 104(sp)
    \op a6, 112(sp)
    \op a7, 120(sp)
.endm

    .section .text.user_handler, "ax"
    .globl user_handler
    .balign 4
user_handler:
    addi sp, sp, -FRAME
    registers sd
    uipi_read a0
    call user_interrupt
    registers ld
    addi sp, sp, FRAME
    uret
