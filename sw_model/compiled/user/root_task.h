/* The initial thread: it turns untyped memory into objects, and sets the asynchronous runtime up. */
#ifndef ROOT_TASK_H
#define ROOT_TASK_H

#include "async_syscalls.h"

/* `count` objects, as consecutive capability pointers from the answer on. */
word root_allocate(word type, word count, word size_bits);

/* Page tables for `bytes` from `virtual` on, as far as they are missing. */
void root_map_page_tables(word virtual, word bytes);

/* A thread of the highest priority in this address space; it runs `entry` on the hart once it is
 * resumed. Answers its TCB. There is room for one. */
word root_make_thread(void (*entry)(void), word hart);

/* A zeroed 2 MiB frame at the answer; its capability. */
char *root_map_buffer(word *frame);

/* A notification, and a badged capability to signal it. */
word root_notification(word vector, word *badged);

/* Make this thread the receiver of a notification's user interrupts, which `handler` takes. */
void root_receive_interrupts(word notification, word tcb, const char *handler);

/* The whole set-up, in the published order: buffer, notification, receiver coroutine, its vector, a
 * badged capability, binding, registration as receiver, registration of the buffer. */
void root_start_async(word capacity, const struct style *style, word policy);

/* End the machine with a message unless a call that the task relies on succeeded. */
void check(const char *call, word error);

/* The console. */
void print(const char *text);
void print_number(const char *name, word value);
#endif
