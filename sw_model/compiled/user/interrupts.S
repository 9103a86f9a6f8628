/* User-interrupt handlers: note the vectors in a thread's wake word, and go on where it was. Two
 * registers do, so no more are saved. */
#include <rel4_abi.h>
#include <uintr.h>

.macro handler name, word
    .globl \name
    .balign 64
\name:
    addi sp, sp, -16
    sd t0, 0(sp)
    sd t1, 8(sp)
    uipi_read t0
    csrci UINTR_CSR_UIP, 1      /* the software bit; the line is low by now */
    lla t1, \word
    amoor.d zero, t0, (t1)
    slti zero, t0, MARK_USER_TRAP
    ld t0, 0(sp)
    ld t1, 8(sp)
    addi sp, sp, 16
    uret
.endm

    .text
    handler user_interrupt, wake_word

    .globl user_entry
user_entry:
    li tp, IPC_BUFFER_ADDRESS
    call main
    call seL4_DebugHalt             /* main's result is the machine's */

    /* The server of asynchronous IPC, in a section of its own: other programs leave it out. */
    .section .text.server, "ax"
    handler server_interrupt, server_wake_word

    .section .bss.stack, "aw", @nobits
    .balign 16
    .skip 8192
    .globl user_stack_end
user_stack_end:
