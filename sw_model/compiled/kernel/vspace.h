/* Address spaces: Sv39 tables, address-space identifiers, and the fences that a change needs. */
#ifndef VSPACE_H
#define VSPACE_H

#include "hart.h"

enum { MAX_ASIDS = 16 };

/* Make the page table in `slot` an address space with an identifier of its own; 0: there is none
 * left. */
word vspace_assign(struct slot *slot);

/* Write one page's mapping at boot. Tables are taken from *memory. */
void vspace_boot_map(word *root, word virtual, word physical, word flags, word *memory);

/* Make the address space of `tcb` this hart's. */
void vspace_activate(struct tcb *tcb);

/* What satp must hold for a thread with this VSpace capability. */
word vspace_satp(const struct slot *vspace);

/* Every change since the last call reaches all harts: on return no hart translates by what was
 * there before. One call does for many changes. */
void vspace_fence(void);

/* A page fault at an address that the tables allow: a TLB knew less than they. True if so. */
bool vspace_spurious(const struct tcb *tcb, word cause, word virtual);

enum { PTE_V = 1, PTE_R = 2, PTE_W = 4, PTE_X = 8, PTE_U = 16, PTE_A = 64, PTE_D = 128 };
#endif
