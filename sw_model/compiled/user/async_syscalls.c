/* Asynchronous system calls. */
#include "async_syscalls.h"

#include <uintr.h>

struct async async;
word async_traps;

static char *base;
static struct style style;
static long sender = -1;
static word published, announced; /* request tails: known to be seen; the kernel was told of */
static uint16_t waiting[MAX_TASKS];
static word waiting_first;

static inline volatile word *field(word offset)
{
    return (volatile word *)(base + offset);
}

static inline void fence_full(void)
{
    __asm__ volatile("fence rw, rw" : : : "memory");
}

void async_create(char *address, word capacity, const struct style *chosen)
{
    base = address;
    style.direct = chosen->direct; /* word by word: there is no memcpy on this side */
    style.batch = chosen->batch;
    style.poll_cycles = chosen->poll_cycles;
    style.adaptive = chosen->adaptive;
    async.requests = base + BUFFER_ITEMS;
    async.replies = async.requests + ITEM_BYTES * capacity;
    async.mask = capacity - 1;
    async.due = style.batch;
    *field(BUFFER_CAPACITY) = capacity;
    *field(BUFFER_MAGIC) = BUFFER_VERSION;
    if (style.direct) {
        *field(BUFFER_RECEIVER_ONLINE) = 1;
        executor_idle = async_next_reply;
    }
}

void async_registered(long operand)
{
    sender = operand;
    if (sender >= 0)
        async.due = 1; /* requests are published at once */
}

/* --- waking ------------------------------------------------------------------------------------ */

/* Set a consumer's flag behind a full fence; true if it was clear: the caller owes a wake-up. */
static bool claim(word flag)
{
    fence_full();
    return !*field(flag) && !__atomic_exchange_n(field(flag), 1, __ATOMIC_ACQ_REL);
}

bool async_helped(void)
{
    return sender >= 0 && (!style.adaptive || *field(BUFFER_HELPER_IDLE));
}

/* Requests, and the room of the replies that were taken, in whose stead they may be. */
static void publish(void)
{
    if (published == async.request_tail)
        return;
    published = async.request_tail;
    *field(BUFFER_REPLIES_HEAD) = async.reply_head;
    __asm__ volatile("fence rw, w" : : : "memory");
    *field(BUFFER_REQUESTS_TAIL) = published;
}

/* Tell the kernel of what was published, if it would not look by itself. True: it was told. */
static bool announce(void)
{
    publish();
    announced = async.request_tail;
    async.due = announced + (sender >= 0 ? 1 : style.batch);
    if (!claim(BUFFER_HANDLER_ONLINE))
        return false;
    if (async_helped()) {
        mark(MARK_SENT, sender);
        uipi_send((word)sender);
    } else {
        async_traps++;
        seL4_WakeSyscallHandler();
    }
    return true;
}

/* A handler elsewhere sees a request as soon as it is published. It is woken when half of what is
 * outstanding is new to it. That it sleeps is noticed at once
 * mostly, and for sure, behind a fence, when a batch is full or nobody is ready. */
bool async_due(void)
{
    async.due = async.request_tail + 1;
    if (async.request_tail - announced < style.batch) {
        publish();
        if (*field(BUFFER_HANDLER_ONLINE) ||
            2 * (async.request_tail - announced) < async_outstanding() || !async_helped())
            return false;
    }
    announce();
    return false;
}

bool async_wait_for_room(struct coroutine *self)
{
    waiting[(waiting_first + async.waiting++) % MAX_TASKS] = self->cid;
    return false;
}

/* --- replies ----------------------------------------------------------------------------------- */

/* True if there is a reply to take. */
static bool look(void)
{
    if (async.reply_head != async.reply_tail)
        return true;
    async.reply_tail = *field(BUFFER_REPLIES_TAIL);
    __asm__ volatile("fence r, rw" : : : "memory");
    return async.reply_head != async.reply_tail;
}

/* There is room for one that waits for it. */
static __attribute__((noinline)) struct coroutine *room(struct coroutine *owner)
{
    struct coroutine *first = executor_find(waiting[waiting_first++ % MAX_TASKS]);
    async.waiting--;
    if (first)
        executor_wake(first);
    return owner;
}

/* Take the reply at the head of the ring; answers its owner. */
static inline struct coroutine *take(void)
{
    volatile word *item =
        (volatile word *)(async.replies + ITEM_BYTES * (async.reply_head++ & async.mask));
    word reply = item[0];
    struct coroutine *owner = executor_find((uint32_t)reply);
    mark(MARK_REPLIED, reply);
    if (__builtin_expect(!owner || owner->answered, 0))
        seL4_DebugHalt(5); /* a reply that nobody waits for */
    owner->error = (uint16_t)(reply >> 48);
    if (__builtin_expect(reply >> 40 & 0xff, 0))
        owner->answer = item[1];
    owner->answered = true;
    if (__builtin_expect(async.waiting, 0))
        return room(owner);
    return owner;
}

/* As the consumer of replies: clear the flag, look again. True: sleep. */
static bool retire(void)
{
    *field(BUFFER_RECEIVER_ONLINE) = 0;
    fence_full();
    return !look() || !claim(BUFFER_RECEIVER_ONLINE);
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

/* None is known of: look, tell the kernel, poll. Null: sleep. */
static __attribute__((noinline)) struct coroutine *find_reply(void)
{
    while (!look()) {
        if (!async_outstanding())
            return NULL;
        /* Whoever waits must be sure that the kernel knows of every request. */
        if (announce())
            continue;
        if (style.poll_cycles && poll())
            break;
        if (retire())
            return NULL;
    }
    return take();
}

struct coroutine *async_next_reply(void)
{
    return async.reply_head == async.reply_tail ? find_reply() : take();
}
