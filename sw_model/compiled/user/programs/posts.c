/* User interrupts to a thread that waits. The hardware tells the kernel, which claims the post at the
 * controller, looks who waits for it, and wakes the thread. */
#include <uintr.h>

#include "root_task.h"

/* The loader may change these words in the image. */
struct experiment {
    word rounds;
};
const volatile struct experiment experiment __attribute__((section(".data"))) = {.rounds = 10};

static word to_root, to_other, other_tcb;

static void other(void)
{
    word nothing;
    root_receive_interrupts(to_other, other_tcb, user_interrupt);
    for (;;) {
        seL4_Send(to_root);
        seL4_Recv(to_other, &nothing);
    }
}

int main(void)
{
    word nothing, badged, operand;
    to_root = root_allocate(OBJECT_NOTIFICATION, 1, 0);
    to_other = root_notification(0, &badged);
    other_tcb = root_make_thread(other, 0);
    check("TCB_BindNotification", seL4_TCB_BindNotification(other_tcb, to_other));
    check("TCB_Resume", seL4_TCB_Resume(other_tcb));
    seL4_Recv(to_root, &nothing); /* the other waits when this goes on */
    check("UintrRegisterSender", seL4_UintrRegisterSender(badged, &operand));
    mark(MARK_BEGIN, 0);
    for (word n = 0; n < experiment.rounds; n++) {
        uipi_send(operand);
        seL4_Recv(to_root, &nothing);
    }
    mark(MARK_END, 0);
    return 0;
}
