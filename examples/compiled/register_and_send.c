/* The flow of the published sample programs: one process registers as receiver and gets a handle, another
 * registers as sender by that handle and posts; the first one's handler runs without the kernel.
 * rel4 cc register_and_send.c -o sample.elf && rel4 run sample.elf --harts 2
 *
 * The kernel below is as small as it can be: a process a hart, address spaces (Sv39), five system calls.
 * It runs in M-mode; processes see all of the program, read-only, and a page of memory of their own. */
#include <csr.h>
#include <soc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <trap.h>
#include <uintr.h>

enum { SYS_EXIT, SYS_PUT, SYS_REGISTER_RECEIVER, SYS_CREATE_HANDLE, SYS_REGISTER_SENDER };
#define FAILED (~UINT64_C(0))

/* --- The two processes, in U-mode ----------------------------------------------------------------- */

static uint64_t syscall(uint64_t number, uint64_t argument)
{
    register uint64_t a0 __asm__("a0") = argument;
    register uint64_t a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7) : "memory");
    return a0;
}

/* Where the library's printf goes. */
int putchar(int character)
{
    return (int)syscall(SYS_PUT, (uint64_t)character);
}

/* uscratch is where the receiver wants its vectors: its only memory is its stack. */
void user_interrupt(uint64_t pending)
{
    *(volatile uint64_t *)uintr_csr_read(UINTR_CSR_USCRATCH) |= pending;
}

static void receiver(void *argument)
{
    (void)argument;
    volatile uint64_t seen = 0;
    uintr_csr_write(UINTR_CSR_USCRATCH, &seen);
    uintr_csr_write(UINTR_CSR_UTVEC, user_handler);
    syscall(SYS_REGISTER_RECEIVER, 0);
    uintr_csr_set(UINTR_CSR_USTATUS, UINTR_CSR_USTATUS_UIE_MASK);
    for (uint64_t vector = 0; vector < 3; vector++)
        printf("receiver: vector %lu is handle %lu\n", vector, syscall(SYS_CREATE_HANDLE, vector));
    while (seen != 7)
        ;
    printf("receiver: all three vectors came\n");
    syscall(SYS_EXIT, 0);
}

static void sender(void *argument)
{
    (void)argument;
    for (uint64_t handle = 0; handle < 3; handle++) {
        uint64_t index;
        do
            index = syscall(SYS_REGISTER_SENDER, handle);
        while (index == FAILED); /* until the receiver has made the handle */
        uipi_send(index);
    }
    uipi_send(99); /* an entry that the kernel never wrote: no effect */
    syscall(SYS_EXIT, 0);
}

/* --- The kernel, in M-mode ------------------------------------------------------------------------- */

#define PAGE 4096
#define OWN UINT64_C(0x40000000) /* where each process has its page */

enum { V = 1, R = 2, W = 4, X = 8, U = 16, A = 64, D = 128 }; /* bits of a page-table entry */

/* One a hart, and the receiver of that number. */
static struct process {
    uint64_t root[512], middle[512], leaf[512];
    uint64_t senders[512];
    char memory[PAGE];
    uint64_t entries; /* of `senders` in use */
} __attribute__((aligned(PAGE))) processes[2];

static struct {
    uint64_t receiver, vector;
} handles[8];
static uint64_t handle_count;
static int lock;

static uint64_t entry(const void *page, uint64_t bits)
{
    return (uint64_t)page >> 12 << 10 | bits | V;
}

static uint64_t create_handle(uint64_t receiver, uint64_t vector)
{
    if (handle_count == sizeof handles / sizeof *handles || vector >= UINTR_VECTORS)
        return FAILED;
    handles[handle_count].receiver = receiver;
    handles[handle_count].vector = vector;
    return handle_count++;
}

static uint64_t register_sender(struct process *process, uint64_t handle)
{
    if (handle >= handle_count || process->entries == 512)
        return FAILED;
    process->senders[process->entries] =
        uintr_sender_entry(1, handles[handle].vector, handles[handle].receiver);
    return process->entries++;
}

static uint64_t system_call(uint64_t hart, uint64_t number, uint64_t argument)
{
    switch (number) {
    case SYS_PUT:
        while (!(*UART_LSR & UART_LSR_THRE))
            ;
        *UART_THR = (uint8_t)argument;
        return argument;
    case SYS_REGISTER_RECEIVER:
        uintr_slot(hart)->low = uintr_low(1, 1, 0, 0, hart);
        uintr_csr_write(UINTR_CSR_SUIRS, uintr_suirs(hart, 1));
        delegate_user_interrupts(); /* before uie: what is not delegated cannot be enabled there */
        uintr_csr_set(UINTR_CSR_UIE, UINTR_CSR_UIE_SOFTWARE_MASK);
        return 0;
    case SYS_CREATE_HANDLE:
        return create_handle(hart, argument);
    case SYS_REGISTER_SENDER:
        return register_sender(&processes[hart], argument);
    default:
        return FAILED;
    }
}

void trap(struct trap_frame *frame)
{
    uint64_t hart = csr_read(mhartid);
    if (frame->cause != CAUSE_USER_ECALL)
        exit(1); /* a process faulted */
    if (frame->x[17] == SYS_EXIT) {
        if (hart == 0)
            exit((int)frame->x[10]);
        for (;;)
            __asm__ volatile("wfi");
    }
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
        ;
    frame->x[10] = system_call(hart, frame->x[17], frame->x[10]);
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
    frame->pc += 4;
}

__attribute__((noreturn)) void hart_main(uint64_t hart)
{
    struct process *process = &processes[hart & 1];
    csr_write(mtvec, trap_entry);
    process->root[RAM_BASE >> 30] = entry((void *)RAM_BASE, R | X | U | A | D);
    process->root[OWN >> 30] = entry(process->middle, 0);
    process->middle[0] = entry(process->leaf, 0);
    process->leaf[0] = entry(process->memory, R | W | U | A | D);
    csr_write(satp, UINT64_C(8) << 60 | (hart + 1) << 44 | (uint64_t)process->root >> 12);
    __asm__ volatile("sfence.vma" : : : "memory");
    uintr_csr_write(UINTR_CSR_SUIST, uintr_suist((uint64_t)process->senders >> 12, 1, 1));
    enter_user(hart == 0 ? receiver : sender, 0, (void *)(OWN + PAGE));
}

int main(void)
{
    if (*uintr_register(UINTR_CONTROL_HARTS_OFFSET) < 2)
        return 2; /* there is nobody to send */
    hart_main(0);
}
