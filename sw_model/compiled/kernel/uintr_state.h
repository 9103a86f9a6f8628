/* User interrupts as kernel resources: receivers, sender tables, the hart's registers. */
#ifndef UINTR_STATE_H
#define UINTR_STATE_H

#include "hart.h"
#include <uintr.h>

void uintr_boot(void);

/* Last thing before `tcb` runs here: the hart's user-interrupt state becomes that thread's. It is
 * saved only when another thread is to run, and a thread that never registered pays nothing. */
void uintr_switch(struct tcb *tcb);

/* Post a vector as the kernel, and wake the receiver's thread if it is parked. */
void uintr_post(int receiver, word vector);

/* A sender entry of `tcb` that interrupts the kernel on `hart`; its index, or -1. */
int uintr_register_sender_to_kernel(struct tcb *tcb, struct hart *hart, word vector);

/* `tcb`, which runs here, is about to block: answers its pending word; not 0: it must not block. */
word uintr_park(struct tcb *tcb);

/* A parked thread waits no more. */
void uintr_awake(struct tcb *tcb);

/* The controller's supervisor line is high here: wake the parked threads that it tells of, and take
 * what was posted to the kernel on this hart, one bit a vector. */
word uintr_take_interrupts(void);

/* True if no receiver has anything pending. */
bool uintr_all_taken(void);
#endif
