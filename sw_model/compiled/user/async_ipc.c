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

static volatile word *slot(const struct ipc_server *server, word index)
{
    return field(server, BUFFER_ITEMS + ITEM_BYTES * (index & (*field(server, BUFFER_CAPACITY) - 1)));
}

/* Take the request at the head of the ring. Both halves are functions of their own, so that each can be
 * measured. */
static __attribute__((noinline)) word get_request(const struct ipc_server *server, word *head)
{
    const volatile word *request = slot(server, request_head);
    *head = UINT64_C(1) << 40 | (request[0] & 0xffffffffff);
    word first = request[1];
    *field(server, BUFFER_REQUESTS_HEAD) = ++request_head;
    return first;
}

/* Put its reply at the tail of the other, and wake the client if it sleeps. */
static __attribute__((noinline)) void put_reply(const struct ipc_server *server, word head, word first)
{
    volatile word *reply = slot(server, reply_tail)
                           + *field(server, BUFFER_CAPACITY) * (ITEM_BYTES / sizeof(word));
    reply[1] = first;
    reply[0] = head;
    mark(MARK_HANDLED, head);
    __asm__ volatile("fence rw, w" : : : "memory");
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
        while (waiting(server)) {
            word head, first = get_request(server, &head);
            put_reply(server, head, server->answer(first));
        }
        *online = 0;
        fence_full();
        if (!waiting(server) || !claim(online))
            sleep(server);
    }
}
