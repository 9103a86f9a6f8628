# The user-interrupt handler of scheduler.c: all registers on the thread's own stack, 32 words with the
# pc in the place of x0; then those of whichever thread next_thread() names.
#include "uintr.h"

.macro registers op
    .irp n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    \op x\n, 8*\n(sp)
    .endr
.endm

    .text
    .balign 4
    .globl switch_handler
switch_handler:
    addi sp, sp, -256
    registers sd
    csrr t0, UINTR_CSR_UEPC
    sd t0, 0(sp)
    uipi_read x0                # the tick is seen
    mv a0, sp
    call next_thread
    mv sp, a0
    ld t0, 0(sp)
    csrw UINTR_CSR_UEPC, t0
    registers ld
    addi sp, sp, 256
    uret
