/* Faults, and the debug console. */
#include "riscv.h"
#include "hart.h"
#include "kernel.h"
#include "scheduler.h"
#include "uintr_state.h"
#include "vspace.h"

/* A store here ends the run: bit 0 says so, the rest is the status. `tohost` is its physical
 * address. */
volatile word tohost_word __attribute__((section(".tohost"), used));

void put_char(char character)
{
    volatile uint8_t *uart = at(UART_BASE);
    while (!(uart[5] & 0x20)) /* the transmitter is busy */
        ;
    uart[0] = (uint8_t)character;
}

void put_string(const char *text)
{
    while (*text)
        put_char(*text++);
}

void put_hex(word value)
{
    put_string("0x");
    for (int shift = 60; shift >= 0; shift -= 4)
        if (value >> shift || !shift)
            put_char("0123456789abcdef"[value >> shift & 15]);
}

_Noreturn void halt(word status)
{
    if (!status && !uintr_all_taken()) {
        put_string("a user interrupt is pending at the end\n");
        status = 1;
    }
    for (;;)
        tohost_word = (status & 0xff) << 1 | 1;
}

static void say(const char *who, word cause, word pc, word value)
{
    put_string(who);
    put_string(": cause ");
    put_hex(cause);
    put_string(" at ");
    put_hex(pc);
    put_string(", value ");
    put_hex(value);
    put_string("\n");
}

void fault_handle(struct tcb *tcb, word cause)
{
    word value = csr_read(stval);
    bool page_fault = cause == CAUSE_FETCH_PAGE_FAULT || cause == CAUSE_LOAD_PAGE_FAULT
                      || cause == CAUSE_STORE_PAGE_FAULT;
    if (page_fault && vspace_spurious(tcb, cause, value))
        return;
    say("thread ended by a fault", cause, tcb->context.registers[PC], value);
    tcb->state = THREAD_INACTIVE;
    here->choose = true;
    for (unsigned n = 0; n < parameters.harts; n++)
        if (n != here->index && !scheduler_spare(&harts[n]))
            return;
    if (scheduler_spare(here) || here->current == tcb)
        halt(2);
}

_Noreturn void kernel_fault(word cause, word pc, word value)
{
    say("the kernel has a bug", cause, pc, value);
    halt(3);
}
