/* Capability spaces: from a capability pointer to a slot. */
#ifndef CSPACE_H
#define CSPACE_H

#include "capability.h"

/* As below, through any number of CNodes. */
struct slot *cspace_walk(const struct slot *root, word pointer);

/* The slot that a 64-bit pointer names from `root` on, or null: the root is no CNode, a guard does
 * not match, or the bits end inside a CNode. Bits left over at another capability do not count. */
static inline struct slot *cspace_lookup(const struct slot *root, word pointer)
{
    /* Mostly one CNode's guard and radix are all the bits. */
    unsigned radix = root->bits;
    if (UNLIKELY(root->type != CAP_CNODE || root->guard_size + radix != 64))
        return cspace_walk(root, pointer);
    if (UNLIKELY(pointer >> radix != root->value))
        return NULL;
    return (struct slot *)root->object + (pointer - (root->value << radix));
}

/* The same for an invocation that gives a depth: all `depth` bits must be used. */
struct slot *cspace_lookup_depth(const struct slot *root, word pointer, word depth);
#endif
