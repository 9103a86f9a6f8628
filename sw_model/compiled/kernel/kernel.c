/* The kernel: every trap goes the same way. Registers are saved, the big lock is taken, the cause is
 * handled, a thread is chosen, the hart becomes that thread's, the lock is released, registers are
 * restored. */
#include "kernel.h"

#include <mark.h>

#include "riscv.h"
#include "endpoint.h"
#include "hart.h"
#include "lock.h"
#include "policies.h"
#include <rel4_abi.h>
#include "scheduler.h"
#include "uintr_state.h"
#include "vspace.h"

struct hart harts[MAX_HARTS];

void interrupt_hart(const struct hart *hart)
{
    ((volatile uint32_t *)at(SSWI_BASE))[hart->index] = 1;
}

void send_ipi(struct hart *hart)
{
    hart->asked = 1;
    fence_full();
    interrupt_hart(hart);
}

/* Handlers first, then the scheduler's tick; the next period begins when both are done. */
static void timer(void)
{
    policies_on_tick();
    scheduler_tick();
    csr_write_stimecmp( read_time() + parameters.timer_period);
}

static void interrupt(word cause)
{
    switch (cause) {
    case CAUSE_TIMER:
        timer();
        break;
    case CAUSE_SOFTWARE:
        here->asked = 0;
        policies_on_ipi();
        break;
    case CAUSE_EXTERNAL:
        policies_on_signal(uintr_take_interrupts());
        break;
    default:
        break;
    }
}

/* Wait for an interrupt and handle it, without a trap: the idle thread has no registers to save. */
static void idle(void)
{
    lock_release();
    word pending;
    do {
        __asm__ volatile("wfi");
        pending = csr_read(sip) & csr_read(sie);
    } while (!pending);
    lock_acquire();
    if (pending & SIP_SOFTWARE) {
        mark(MARK_TRAP, CAUSE_SOFTWARE);
        csr_clear(sip, SIP_SOFTWARE);
        interrupt(CAUSE_SOFTWARE);
    }
    if (pending & SIP_EXTERNAL) {
        mark(MARK_TRAP, CAUSE_EXTERNAL);
        interrupt(CAUSE_EXTERNAL);
    }
    if (pending & SIP_TIMER) {
        mark(MARK_TRAP, CAUSE_TIMER);
        interrupt(CAUSE_TIMER);
    }
}

/* The way out, with the lock held: the context of the thread to run. */
struct context *kernel_leave(void)
{
    if (UNLIKELY(here->choose)) {
        struct tcb *tcb = scheduler_choose();
        if (tcb == here->idle_thread) {
            uintr_switch(tcb);
            here->idle = true;
            policies_on_idle(true);
            do {
                idle();
            } while (scheduler_choose() == here->idle_thread);
            policies_on_idle(false);
            here->idle = false;
        }
    }
    struct tcb *tcb = here->current;
    uintr_switch(tcb);
    vspace_activate(tcb);
    if (UNLIKELY(here->fences)) {
        sfence_all();
        here->fences = 0;
    }
    tcb->context.hart = here;
    here->inside = 0;
    lock_release();
    return &tcb->context;
}

struct context *trap(struct context *context, word cause)
{
    struct tcb *tcb = (struct tcb *)context;
    mark(MARK_TRAP, cause);
    here->inside = 1;
    lock_acquire();
    if (cause == CAUSE_ECALL) {
        context->registers[PC] += 4;
        if (!FASTPATH || !endpoint_fastpath(tcb))
            syscall_handle(tcb);
    } else if (cause & INTERRUPT) {
        interrupt(cause);
    } else {
        fault_handle(tcb, cause);
    }
    return kernel_leave();
}
