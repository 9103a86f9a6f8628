#include <csr.h>
#include <trap.h>
#include <uintr.h>

#define MSTATUS_MPP (3ul << 11)
#define MSTATUS_MPIE (1ul << 7)

void enter_user(void (*body)(void *), void *argument, void *stack)
{
    _Alignas(16) struct trap_frame frame = {.pc = (uint64_t)body};
    frame.x[2] = (uint64_t)stack;
    frame.x[3] = ({ uint64_t gp; __asm__("mv %0, gp" : "=r"(gp)); gp; });
    frame.x[10] = (uint64_t)argument;
    frame.status = (csr_read(mstatus) & ~MSTATUS_MPP) | MSTATUS_MPIE;
    trap_return(&frame);
}

void delegate_user_interrupts(void)
{
    csr_set(mideleg, UINTR_CSR_UIP_SOFTWARE_MASK);
    uintr_csr_set(UINTR_CSR_SIDELEG, UINTR_CSR_SIDELEG_SOFTWARE_MASK);
}
