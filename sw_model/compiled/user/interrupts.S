/* The user-interrupt handler: note the vectors in the wake word, and go on where the thread was.
 * Two registers do, so no more are saved. */
#include <rel4_abi.h>
#include <uintr.h>

    .text
    .globl user_interrupt
    .balign 64
user_interrupt:
    addi sp, sp, -16
    sd t0, 0(sp)
    sd t1, 8(sp)
    uipi_read t0
    csrci UINTR_CSR_UIP, 1      /* the software bit; the line is low by now */
    lla t1, wake_word
    amoor.d zero, t0, (t1)
    slti zero, t0, MARK_USER_TRAP
    ld t0, 0(sp)
    ld t1, 8(sp)
    addi sp, sp, 16
    uret

    .globl user_entry
user_entry:
    call main
    call seL4_DebugHalt             /* main's result is the machine's */

    .bss
    .balign 8
    .balign 16
    .skip 8192
    .globl user_stack_end
user_stack_end:
