/* Two harts answer each other by user interrupts, without a kernel between them:
 * rel4 cc ping_pong.c -o ping_pong.elf && rel4 run ping_pong.elf --harts 2
 *
 * M-mode hands each hart a receiver and a sender table once; all the rest happens in U-mode. */
#include <csr.h>
#include <mark.h>
#include <stdio.h>
#include <stdlib.h>
#include <trap.h>
#include <uintr.h>

#define ROUNDS 10
#define VECTOR 1
#define PONG 1 /* a mark */

/* Entry n posts to receiver n, which hart n listens to. */
static uint64_t table[512] __attribute__((aligned(4096)));
static char stacks[2][4096] __attribute__((aligned(16)));
static volatile uint64_t received[2], when[ROUNDS + 1];

/* In U-mode, on top of what the hart was doing. */
void user_interrupt(uint64_t pending)
{
    uint64_t me = uintr_csr_read(UINTR_CSR_USCRATCH);
    if (!(pending & 1 << VECTOR))
        abort();
    uint64_t count = ++received[me];
    if (me == 0) {
        when[count] = read_cycle();
        mark(PONG, count);
    }
    if (me == 1 || count < ROUNDS)
        uipi_send(!me);
}

static void player(void *argument)
{
    uint64_t me = (uint64_t)argument;
    uintr_csr_write(UINTR_CSR_USCRATCH, me);
    uintr_csr_write(UINTR_CSR_UTVEC, user_handler);
    uintr_csr_set(UINTR_CSR_UIE, UINTR_CSR_UIE_SOFTWARE_MASK);
    uintr_csr_set(UINTR_CSR_USTATUS, UINTR_CSR_USTATUS_UIE_MASK);
    if (me == 0) {
        when[0] = read_cycle();
        uipi_send(1);
    }
    while (received[0] < ROUNDS)
        ;
    if (me != 0)
        for (;;)
            ;
    for (int round = 1; round <= ROUNDS; round++)
        printf("round %d: %lu cycles\n", round, when[round] - when[round - 1]);
    printf("%lu and %lu user interrupts\n", received[0], received[1]);
    exit(0);
}

/* In M-mode: what a kernel would do for a thread that may send and receive. */
__attribute__((noreturn)) void hart_main(uint64_t hart)
{
    table[hart] = uintr_sender_entry(1, VECTOR, hart);
    uintr_slot(hart)->low = uintr_low(1, 1, 0, 0, hart);
    uintr_csr_write(UINTR_CSR_SUIST, uintr_suist((uint64_t)table >> 12, 1, 1));
    uintr_csr_write(UINTR_CSR_SUIRS, uintr_suirs(hart, 1));
    delegate_user_interrupts();
    enter_user(player, (void *)hart, stacks[hart] + sizeof stacks[hart]);
}

int main(void)
{
    if (*uintr_register(UINTR_CONTROL_HARTS_OFFSET) < 2) {
        puts("ping-pong needs two harts");
        return 1;
    }
    /* Both entries, before the other hart has come to its own. */
    table[1] = uintr_sender_entry(1, VECTOR, 1);
    hart_main(0);
}
