/* Entry, exit, and the end of everything. */
#ifndef KERNEL_H
#define KERNEL_H

#include "objects.h"

/* A thread's trap, from traps.S. Answers the context of the thread to run. */
struct context *trap(struct context *context, word cause);

/* The way out, with the lock held: answers the context of the thread to run. */
struct context *kernel_leave(void);

/* One system call of the current thread (syscall.c). */
void syscall_handle(struct tcb *tcb);

/* A fault ends the thread with a message, unless a TLB knew less than the tables (fault.c). */
void fault_handle(struct tcb *tcb, word cause);

/* End the machine: 0 is success. */
_Noreturn void halt(word status);

/* The debug console. */
void put_char(char character);
void put_string(const char *text);
void put_hex(word value);
#endif
