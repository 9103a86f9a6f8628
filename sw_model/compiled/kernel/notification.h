/* Notifications: signal, wait, poll. One that has a user-interrupt receiver turns a signal into a
 * user interrupt of the receiver's thread, with the badge as vector, unless somebody waits on it. */
#ifndef NOTIFICATION_H
#define NOTIFICATION_H

#include "objects.h"

void notification_signal(struct notification *notification, word badge);

/* Take what was signalled, or block until something is. The receiver of its user interrupts does
 * not block while one is pending: the wait answers the pending word, and the interrupt is taken. */
void notification_wait(struct notification *notification, struct tcb *tcb);

/* `tcb` is about to block where user interrupts of `notification` (may be null) wake it. True: one is
 * pending; it was told, and must not block. */
bool notification_interrupted(const struct notification *notification, struct tcb *tcb);

/* Take what was signalled; badge 0 if nothing was. */
void notification_poll(struct notification *notification, struct tcb *tcb);

/* Make a thread runnable that was waiting, which answers it `badge`. */
void notification_wake(struct tcb *tcb, word badge);
#endif
