/* CNode invocations: copy and mint. A copy of a frame or of an address space is not mapped. */
#include "cspace.h"
#include "invocation.h"

static word derive(struct invocation *call, bool mint)
{
    const word *words = call->words;
    struct slot *destination = cspace_lookup_depth(call->slot, words[0], words[1]);
    if (!destination)
        return fail(call, ERROR_FAILED_LOOKUP, 1, 0, 0);
    if (destination->type != CAP_NULL)
        return ERROR_DELETE_FIRST;
    const struct slot *source = cspace_lookup_depth(call->extra[0], words[2], words[3]);
    if (!source || source->type == CAP_NULL)
        return fail(call, ERROR_FAILED_LOOKUP, 1, 1, 0);
    struct slot derived = *source;
    derived.rights &= (uint8_t)words[4];
    switch (source->type) {
    case CAP_UNTYPED: /* its watermark belongs to one capability */
        return ERROR_ILLEGAL_OPERATION;
    case CAP_FRAME:
        derived.asid = 0;
        break;
    case CAP_PAGE_TABLE:
        if (!source->asid)
            return ERROR_ILLEGAL_OPERATION;
        break;
    case CAP_ENDPOINT:
    case CAP_NOTIFICATION:
        if (mint && source->value)
            return ERROR_ILLEGAL_OPERATION;
        if (mint)
            derived.value = words[5];
        break;
    case CAP_CNODE:
        if (!mint)
            break;
        derived.guard_size = words[5] & 0x3f;
        if (derived.guard_size + derived.bits > 64)
            return ERROR_ILLEGAL_OPERATION;
        derived.value = words[5] >> 6 & ((UINT64_C(1) << derived.guard_size) - 1);
        break;
    default:
        break;
    }
    *destination = derived;
    return ERROR_NONE;
}

/* CNode_Copy(index, depth, source index, source depth, rights), source root. */
word cnode_copy(struct invocation *call)
{
    return derive(call, false);
}

/* CNode_Mint: the same, and a badge, or a CNode's guard. */
word cnode_mint(struct invocation *call)
{
    return derive(call, true);
}
