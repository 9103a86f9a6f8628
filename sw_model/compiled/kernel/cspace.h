/* Capability spaces: from a capability pointer to a slot. */
#ifndef CSPACE_H
#define CSPACE_H

#include "capability.h"

/* The slot that a 64-bit pointer names from `root` on, or null: the root is no CNode, a guard does
 * not match, or the bits end inside a CNode. Bits left over at another capability do not count. */
struct slot *cspace_lookup(const struct slot *root, word pointer);

/* The same for an invocation that gives a depth: all `depth` bits must be used. */
struct slot *cspace_lookup_depth(const struct slot *root, word pointer, word depth);
#endif
