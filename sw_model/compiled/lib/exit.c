#include <soc.h>
#include <stdlib.h>

/* A store here ends the run: bit 0 says so, the rest is the status. `rel4 run` finds it by name. */
__attribute__((section(".tohost"), used)) volatile uint64_t tohost;

void exit(int status)
{
    /* What was stored before is in memory before the run ends. */
    __asm__ volatile("fence rw, w" : : : "memory");
    tohost = (uint64_t)(unsigned char)status << 1 | 1;
    for (;;)
        __asm__ volatile("wfi");
}

void abort(void)
{
    exit(134);
}
