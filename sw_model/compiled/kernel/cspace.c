/* Capability spaces. */
#include "cspace.h"

enum { WORD_BITS = 64 };

/* How many of the low `left` bits were not used is stored in *left. */
static struct slot *resolve(const struct slot *cap, word pointer, unsigned *left)
{
    if (UNLIKELY(cap->type != CAP_CNODE))
        return NULL;
    do {
        unsigned radix = cap->bits, guard_size = cap->guard_size;
        if (UNLIKELY(guard_size + radix > *left))
            return NULL;
        *left -= guard_size;
        /* Two shifts: a guard may have all 64 bits, or none. */
        word guard = guard_size ? pointer >> *left & ~UINT64_C(0) >> (WORD_BITS - guard_size) : 0;
        if (UNLIKELY(guard != cap->value))
            return NULL;
        *left -= radix;
        cap = (struct slot *)cap->object + (pointer >> *left & ((UINT64_C(1) << radix) - 1));
    } while (*left && cap->type == CAP_CNODE);
    return (struct slot *)cap;
}

struct slot *cspace_walk(const struct slot *root, word pointer)
{
    unsigned left = WORD_BITS;
    return resolve(root, pointer, &left);
}

struct slot *cspace_lookup_depth(const struct slot *root, word pointer, word depth)
{
    if (depth < 1 || depth > WORD_BITS)
        return NULL;
    unsigned left = (unsigned)depth;
    struct slot *slot = resolve(root, pointer, &left);
    return left ? NULL : slot;
}
