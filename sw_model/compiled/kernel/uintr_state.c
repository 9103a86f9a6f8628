/* User interrupts as kernel resources.
 *
 * Order matters twice at a context switch. A receiver is deactivated before its thread's uip is
 * read, so that what is saved is the software bit and not the hart's line; and it is activated last
 * on the way out, so that no interrupt meets half-restored state. While a receiver is inactive its
 * pending bits stay in the controller.
 *
 * A thread that blocks where a user interrupt may wake it is parked: its receiver is deactivated,
 * and only then its pending word is looked at. A post after that reaches the kernel. */
#include "uintr_state.h"

#include <mark.h>

#include "riscv.h"
#include "invocation.h"
#include "notification.h"

enum { RECEIVERS = 64, TABLES = 4, ENTRIES = PAGE_BYTES / UINTR_SENDER_ENTRY_BYTES };

static PAGE_ALIGNED word tables[TABLES][ENTRIES];
static unsigned used_tables;
static int used_receivers;
static struct tcb *parked[RECEIVERS];
static int kernel_receivers[MAX_HARTS];
static bool notifies; /* somebody has parked, and the controller tells of posts */

static struct uintr_slot *slot_of(int receiver)
{
    return (struct uintr_slot *)at(UINTR_BASE) + receiver;
}

static volatile word *control(word offset)
{
    return at(UINTR_BASE + offset);
}

void uintr_boot(void)
{
    kernel_receivers[here->index] = NO_RECEIVER;
    here->table = 0;
    /* This kernel knows LOW's further bits. */
    *control(UINTR_CONTROL_ENABLE_OFFSET) =
        UINTR_CONTROL_ENABLE_SUPERVISOR_MASK | UINTR_CONTROL_ENABLE_NOTIFY_MASK;
    uintr_csr_write(UINTR_CSR_SUIST, 0);
    uintr_csr_write(UINTR_CSR_SUIRS, 0);
}

/* --- allocation -------------------------------------------------------------------------------- */

static int new_receiver(void)
{
    if (used_receivers == RECEIVERS)
        return NO_RECEIVER;
    int receiver = used_receivers++;
    slot_of(receiver)->low = 0;
    (void)slot_of(receiver)->high; /* reading takes what is pending */
    return receiver;
}

/* A new entry of a thread's table, which it gets with its first one; -1: there is no room. */
static int new_entry(struct tcb *tcb, int receiver, word vector)
{
    struct sender_table *table = &tcb->uintr.table;
    if (!table->entries) {
        if (used_tables == TABLES)
            return -1;
        table->entries = tables[used_tables++];
    }
    if (table->used == ENTRIES)
        return -1;
    mark(MARK_ENTRY, table->used << 32 | (word)receiver << 8 | vector);
    table->entries[table->used] = uintr_sender_entry(1, vector, (word)receiver);
    return (int)table->used++;
}

int uintr_register_sender_to_kernel(struct tcb *tcb, struct hart *hart, word vector)
{
    int *receiver = &kernel_receivers[hart->index];
    if (*receiver == NO_RECEIVER) {
        *receiver = new_receiver();
        if (*receiver == NO_RECEIVER)
            return -1;
        mark(MARK_KERNEL_RECEIVER, (word)*receiver << 8 | hart->index);
        slot_of(*receiver)->low = uintr_low(1, 1, 1, 0, hart->index);
    }
    return new_entry(tcb, *receiver, vector);
}

/* --- context switch ---------------------------------------------------------------------------- */

#define EACH_CSR(X) \
    X(0, UINTR_CSR_USTATUS) X(1, UINTR_CSR_UIE) X(2, UINTR_CSR_UTVEC) X(3, UINTR_CSR_USCRATCH) \
    X(4, UINTR_CSR_UEPC) X(5, UINTR_CSR_UCAUSE) X(6, UINTR_CSR_UTVAL) X(7, UINTR_CSR_UIP)

/* Save the owner's state, and hide it from the next thread. */
static void save(struct tcb *owner)
{
    if (owner->uintr.receiver != NO_RECEIVER)
        slot_of(owner->uintr.receiver)->active = 0;
#define SAVE(n, csr) owner->uintr.csrs[n] = uintr_csr_swap(csr, 0);
    EACH_CSR(SAVE)
    uintr_csr_write(UINTR_CSR_SIDELEG, 0);
    uintr_csr_write(UINTR_CSR_SUIRS, 0);
    here->uintr_owner = NULL;
}

/* Before uie and uip are written, which take only what is delegated. */
static void delegate(const struct tcb *tcb)
{
    if (tcb->uintr.receiver != NO_RECEIVER)
        uintr_csr_write(UINTR_CSR_SIDELEG, UINTR_CSR_SIDELEG_SOFTWARE_MASK);
}

static void activate(const struct tcb *tcb)
{
    int receiver = tcb->uintr.receiver;
    if (receiver == NO_RECEIVER)
        return;
    uintr_csr_write(UINTR_CSR_SUIRS, uintr_suirs((word)receiver, 1));
    slot_of(receiver)->low = uintr_low(1, 1, 0, 0, here->index);
}

static void restore(struct tcb *tcb)
{
#define RESTORE(n, csr) uintr_csr_write(csr, tcb->uintr.csrs[n]);
    delegate(tcb);
    EACH_CSR(RESTORE)
    here->uintr_owner = tcb;
    activate(tcb);
}

