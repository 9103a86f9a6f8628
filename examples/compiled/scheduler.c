/* A preemptive scheduler without a kernel: user threads, switched by a timer's user interrupt.
 * rel4 cc scheduler.c switch.S -o scheduler.elf && rel4 run scheduler.elf
 *
 * M-mode does one thing: at each tick of the machine timer it posts to the receiver of the process.
 * The handler of that user interrupt (switch.S) saves the thread's registers on its stack and goes on
 * with the next thread's. No thread ever yields. */
#include <csr.h>
#include <soc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <trap.h>
#include <uintr.h>

#define THREADS 3
#define SLICE 2000 /* cycles */
#define STACK 2048

#define MIE_TIMER (1 << 7)

/* --- In U-mode ---------------------------------------------------------------------------------- */

struct thread {
    void *sp; /* of its saved registers, while it does not run */
    bool done;
    uint64_t slices, result;
    char stack[STACK] __attribute__((aligned(16)));
};

static struct thread threads[THREADS];
static int current;

void switch_handler(void); /* switch.S: an address for utvec */

/* Called with the saved registers of the thread that was interrupted; answers those of the next. */
void *next_thread(void *sp)
{
    threads[current].sp = sp;
    do
        current = (current + 1) % THREADS;
    while (threads[current].done);
    threads[current].slices++;
    return threads[current].sp;
}

/* How many primes are below a limit, the slow way. */
static uint64_t primes(uint64_t limit)
{
    uint64_t count = 0;
    for (uint64_t n = 2; n < limit; n++) {
        bool prime = true;
        for (uint64_t d = 2; d * d <= n && prime; d++)
            prime = n % d != 0;
        count += prime;
    }
    return count;
}

static void work(int index)
{
    threads[index].result = primes(200u << index);
    threads[index].done = true;
    for (;;) /* the next tick never comes back here */
        for (int each = 0; each < THREADS && threads[each].done; each++)
            if (each == THREADS - 1) {
                uintr_csr_clear(UINTR_CSR_USTATUS, UINTR_CSR_USTATUS_UIE_MASK);
                for (int all = 0; all < THREADS; all++)
                    printf("thread %d: %lu primes, %s\n", all, threads[all].result,
                           threads[all].slices > 1 ? "preempted" : "not preempted");
                exit(0);
            }
}

/* The words of a saved thread, as switch.S has them. */
enum { SAVED_PC = 0, SAVED_A0 = 10, SAVED_WORDS = 32 };

static void first_thread(void *argument)
{
    (void)argument;
    for (int index = 1; index < THREADS; index++) {
        uint64_t *saved = (uint64_t *)(threads[index].stack + STACK) - SAVED_WORDS;
        saved[SAVED_PC] = (uint64_t)work;
        saved[SAVED_A0] = (uint64_t)index;
        saved[3] = ({ uint64_t gp; __asm__("mv %0, gp" : "=r"(gp)); gp; });
        threads[index].sp = saved;
    }
    threads[0].slices = 1;
    uintr_csr_write(UINTR_CSR_UTVEC, switch_handler);
    uintr_csr_set(UINTR_CSR_UIE, UINTR_CSR_UIE_SOFTWARE_MASK);
    uintr_csr_set(UINTR_CSR_USTATUS, UINTR_CSR_USTATUS_UIE_MASK);
    work(0);
}

/* --- In M-mode ---------------------------------------------------------------------------------- */

void trap(struct trap_frame *frame)
{
    if (frame->cause != CAUSE_MACHINE_TIMER) {
        printf("cause %#lx at %#lx\n", frame->cause, frame->pc);
        exit(1);
    }
    *mtimecmp(0) = *mtime() + SLICE;
    uintr_slot(0)->send = 0;
}

int main(void)
{
    csr_write(mtvec, trap_entry);
    uintr_slot(0)->low = uintr_low(1, 1, 0, 0, 0);
    uintr_csr_write(UINTR_CSR_SUIRS, uintr_suirs(0, 1));
    delegate_user_interrupts();
    *mtimecmp(0) = *mtime() + SLICE;
    csr_set(mie, MIE_TIMER);
    enter_user(first_thread, 0, threads[0].stack + STACK);
}
