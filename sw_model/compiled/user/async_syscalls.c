/* Asynchronous system calls. This side writes the tail of requests and the head of replies, and
 * keeps them here: what it wrote itself is never read back. */
#include "async_syscalls.h"

#include <uintr.h>

static char *base;
static word capacity;
static struct style style;
static long sender = -1;
static word request_tail, published_tail, unannounced;
static word reply_head, reply_tail; /* taken; known to be there */
static word slots_in_use; /* requests and replies on their way: one slot each */
static uint16_t waiting_for_room[MAX_TASKS];
static unsigned waiting_first, waiting_last;

word async_traps, async_taken, async_outstanding;

static inline volatile word *field(word offset)
{
    return (volatile word *)(base + offset);
}

static inline volatile word *request_slot(word index)
{
    return field(BUFFER_ITEMS + ITEM_BYTES * (index & (capacity - 1)));
}

static inline volatile word *reply_slot(word index)
{
    return field(BUFFER_ITEMS + ITEM_BYTES * (capacity + (index & (capacity - 1))));
}

static inline void fence_full(void)
{
    __asm__ volatile("fence rw, rw" : : : "memory");
}

void async_create(char *address, word slots, const struct style *chosen)
{
    base = address;
    capacity = slots;
    style = *chosen;
    *field(BUFFER_CAPACITY) = slots;
    *field(BUFFER_MAGIC) = BUFFER_VERSION;
    if (style.direct) {
        *field(BUFFER_RECEIVER_ONLINE) = 1;
        executor_idle = async_next_reply;
    }
}

void async_registered(long operand)
{
    sender = operand;
}

/* --- waking ------------------------------------------------------------------------------------ */

/* Set a consumer's flag behind a full fence; true if it was clear: the caller owes a wake-up. */
static bool claim(word flag)
{
    fence_full();
    return !*field(flag) && !__atomic_exchange_n(field(flag), 1, __ATOMIC_ACQ_REL);
}

/* True if there is a reply to take. */
static bool look(void)
{
    if (reply_head != reply_tail)
        return true;
    reply_tail = *field(BUFFER_REPLIES_TAIL);
    __asm__ volatile("fence r, rw" : : : "memory");
    return reply_head != reply_tail;
}

/* As the consumer of replies: clear the flag, look again. True: sleep. */
static bool retire(void)
{
    *field(BUFFER_RECEIVER_ONLINE) = 0;
    fence_full();
    return !look() || !claim(BUFFER_RECEIVER_ONLINE);
}

/* The kernel can be told without a trap, and by a hart that has time for it. */
static bool helped(void)
{
    return sender >= 0 && (!style.adaptive || *field(BUFFER_HELPER_IDLE));
}

/* Requests, and the room of the replies that were taken, in whose stead they may be. */
static void publish(void)
{
    if (published_tail == request_tail)
        return;
    published_tail = request_tail;
    *field(BUFFER_REPLIES_HEAD) = reply_head;
    __asm__ volatile("fence rw, w" : : : "memory");
    *field(BUFFER_REQUESTS_TAIL) = request_tail;
}

/* Tell the kernel of what was published, if it would not look by itself. True: it was told. */
static bool announce(void)
{
    publish();
    unannounced = 0;
    if (!claim(BUFFER_HANDLER_ONLINE))
        return false;
    if (helped()) {
        uipi_send((word)sender);
    } else {
        async_traps++;
        seL4_WakeSyscallHandler();
    }
    return true;
}

/* --- submission -------------------------------------------------------------------------------- */

bool async_call(struct coroutine *self, word label, unsigned count, word first, word second,
                word third, word fourth, word fifth)
{
    if (slots_in_use == capacity) {
        waiting_for_room[waiting_last++ % MAX_TASKS] = (uint16_t)executor_current;
        return false;
    }
    (void)self;
    volatile word *item = request_slot(request_tail);
    slots_in_use++;
    async_outstanding++;
    item[1] = first;
    if (count > 1) {
        item[2] = second;
        item[3] = third;
        item[4] = fourth;
        item[5] = fifth;
    }
    item[0] = (word)count << 40 | label << 32 | executor_current;
    request_tail++;
    /* A handler elsewhere sees a request as soon as it is published. That it sleeps is noticed at
     * once mostly, and for sure, behind a fence, when a batch is full or nobody is ready. */
    bool remote = helped();
    if (remote)
        publish();
    if (++unannounced >= style.batch || (remote && !*field(BUFFER_HANDLER_ONLINE)))
        announce();
    return false;
}

/* --- replies ----------------------------------------------------------------------------------- */

/* Take the reply at the head of the ring; answers its owner. */
static unsigned take(void)
{
    word reply = reply_slot(reply_head)[0];
    unsigned cid = reply & 0xffffffff;
    struct coroutine *owner = executor_find(cid);
    if (!owner || owner->answered)
        seL4_DebugHalt(5); /* a reply that nobody waits for */
    owner->error = (uint16_t)(reply >> 48);
    owner->answered = true;
    reply_head++;
    slots_in_use--;
    async_outstanding--;
    async_taken++;
    if (waiting_first != waiting_last)
        executor_wake(waiting_for_room[waiting_first++ % MAX_TASKS]);
    return cid;
}

static bool receive(struct coroutine *self)
{
    COROUTINE_BEGIN(self);
    for (;;) {
        while (look())
            executor_wake(take());
        if (retire())
            COROUTINE_SUSPEND(self);
    }
    COROUTINE_END(self);
}

struct coroutine async_receiver = {.step = receive};

/* Look for a reply for a bounded time; true if one came. */
static bool poll(void)
{
    word begin, now;
    __asm__ volatile("csrr %0, time" : "=r"(begin));
    do {
        if (look())
            return true;
        __asm__ volatile("csrr %0, time" : "=r"(now));
    } while (now - begin < style.poll_cycles);
    return false;
}

unsigned async_next_reply(void)
{
    for (;;) {
        if (look())
            return take();
        if (!async_outstanding)
            return NOBODY;
        /* Whoever waits must be sure that the kernel knows of every request. */
        if (announce())
            continue;
        if (style.poll_cycles && poll())
            continue;
        if (retire())
            return NOBODY;
    }
}