void uintr_switch(struct tcb *tcb)
{
    struct tcb *owner = here->uintr_owner;
    if (owner != tcb) {
        if (owner)
            save(owner);
        if (tcb->uintr.exists)
            restore(tcb);
    }
    const word *entries = tcb->uintr.table.entries;
    word table = entries ? uintr_suist(physical(entries) >> PAGE_BITS, 1, 1) : 0;
    if (here->table != table) {
        uintr_csr_write(UINTR_CSR_SUIST, table);
        here->table = table;
    }
}

/* The caller has set its registers already: what the hart holds is its own from now on. */
static void own(struct tcb *tcb)
{
    if (tcb->uintr.exists)
        return;
    tcb->uintr.exists = true;
    if (tcb == here->current)
        here->uintr_owner = tcb;
}

/* --- signals from the kernel, threads that wait ------------------------------------------------ */

word uintr_park(struct tcb *tcb)
{
    int receiver = tcb->uintr.receiver;
    if (!notifies) {
        notifies = true;
        *control(UINTR_CONTROL_NOTIFY_HART_OFFSET) = 0;
    }
    slot_of(receiver)->low = uintr_low(0, 1, 0, 1, here->index);
    word pending = slot_of(receiver)->high;
    if (pending) {
        slot_of(receiver)->low = uintr_low(1, 1, 0, 0, here->index);
        slot_of(receiver)->high = pending;
    } else {
        parked[receiver] = tcb;
    }
    return pending;
}

void uintr_awake(struct tcb *tcb)
{
    if (tcb->uintr.exists && tcb->uintr.receiver != NO_RECEIVER)
        parked[tcb->uintr.receiver] = NULL;
}

/* Something was posted to a receiver that is not active: wake its thread if it is parked. */
static void absent_post(int receiver)
{
    struct tcb *tcb = parked[receiver];
    if (!tcb)
        return;
    slot_of(receiver)->low = uintr_low(0, 1, 0, 0, tcb->affinity); /* told once is enough */
    word pending = slot_of(receiver)->high;
    if (!pending) {
        slot_of(receiver)->low = uintr_low(0, 1, 0, 1, tcb->affinity);
        return;
    }
    slot_of(receiver)->high = pending;
    parked[receiver] = NULL;
    queue_remove(tcb->waiting_on, tcb);
    notification_wake(tcb, pending);
}

void uintr_post(int receiver, word vector)
{
    mark(MARK_POSTED, (word)receiver << 8 | vector);
    slot_of(receiver)->send = vector;
    absent_post(receiver);
}

word uintr_take_interrupts(void)
{
    while (notifies) {
        word claim = *control(UINTR_CONTROL_CLAIM_OFFSET);
        if (!(claim & UINTR_CONTROL_CLAIM_VALID_MASK))
            break;
        absent_post((int)(claim & UINTR_CONTROL_CLAIM_RECEIVER_MASK));
    }
    int receiver = kernel_receivers[here->index];
    if (receiver == NO_RECEIVER)
        return 0;
    word vectors = slot_of(receiver)->high;
    mark(MARK_TAKEN, vectors);
    return vectors;
}

bool uintr_all_taken(void)
{
    bool taken = true;
    for (int receiver = 0; receiver < used_receivers; receiver++)
        taken = taken && !slot_of(receiver)->high;
    return taken;
}

/* --- invocations ------------------------------------------------------------------------------- */

/* UintrRegisterReceiver(), TCB: signals become user interrupts of the calling thread. */
word uintr_register_receiver(struct invocation *call)
{
    struct notification *notification = (struct notification *)call->slot->object;
    struct tcb *tcb = call->caller;
    if (call->extra[0]->type != CAP_THREAD || (struct tcb *)call->extra[0]->object != tcb)
        return invalid_capability(call, 1);
    if (!(call->slot->rights & RIGHT_READ))
        return invalid_capability(call, 0);
    bool has_one = tcb->uintr.exists && tcb->uintr.receiver != NO_RECEIVER;
    if (notification->receiver != NO_RECEIVER)
        return ERROR_ILLEGAL_OPERATION;
    if (notification->bound_tcb != tcb && !(has_one && !notification->bound_tcb))
        return ERROR_ILLEGAL_OPERATION;
    if (!has_one) {
        int receiver = new_receiver();
        if (receiver == NO_RECEIVER)
            return fail(call, ERROR_NOT_ENOUGH_MEMORY, 1, 0, 0);
        if (here->uintr_owner && here->uintr_owner != tcb)
            save(here->uintr_owner);
        own(tcb);
        mark(MARK_RECEIVER, (word)receiver);
        tcb->uintr.receiver = receiver;
        delegate(tcb);
        activate(tcb);
    }
    notification->receiver = tcb->uintr.receiver;
    notification->uintr_tcb = tcb;
    return ERROR_NONE;
}

/* UintrRegisterSender(): answers the operand of UIPI SEND, also in the IPC buffer. */
word uintr_register_sender(struct invocation *call)
{
    const struct notification *notification = (struct notification *)call->slot->object;
    struct tcb *tcb = call->caller;
    if (!(call->slot->rights & RIGHT_WRITE))
        return invalid_capability(call, 0);
    if (notification->receiver == NO_RECEIVER)
        return ERROR_ILLEGAL_OPERATION;
    if (call->slot->value >= UINTR_VECTORS)
        return fail(call, ERROR_RANGE, 2, 0, UINTR_VECTORS - 1);
    int index = new_entry(tcb, notification->receiver, call->slot->value);
    if (index < 0)
        return fail(call, ERROR_NOT_ENOUGH_MEMORY, 1, 0, 0);
    own(tcb);
    if (tcb->ipc_buffer)
        tcb->ipc_buffer[IPC_BUFFER_UINTR_FLAG / 8] = (word)index;
    call->answers = 1;
    call->answer[0] = (word)index;
    return ERROR_NONE;
}
