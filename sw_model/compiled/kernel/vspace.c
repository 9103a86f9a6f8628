/* Address spaces.
 *
 * A new mapping needs no fence: a hart that does not see it yet takes a page fault, looks again
 * (vspace_spurious) and goes on. A mapping that is taken away must be forgotten
 * everywhere before its owner is told. Changes are noted on the hart that makes them, and
 * vspace_fence does for all of them at once; a hart in user mode is interrupted for it. */
#include "vspace.h"

#include "riscv.h"
#include "invocation.h"

enum { LEVELS = 3, INDEX_BITS = 9, ENTRIES = 512, KERNEL_ENTRIES = 508 };
#define USER_TOP (UINT64_C(1) << 38)

/* An address space in use: its root table, and the harts that may know translations of it. */
struct space {
    word *root;
    word harts;
};

extern word kernel_root[ENTRIES], kernel_satp;
static struct space spaces[MAX_ASIDS]; /* by identifier; 0 is the kernel's */

static word *table_of(word entry)
{
    return at(entry >> 10 << PAGE_BITS);
}

static word entry_for(word physical_address, word flags)
{
    return physical_address >> PAGE_BITS << 10 | flags;
}

static bool is_leaf(word entry)
{
    return entry & (PTE_R | PTE_W | PTE_X);
}

/* Descend towards *level; the entry where the walk ends, at *level or earlier at one that leads to
 * no table. */
static word *walk(word *table, word virtual, int *level)
{
    word wanted = PAGE_BITS + INDEX_BITS * (word)*level;
    word shift = PAGE_BITS + INDEX_BITS * (LEVELS - 1);
    for (;;) {
        word *entry = &table[virtual >> shift & (ENTRIES - 1)];
        if (shift == wanted)
            return entry;
        if (UNLIKELY((*entry & (PTE_V | PTE_R | PTE_W | PTE_X)) != PTE_V)) {
            *level = (int)((shift - PAGE_BITS) / INDEX_BITS);
            return entry;
        }
        table = table_of(*entry);
        shift -= INDEX_BITS;
    }
}

static int frame_level(const struct slot *frame)
{
    return frame->bits == PAGE_BITS ? 0 : 1;
}

/* --- fences ------------------------------------------------------------------------------------ */

static void gone(word asid, word virtual, bool one_page)
{
    struct fences *gone = &here->gone;
    if (gone->count && gone->asid != asid)
        one_page = false;
    gone->asid = asid;
    if (one_page && gone->count < FENCE_ADDRESSES)
        gone->addresses[gone->count++] = virtual;
    else
        gone->count = FENCE_ADDRESSES + 1;
}

static void fence_here(const struct fences *gone)
{
    if (gone->count > FENCE_ADDRESSES) {
        sfence_all();
        return;
    }
    for (word n = 0; n < gone->count; n++)
        sfence_address(gone->addresses[n], gone->asid);
}

void vspace_fence(void)
{
    struct fences *gone = &here->gone;
    if (!gone->count)
        return;
    word mask = gone->count > FENCE_ADDRESSES ? ~UINT64_C(0) : spaces[gone->asid].harts;
    if (mask >> here->index & 1)
        fence_here(gone);
    gone->count = 0;
    if (here->alone)
        return;
    /* A hart that is inside looks before it leaves, under the lock that is held here. */
    for (unsigned n = 0; n < parameters.harts; n++)
        if (n != here->index && mask >> n & 1)
            harts[n].fences = 1;
    fence_full();
    for (unsigned n = 0; n < parameters.harts; n++)
        if (n != here->index && mask >> n & 1 && !harts[n].inside)
            interrupt_hart(&harts[n]);
    for (unsigned n = 0; n < parameters.harts; n++)
        while (n != here->index && mask >> n & 1 && harts[n].fences && !harts[n].inside)
            ;
    fence_acquire();
}

bool vspace_spurious(const struct tcb *tcb, word cause, word virtual)
{
    word wanted = cause == CAUSE_FETCH_PAGE_FAULT  ? PTE_V | PTE_U | PTE_X
                  : cause == CAUSE_LOAD_PAGE_FAULT ? PTE_V | PTE_U | PTE_R
                                                   : PTE_V | PTE_U | PTE_W;
    if (tcb->vspace.type != CAP_PAGE_TABLE || !tcb->vspace.asid || virtual >= USER_TOP)
        return false;
    int level = 0;
    word entry = *walk(spaces[tcb->vspace.asid].root, virtual, &level);
    if ((entry & wanted) != wanted)
        return false;
    sfence_address(virtual, tcb->vspace.asid);
    return true;
}

/* --- spaces ------------------------------------------------------------------------------------ */

word vspace_assign(struct slot *slot)
{
    for (uint32_t asid = 1; asid < MAX_ASIDS; asid++) {
        if (spaces[asid].root)
            continue;
        spaces[asid].root = (word *)slot->object;
        for (unsigned n = KERNEL_ENTRIES; n < ENTRIES; n++)
            spaces[asid].root[n] = kernel_root[n];
        slot->asid = asid;
        slot->bits = true;
        return asid;
    }
    return 0;
}

word vspace_satp(const struct slot *vspace)
{
    if (vspace->type != CAP_PAGE_TABLE || !vspace->bits)
        return kernel_satp;
    return SATP_SV39 | (word)vspace->asid << SATP_ASID_LSB
           | physical((void *)vspace->object) >> PAGE_BITS;
}

void vspace_activate(struct tcb *tcb)
{
    if (ROOT_SWITCH || here->satp != tcb->satp) {
        here->satp = tcb->satp;
        spaces[tcb->vspace.asid].harts |= UINT64_C(1) << here->index;
        csr_write(satp, tcb->satp);
        if (ROOT_SWITCH == 2)
            sfence_all();
    }
}

