/* IPC between two user threads over the asynchronous machinery: a ring each way in a shared frame, user
 * interrupts in both directions, and the kernel only to set it up. The client's side is that of
 * asynchronous system calls; the server serves what is there in order, replies, and sleeps. */
#ifndef ASYNC_IPC_H
#define ASYNC_IPC_H

#include <stdbool.h>

#include "syscalls.h"

struct ipc_server {
    char *base;                  /* of the shared rings, once the client has made them */
    word client;                 /* operand of the send that wakes the client */
    bool gives_way;              /* it shares its hart with the client */
    word (*answer)(word request);
};

/* Serve for ever. */
_Noreturn void ipc_serve(const struct ipc_server *server);

/* The server's user-interrupt handler (interrupts.S), and its word. */
extern char server_interrupt[];
extern volatile word server_wake_word;
#endif
