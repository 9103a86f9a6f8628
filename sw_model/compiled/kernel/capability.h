/* Capabilities and the slots that hold them. */
#ifndef CAPABILITY_H
#define CAPABILITY_H

#include "types.h"

enum cap_type {
    CAP_NULL,
    CAP_UNTYPED,
    CAP_CNODE,
    CAP_THREAD,
    CAP_ENDPOINT,
    CAP_NOTIFICATION,
    CAP_FRAME,
    CAP_PAGE_TABLE,
    CAP_ASID_POOL,
};

/* seL4_CapRights; the bits of a message word. */
enum { RIGHT_WRITE = 1, RIGHT_READ = 2, RIGHT_GRANT = 4, RIGHT_GRANT_REPLY = 8, RIGHTS_ALL = 15 };

/* A slot is a capability: 32 bytes, so two share a cache line.
 *
 *              object          bits        value                   asid
 * untyped      first byte      log2(size)  bytes given away
 * CNode        first slot      radix       guard (guard_size)
 * thread       TCB
 * endpoint     its queue                   badge
 * notification notification                badge
 * frame        first byte      log2(size)  where it is mapped      where it is mapped; 0: nowhere
 * page table   the table       1: a root   where it is mapped      the same; of a root its own
 *
 * Objects are kernel addresses. */
struct slot {
    uint8_t type;
    uint8_t rights;
    uint8_t bits;
    uint8_t guard_size;
    uint32_t asid;
    word object;
    word value;
    word reserved;
};
_Static_assert(sizeof(struct slot) == 32, "seL4's slots take 32 bytes");
#endif
