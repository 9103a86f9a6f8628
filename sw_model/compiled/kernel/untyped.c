/* Untyped memory: objects are made from it, behind a watermark. Memory that was never given away is
 * zero, as the loader leaves it; nothing is given back, so nothing need be cleared. */
#include "cspace.h"
#include "invocation.h"

/* log2 of the bytes of an object; 0: there is no such type here, or no such size. */
static unsigned object_bits(word type, word size_bits)
{
    switch (type) {
    case OBJECT_TCB:
        return TCB_BITS;
    case OBJECT_ENDPOINT:
        return ENDPOINT_BITS;
    case OBJECT_NOTIFICATION:
        return NOTIFICATION_BITS;
    case OBJECT_CAP_TABLE:
        return size_bits >= 1 && size_bits <= 32 ? (unsigned)size_bits + SLOT_BITS : 0;
    case OBJECT_RISCV_4K_PAGE:
        return PAGE_BITS;
    case OBJECT_RISCV_MEGA_PAGE:
        return MEGA_PAGE_BITS;
    case OBJECT_RISCV_PAGE_TABLE:
        return PAGE_TABLE_BITS;
    case OBJECT_UNTYPED:
        return size_bits >= 4 && size_bits <= 38 ? (unsigned)size_bits : 0;
    default:
        return 0;
    }
}

static struct slot object_cap(word type, unsigned bits, word address)
{
    struct slot cap = {.rights = RIGHTS_ALL, .object = address};
    switch (type) {
    case OBJECT_TCB:
        cap.type = CAP_THREAD;
        ((struct tcb *)address)->uintr.receiver = NO_RECEIVER;
        break;
    case OBJECT_ENDPOINT:
        cap.type = CAP_ENDPOINT;
        break;
    case OBJECT_NOTIFICATION:
        cap.type = CAP_NOTIFICATION;
        ((struct notification *)address)->receiver = NO_RECEIVER;
        break;
    case OBJECT_CAP_TABLE:
        cap.type = CAP_CNODE;
        cap.bits = (uint8_t)(bits - SLOT_BITS);
        break;
    case OBJECT_RISCV_PAGE_TABLE:
        cap.type = CAP_PAGE_TABLE;
        break;
    case OBJECT_UNTYPED:
        cap.type = CAP_UNTYPED;
        cap.bits = (uint8_t)bits;
        break;
    default:
        cap.type = CAP_FRAME;
        cap.bits = (uint8_t)bits;
        break;
    }
    return cap;
}

/* Untyped_Retype(type, size_bits, node_index, node_depth, node_offset, count), root: the new
 * capabilities go into the slots of one CNode. */
word untyped_retype(struct invocation *call)
{
    word type = call->words[0], index = call->words[2], depth = call->words[3];
    word offset = call->words[4], count = call->words[5];
    unsigned bits = object_bits(type, call->words[1]);
    if (!bits)
        return invalid_argument(call, type > OBJECT_RISCV_PAGE_TABLE ? 0 : 1);
    const struct slot *node = call->extra[0];
    if (depth)
        node = cspace_lookup_depth(node, index, depth);
    if (!node || node->type != CAP_CNODE)
        return fail(call, ERROR_FAILED_LOOKUP, 1, 0, 0);
    word slots = UINT64_C(1) << node->bits;
    if (offset >= slots)
        return fail(call, ERROR_RANGE, 2, 0, slots - 1);
    word most = slots - offset < 256 ? slots - offset : 256;
    if (count < 1 || count > most)
        return fail(call, ERROR_RANGE, 2, 1, most);
    struct slot *slot = (struct slot *)node->object + offset;
    for (word n = 0; n < count; n++)
        if (slot[n].type != CAP_NULL)
            return ERROR_DELETE_FIRST;
    struct slot *untyped = call->slot;
    word size = UINT64_C(1) << bits;
    word first = (untyped->value + size - 1) & -size;
    word whole = UINT64_C(1) << untyped->bits;
    if (first > whole || count > (whole - first) >> bits)
        return fail(call, ERROR_NOT_ENOUGH_MEMORY, 1, whole - untyped->value, 0);
    for (word n = 0; n < count; n++)
        slot[n] = object_cap(type, bits, untyped->object + first + n * size);
    untyped->value = first + count * size;
    return ERROR_NONE;
}
