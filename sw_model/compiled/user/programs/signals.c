/* Two threads that signal each other: each waits on a notification of its own. On two harts each
 * signal wakes an idle one, by an interrupt. */
#include "root_task.h"

/* The loader may change these words in the image. */
struct experiment {
    word rounds;
    word hart; /* of the other thread */
};
const volatile struct experiment experiment __attribute__((section(".data"))) = {.rounds = 10};

static word to_root, to_other;

static void other(void)
{
    word nothing;
    for (;;) {
        seL4_Recv(to_other, &nothing);
        seL4_Send(to_root);
    }
}

int main(void)
{
    word nothing;
    to_root = root_allocate(OBJECT_NOTIFICATION, 2, 0);
    to_other = to_root + 1;
    check("TCB_Resume", seL4_TCB_Resume(root_make_thread(other, experiment.hart)));
    mark(MARK_BEGIN, 0);
    for (word n = 0; n < experiment.rounds; n++) {
        seL4_Send(to_other);
        seL4_Recv(to_root, &nothing);
    }
    mark(MARK_END, 0);
    return 0;
}
