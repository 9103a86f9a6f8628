# Traps into M-mode: all registers in a struct trap_frame (trap.h), then trap(frame), then back.
# mscratch is 0 while the hart is in M-mode, or else the stack that a trap from below runs on.

#define FRAME 288 /* sizeof(struct trap_frame) in whole 16 bytes */

.macro registers op
    .irp n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    \op x\n, 8*\n(sp)
    .endr
.endm

    .section .text.trap_entry, "ax"
    .globl trap_entry
    .balign 4
trap_entry:
    csrrw sp, mscratch, sp
    bnez sp, 1f
    csrr sp, mscratch           # from M-mode: the stack goes on
1:  addi sp, sp, -FRAME
    registers sd
    csrrw t0, mscratch, zero    # the interrupted sp
    sd t0, 16(sp)
    csrr t0, mepc
    sd t0, 256(sp)
    csrr t0, mstatus
    sd t0, 264(sp)
    csrr t0, mcause
    sd t0, 272(sp)
    csrr t0, mtval
    sd t0, 280(sp)
    mv a0, sp
    call trap
    mv a0, sp
    # Goes on with the frame in a0, which lies at the top of what is used of this hart's stack.
    .globl trap_return
trap_return:
    mv sp, a0
    ld t0, 264(sp)
    csrw mstatus, t0
    srli t0, t0, 11
    andi t0, t0, 3              # MPP: where it goes
    addi t0, t0, -3
    beqz t0, 2f
    addi t1, sp, FRAME
    csrw mscratch, t1
2:  ld t0, 256(sp)
    csrw mepc, t0
    registers ld
    ld sp, 16(sp)
    mret
