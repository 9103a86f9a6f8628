/* Traps into M-mode, and the way down into U-mode. */
#ifndef TRAP_H
#define TRAP_H

#include <stdint.h>

/* What trap_entry saves and restores. trap() may change it: that is what the hart goes on with. */
struct trap_frame {
    uint64_t x[32]; /* x[0] means nothing */
    uint64_t pc;    /* of the instruction that trapped; of an ecall, add 4 to go on behind it */
    uint64_t status;
    uint64_t cause, value;
};

#define CAUSE_INTERRUPT (UINT64_C(1) << 63)
#define CAUSE_MACHINE_SOFTWARE (CAUSE_INTERRUPT | 3)
#define CAUSE_MACHINE_TIMER (CAUSE_INTERRUPT | 7)
#define CAUSE_ILLEGAL 2
#define CAUSE_USER_ECALL 8

/* An address for mtvec. */
void trap_entry(void);

/* The program's, called for each trap of a hart whose mtvec is trap_entry. */
void trap(struct trap_frame *frame);

/* Goes on with a frame that lies on this hart's stack; what is below it on the stack is given up. */
__attribute__((noreturn)) void trap_return(struct trap_frame *frame);

/* Runs body(argument) in U-mode on a stack of its own (its upper end), gone on with until a trap.
 * Traps from there run on the caller's stack, below what it uses now. */
__attribute__((noreturn)) void enter_user(void (*body)(void *), void *argument, void *stack);

/* Hands user software interrupts of this hart down to U-mode: mideleg and sideleg. */
void delegate_user_interrupts(void);

/* An address for utvec: takes the pending bits and calls the program's user_interrupt(pending). */
void user_handler(void);
void user_interrupt(uint64_t pending);

#endif
