/* The server of asynchronous IPC. */
#include "async_ipc.h"

#include <mark.h>
#include <uintr.h>

volatile word server_wake_word;

static word request_head, reply_tail;

static volatile word *field(const struct ipc_server *server, word offset)
{
    return (volatile word *)(server->base + offset);
}

static void fence_full(void)
{
    __asm__ volatile("fence rw, rw" : : : "memory");
}

/* Requests that are there. */
static word waiting(const struct ipc_server *server)
{
    word count = *field(server, BUFFER_REQUESTS_TAIL) - request_head;
    __asm__ volatile("fence r, rw" : : : "memory");
    return count;
}

static bool claim(volatile word *flag)
{
    fence_full();
    return !*flag && !__atomic_exchange_n(flag, 1, __ATOMIC_ACQ_REL);
}

/* Take the request at the head of the ring, and put its reply at the tail of the other. */
static void serve(const struct ipc_server *server)
{
    word capacity = *field(server, BUFFER_CAPACITY);
    word slot = BUFFER_ITEMS + ITEM_BYTES * (request_head++ & (capacity - 1));
    volatile word *request = field(server, slot);
    volatile word *reply = request + capacity * (ITEM_BYTES / sizeof(word));
    word head = UINT64_C(1) << 40 | (request[0] & 0xffffffffff);
    reply[1] = server->answer(request[1]);
    reply[0] = head;
    mark(MARK_HANDLED, head);
    __asm__ volatile("fence rw, w" : : : "memory");
    *field(server, BUFFER_REQUESTS_HEAD) = request_head;
    *field(server, BUFFER_REPLIES_TAIL) = ++reply_tail;
    if (claim(field(server, BUFFER_RECEIVER_ONLINE))) {
        mark(MARK_SENT, server->client);
        uipi_send(server->client);
    }
}

/* Until the interrupt handler has left a vector. Who gave way also looks at the ring when it is back,
 * since a pending interrupt is taken a few cycles after the return only. */
static void sleep(const struct ipc_server *server)
{
    while (!__atomic_exchange_n(&server_wake_word, 0, __ATOMIC_ACQUIRE)) {
        if (server->gives_way) {
            seL4_Yield();
            if (waiting(server))
                return;
        } else {
            while (!server_wake_word)
                ;
        }
    }
}

void ipc_serve(const struct ipc_server *server)
{
    volatile word *online = field(server, BUFFER_HANDLER_ONLINE);
    for (;;) {
        while (waiting(server))
            serve(server);
        *online = 0;
        fence_full();
        if (!waiting(server) || !claim(online))
            sleep(server);
    }
}
