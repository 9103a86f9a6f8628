/* Boot: every hart's own state, and the initial thread with its world.
 *
 * Physical memory: the kernel's image, the user's image, the initial thread's objects, and the
 * largest aligned power of two of the rest as untyped memory. Virtual memory of the initial thread:
 * its image where it was linked, its IPC buffer, one page of data. */
#include "riscv.h"
#include "hart.h"
#include "kernel.h"
#include "lock.h"
#include <rel4_abi.h>
#include "scheduler.h"
#include "uintr_state.h"
#include "vspace.h"

extern const struct {
    word image, end, entry, stack; /* as the user sees them */
} user_layout;
extern char user_load[], kernel_end[]; /* where image and free memory begin, as the kernel does */

const volatile struct parameters parameters __attribute__((section(".data.parameters"))) = {
    .harts = 1,
    .timer_period = 20000,
    .timer_phase = {10000, 5000, 15000, 2500},
    .memory_bytes = 16 << 20,
};

/* Where TCB and CNode lie in their pages: kernel.ld says why. */
enum { TCB_OFFSET = 2 << TCB_BITS, CNODE_OFFSET = 0xc80 };

static word memory; /* next free byte, physical */

static word page(void)
{
    word address = memory;
    memory += PAGE_BYTES;
    return address;
}

static void cap(struct slot *root, unsigned slot, enum cap_type type, unsigned bits, void *object)
{
    root[slot] = (struct slot){.type = type, .bits = (uint8_t)bits, .object = (word)object,
                               .rights = RIGHTS_ALL};
}

/* The largest aligned block between `first` and `end`. */
static void untyped(struct slot *slot, word first, word end)
{
    for (unsigned bits = 38; bits >= PAGE_BITS; bits--) {
        word size = UINT64_C(1) << bits, start = (first + size - 1) & -size;
        if (start + size <= end && start + size > start) {
            cap(slot, 0, CAP_UNTYPED, bits, at(start));
            return;
        }
    }
}

static void map_image(word *root)
{
    word flags = PTE_R | PTE_W | PTE_X;
    word load = physical(user_load), begin = user_layout.image;
    for (word virtual = begin; virtual < user_layout.end; virtual += PAGE_BYTES)
        vspace_boot_map(root, virtual, load + (virtual - begin), flags, &memory);
}

static void boot_initial_thread(void)
{
    memory = physical(kernel_end) + CNODE_OFFSET;
    word slots = memory;
    memory += sizeof(struct slot) << ROOT_RADIX;
    memory = (memory + PAGE_BYTES - 1) & -(word)PAGE_BYTES;
    struct slot *cnode = at(slots);
    struct tcb *tcb = at(page() + TCB_OFFSET);
    word *root = at(page());
    word data = page(), ipc_buffer = page();
    cap(cnode, SLOT_INIT_THREAD_TCB, CAP_THREAD, 0, tcb);
    cap(cnode, SLOT_INIT_THREAD_CNODE, CAP_CNODE, ROOT_RADIX, cnode);
    cnode[SLOT_INIT_THREAD_CNODE].guard_size = 64 - ROOT_RADIX;
    cap(cnode, SLOT_INIT_THREAD_VSPACE, CAP_PAGE_TABLE, 0, root);
    vspace_assign(&cnode[SLOT_INIT_THREAD_VSPACE]);
    cap(cnode, SLOT_INIT_THREAD_ASID_POOL, CAP_ASID_POOL, 0, NULL);
    cap(cnode, SLOT_INIT_THREAD_IPC_BUFFER, CAP_FRAME, PAGE_BITS, at(ipc_buffer));
    map_image(root);
    vspace_boot_map(root, IPC_BUFFER_ADDRESS, ipc_buffer, PTE_R | PTE_W, &memory);
    vspace_boot_map(root, DATA_ADDRESS, data, PTE_R | PTE_W, &memory);
    cnode[SLOT_INIT_THREAD_IPC_BUFFER].asid = cnode[SLOT_INIT_THREAD_VSPACE].asid;
    cnode[SLOT_INIT_THREAD_IPC_BUFFER].value = IPC_BUFFER_ADDRESS;
    untyped(&cnode[SLOT_FIRST_UNTYPED], memory, RAM_BASE + parameters.memory_bytes);
    tcb->cspace = cnode[SLOT_INIT_THREAD_CNODE];
    tcb->vspace = cnode[SLOT_INIT_THREAD_VSPACE];
    tcb->buffer = cnode[SLOT_INIT_THREAD_IPC_BUFFER];
    tcb->satp = vspace_satp(&tcb->vspace);
    tcb->ipc_buffer = at(ipc_buffer);
    tcb->uintr.receiver = NO_RECEIVER;
    tcb->priority = PRIORITIES - 1;
    tcb->time_slice = TIME_SLICE;
    tcb->context.registers[PC] = user_layout.entry;
    tcb->context.registers[SP] = user_layout.stack;
    tcb->state = THREAD_RUNNING;
    scheduler_enqueue(tcb, false);
}

/* From start.S, on every hart. The first one makes the initial thread, and then lets the others
 * go on: they wait for the lock's memory to be set up. */
struct context *boot_hart(word index)
{
    static volatile bool ready;
    static struct queue queues[MAX_HARTS][PRIORITIES];
    static struct tcb idle_threads[MAX_HARTS];
    extern char stacks[];
    here = &harts[index];
    here->index = index;
    here->alone = parameters.harts == 1;
    here->stack = (word)stacks + STACK_BYTES * (index + 1);
    here->inside = 1;
    here->choose = true;
    here->ready = queues[index];
    here->idle_thread = &idle_threads[index];
    here->idle_thread->state = THREAD_IDLE;
    here->idle_thread->affinity = (uint8_t)index;
    here->idle_thread->uintr.receiver = NO_RECEIVER;
    here->current = here->idle_thread;
    lock_boot();
    while (index && !ready)
        ;
    fence_acquire();
    lock_acquire();
    uintr_boot();
    if (!index) {
        boot_initial_thread();
        fence_release();
        ready = true;
    }
    csr_write(sie, SIP_SOFTWARE | SIP_TIMER | SIP_EXTERNAL);
    csr_write_stimecmp( read_time() + parameters.timer_phase[index]);
    return kernel_leave();
}
