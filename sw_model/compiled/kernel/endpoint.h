/* Endpoints: messages between threads. */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include "objects.h"

/* Send the message in `tcb`'s registers and IPC buffer by way of a capability. `call`: and wait for
 * the reply; `blocking`: wait for a receiver, if there is none. */
void endpoint_send(struct tcb *tcb, const struct slot *cap, bool blocking, bool call);

/* Take the oldest message, or a signal of the bound notification, or wait for either. */
void endpoint_receive(struct tcb *tcb, const struct slot *cap, bool blocking);

/* Answer whoever called last and was received by `tcb`, if somebody did. */
void endpoint_reply(struct tcb *tcb);

/* seL4's fastpath: a short Call, or a short ReplyRecv, that another thread of this hart goes on with
 * at once. False: nothing was done. */
bool endpoint_fastpath(struct tcb *tcb);
#endif
