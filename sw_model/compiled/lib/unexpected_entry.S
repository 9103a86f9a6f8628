# Where a trap of a program without a handler of its own goes: unexpected_trap, on this hart's stack
# as it is.
    .section .text.unexpected_trap_entry, "ax"
    .globl unexpected_trap_entry
    .balign 4
unexpected_trap_entry:
    csrr a0, mcause
    csrr a1, mepc
    csrr a2, mtval
    call unexpected_trap