void vspace_boot_map(word *root, word virtual, word physical_address, word flags, word *memory)
{
    int level = 0;
    word *entry = walk(root, virtual, &level);
    while (level) {
        *entry = entry_for(*memory, PTE_V);
        *memory += PAGE_BYTES;
        level = 0;
        entry = walk(root, virtual, &level);
    }
    *entry = entry_for(physical_address, flags | PTE_V | PTE_U | PTE_A | PTE_D);
}

word asid_pool_assign(struct invocation *call)
{
    struct slot *table = call->extra[0];
    if (table->type != CAP_PAGE_TABLE || table->asid)
        return invalid_capability(call, 1);
    return vspace_assign(table) ? ERROR_NONE : ERROR_DELETE_FIRST;
}

/* --- invocations of page tables ---------------------------------------------------------------- */

/* The address space that an extra capability names; null: none. */
static struct space *space_of(const struct slot *vspace)
{
    if (UNLIKELY(vspace->type != CAP_PAGE_TABLE || !vspace->bits))
        return NULL;
    return &spaces[vspace->asid];
}

/* PageTable_Map(virtual, attributes), vspace: where the walk first finds no table. */
word page_table_map(struct invocation *call)
{
    struct slot *slot = call->slot;
    word virtual = call->words[0];
    if (slot->bits || slot->asid)
        return invalid_capability(call, 0);
    struct space *space = space_of(call->extra[0]);
    if (!space)
        return invalid_capability(call, 1);
    if (virtual >= USER_TOP)
        return invalid_argument(call, 0);
    int level = 0;
    word *entry = walk(space->root, virtual, &level);
    if (level == 0 || *entry & PTE_V)
        return ERROR_DELETE_FIRST;
    *entry = entry_for(physical((void *)slot->object), PTE_V);
    slot->asid = call->extra[0]->asid;
    slot->value = virtual >> (PAGE_BITS + INDEX_BITS * level) << (PAGE_BITS + INDEX_BITS * level);
    return ERROR_NONE;
}

/* PageTable_Unmap: out of its address space, and cleared. */
word page_table_unmap(struct invocation *call)
{
    struct slot *slot = call->slot;
    if (slot->bits)
        return ERROR_REVOKE_FIRST;
    if (!slot->asid)
        return ERROR_NONE;
    word *table = spaces[slot->asid].root;
    for (int level = LEVELS - 1; level > 0; level--) {
        int found = level;
        word *entry = walk(table, slot->value, &found);
        if (found != level || !(*entry & PTE_V) || is_leaf(*entry))
            break;
        if (table_of(*entry) == (word *)slot->object) {
            *entry = 0;
            gone(slot->asid, 0, false);
            break;
        }
    }
    for (unsigned n = 0; n < ENTRIES; n++)
        ((word *)slot->object)[n] = 0;
    slot->asid = 0;
    return ERROR_NONE;
}

/* --- invocations of frames --------------------------------------------------------------------- */

/* Page_Map(virtual, rights, attributes), vspace: map a frame, or change the rights of its mapping.
 * Bit 0 of the attributes is ExecuteNever. */
word page_map(struct invocation *call)
{
    struct slot *slot = call->slot;
    const struct slot *vspace = call->extra[0];
    word virtual = call->words[0];
    struct space *space = space_of(vspace);
    if (UNLIKELY(!space))
        return invalid_capability(call, 1);
    if (UNLIKELY(virtual + (UINT64_C(1) << slot->bits) > USER_TOP || virtual > USER_TOP))
        return invalid_argument(call, 0);
    if (UNLIKELY(virtual & ((UINT64_C(1) << slot->bits) - 1)))
        return ERROR_ALIGNMENT;
    if (UNLIKELY(slot->asid && slot->asid != vspace->asid))
        return invalid_capability(call, 1);
    if (UNLIKELY(slot->asid && slot->value != virtual))
        return invalid_argument(call, 0);
    int level = frame_level(slot), wanted = level;
    word *entry = walk(space->root, virtual, &level);
    if (UNLIKELY(level != wanted && !(*entry & PTE_V)))
        return fail(call, ERROR_FAILED_LOOKUP, 2, 0, (word)(PAGE_BITS + INDEX_BITS * level));
    if (UNLIKELY(level != wanted || (*entry & PTE_V && !slot->asid)))
        return ERROR_DELETE_FIRST;
    word rights = slot->rights & call->words[1];
    if (UNLIKELY(!(rights & RIGHT_READ)))
        return invalid_argument(call, 1);
    word flags = PTE_V | PTE_U | PTE_A | PTE_D | PTE_R;
    if (rights & RIGHT_WRITE)
        flags |= PTE_W;
    if (!(call->words[2] & 1))
        flags |= PTE_X;
    bool changed = *entry & PTE_V;
    *entry = entry_for(physical((void *)slot->object), flags);
    if (changed)
        gone(vspace->asid, virtual, level == 0);
    slot->asid = vspace->asid;
    slot->value = virtual;
    return ERROR_NONE;
}

/* Page_Unmap: nothing happens if it is not mapped. */
word page_unmap(struct invocation *call)
{
    struct slot *slot = call->slot;
    if (!slot->asid)
        return ERROR_NONE;
    int level = frame_level(slot), wanted = level;
    word *entry = walk(spaces[slot->asid].root, slot->value, &level);
    if (level == wanted && is_leaf(*entry) && table_of(*entry) == (word *)slot->object) {
        *entry = 0;
        gone(slot->asid, slot->value, level == 0);
    }
    slot->asid = 0;
    return ERROR_NONE;
}

word page_get_address(struct invocation *call)
{
    call->answers = 1;
    call->answer[0] = physical((void *)call->slot->object);
    return ERROR_NONE;
}
