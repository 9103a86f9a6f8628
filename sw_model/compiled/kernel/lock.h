/* The big kernel lock: a CLH queue lock, as seL4's; fair in order of arrival. Each hart spins on the
 * line of the one before it. With one hart there is nobody to keep out. */
#ifndef LOCK_H
#define LOCK_H

void lock_boot(void);
void lock_acquire(void);
void lock_release(void);

/* As the holder, where others may go first: let those in who wait. */
void lock_pass_on(void);
#endif
