/* Two threads on two harts that do nothing but enter the kernel, so that each finds its lock taken. */
#include "root_task.h"

/* The loader may change these words in the image. */
struct experiment {
    word rounds;
};
const volatile struct experiment experiment __attribute__((section(".data"))) = {.rounds = 10};

static word notifications; /* nobody waits there */

static void other(void)
{
    for (;;)
        seL4_Send(notifications + 1);
}

int main(void)
{
    notifications = root_allocate(OBJECT_NOTIFICATION, 2, 0);
    check("TCB_Resume", seL4_TCB_Resume(root_make_thread(other, 1)));
    mark(MARK_BEGIN, 0);
    for (word n = 0; n < experiment.rounds; n++)
        seL4_Send(notifications);
    mark(MARK_END, 0);
    return 0;
}
