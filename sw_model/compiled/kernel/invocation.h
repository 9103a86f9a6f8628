/* Invocations: the one path of synchronous and asynchronous calls, from arguments to the object's
 * own function. Only where the arguments come from differs. */
#ifndef INVOCATION_H
#define INVOCATION_H

#include "objects.h"
#include <rel4_abi.h>

enum { INVOCATION_WORDS = 8 }; /* no invocation here needs more message registers */

struct invocation {
    struct tcb *caller;
    struct slot *slot; /* the invoked capability */
    const word *words; /* message registers that were sent */
    word label;
    word length;
    word extra_caps;
    word answers; /* message registers of the reply */
    struct slot *extra[MAX_EXTRA_CAPS];
    word answer[REGISTER_MESSAGE];
};

/* Perform it. Answers seL4's error; then nothing was changed, and `answer` has its details. */
word invoke(struct invocation *call);

/* An error with details. */
word fail(struct invocation *call, word error, word details, word first, word second);

static inline word invalid_capability(struct invocation *call, word number)
{
    return fail(call, ERROR_INVALID_CAPABILITY, 1, number, 0);
}

static inline word invalid_argument(struct invocation *call, word number)
{
    return fail(call, ERROR_INVALID_ARGUMENT, 1, number, 0);
}

/* The object's own functions. */
word untyped_retype(struct invocation *call);
word cnode_copy(struct invocation *call);
word cnode_mint(struct invocation *call);
word tcb_configure(struct invocation *call);
word tcb_write_registers(struct invocation *call);
word tcb_set_priority(struct invocation *call);
word tcb_set_affinity(struct invocation *call);
word tcb_suspend(struct invocation *call);
word tcb_resume(struct invocation *call);
word tcb_bind_notification(struct invocation *call);
word tcb_unbind_notification(struct invocation *call);
word page_table_map(struct invocation *call);
word page_table_unmap(struct invocation *call);
word page_map(struct invocation *call);
word page_unmap(struct invocation *call);
word page_get_address(struct invocation *call);
word asid_pool_assign(struct invocation *call);
word uintr_register_sender(struct invocation *call);
word uintr_register_receiver(struct invocation *call);
word uintr_register_async_syscall(struct invocation *call);
#endif
