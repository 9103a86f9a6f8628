/* From reset to the kernel in supervisor mode: the little that must be done in machine mode. */
#include "config.h"
#include "context.h"

    .section .text.start, "ax"
    .globl start
start:
    csrr a0, mhartid
    lla t0, parameters          /* machine mode has physical addresses, and so has lla */
    ld t0, 0(t0)
    bgeu a0, t0, surplus
    lla t0, machine_trap
    csrw mtvec, t0
    li t0, -1
    csrw medeleg, t0
    li t1, 0x333                /* software, timer, external; of supervisor and of user kind */
    csrw mideleg, t1
    csrw pmpaddr0, t0
    li t0, 0x1f                 /* all memory, for everyone */
    csrw pmpcfg0, t0
    li t0, 7                    /* cycle, time and instret below machine mode */
    csrw mcounteren, t0
    csrw scounteren, t0
    li t0, 1 << 63              /* stimecmp */
    csrs 0x30a, t0
    lla t0, kernel_satp
    ld t0, 0(t0)
    csrw satp, t0
    sfence.vma
    li t0, 3 << 11
    csrc mstatus, t0
    li t0, 1 << 11
    csrs mstatus, t0
    li t1, KERNEL_OFFSET
    lla t0, supervisor
    add t0, t0, t1
    csrw mepc, t0
    mret
surplus:
    wfi
    j surplus

/* Everything is delegated: what comes here is a bug. */
    .balign 4
machine_trap:
    j machine_trap

    .section .text.supervisor, "ax"
supervisor:
    csrw sscratch, zero
    lla t0, trap_entry
    csrw stvec, t0
    li t0, STACK_BYTES
    addi t1, a0, 1
    mul t0, t0, t1
    lla sp, stacks
    add sp, sp, t0
    call boot_hart              /* answers the context of the first thread */
    j trap_exit

    .section .bss.stacks, "aw", @nobits
    .globl stacks
    .balign 16
stacks:
    .skip STACK_BYTES * MAX_HARTS

/* The kernel's root table: the first 4 GiB of physical memory in its last four entries, global, for
 * supervisor mode alone. An address space begins as a copy of it. */
    .section .data
    .globl kernel_root
    .balign 4096
kernel_root:
    .skip 8 * 508
    .dword 0x000000e7
    .dword 0x100000ef
    .dword 0x200000ef
    .dword 0x300000ef
    .globl kernel_satp
kernel_satp:
    .dword kernel_satp_value    /* the linker script knows where the table lies */

/* The user's image, in its own addresses, which are too far away for the kernel's code. */
    .globl user_layout
user_layout:
    .dword user_image, user_bss_end, user_entry, user_stack_end
