/* The initial thread. */
#include "root_task.h"

#include <uintr.h>

enum { RETYPE_AT_ONCE = 256, RECEIVER_PRIORITY = 1, WRITE_ONLY = 1, READ_WRITE = 3 };
#define BUFFER_ADDRESS 0x40000000
#define THREAD_IPC_BUFFER 0x30000000
#define TABLE_SPAN (UINT64_C(1) << 21)

static word next_slot = SLOT_FIRST_FREE;

void print(const char *text)
{
    while (*text)
        seL4_DebugPutChar(*text++);
}

static void print_decimal(word value)
{
    char digits[20];
    unsigned count = 0;
    do
        digits[count++] = (char)('0' + value % 10);
    while (value /= 10);
    while (count)
        seL4_DebugPutChar(digits[--count]);
}

void print_number(const char *name, word value)
{
    print(name);
    seL4_DebugPutChar(' ');
    print_decimal(value);
    seL4_DebugPutChar('\n');
}

void check(const char *call, word error)
{
    if (error == ERROR_NONE)
        return;
    print(call);
    print_number(" failed with", error);
    seL4_DebugHalt(6);
}

word root_allocate(word type, word count, word size_bits)
{
    word first = next_slot;
    while (count) {
        word batch = count < RETYPE_AT_ONCE ? count : RETYPE_AT_ONCE;
        check("Untyped_Retype", seL4_Untyped_Retype(SLOT_FIRST_UNTYPED, type, size_bits,
                                               SLOT_INIT_THREAD_CNODE, next_slot, batch));
        next_slot += batch;
        count -= batch;
    }
    return first;
}

void root_map_page_tables(word virtual, word bytes)
{
    for (word address = virtual & -TABLE_SPAN; address < virtual + bytes; address += TABLE_SPAN) {
        word error;
        do {
            word table = root_allocate(OBJECT_RISCV_PAGE_TABLE, 1, 0);
            error = seL4_RISCV_PageTable_Map(table, SLOT_INIT_THREAD_VSPACE, address);
        } while (error == ERROR_NONE);
        if (error != ERROR_DELETE_FIRST) /* which says that it has all its tables */
            check("PageTable_Map", error);
    }
}

/* Contiguous, so that one capability stands for all of it. */
char *root_map_buffer(word *frame)
{
    *frame = root_allocate(OBJECT_RISCV_MEGA_PAGE, 1, 0);
    word table = root_allocate(OBJECT_RISCV_PAGE_TABLE, 1, 0);
    check("PageTable_Map", seL4_RISCV_PageTable_Map(table, SLOT_INIT_THREAD_VSPACE, BUFFER_ADDRESS));
    check("Page_Map", seL4_RISCV_Page_Map(*frame, SLOT_INIT_THREAD_VSPACE, BUFFER_ADDRESS, READ_WRITE));
    return (char *)BUFFER_ADDRESS;
}

word root_notification(word vector, word *badged)
{
    word notification = root_allocate(OBJECT_NOTIFICATION, 1, 0);
    *badged = next_slot++;
    check("CNode_Mint", seL4_CNode_Mint(SLOT_INIT_THREAD_CNODE, *badged, notification, WRITE_ONLY, vector));
    return notification;
}

void root_receive_interrupts(word notification, word tcb, const char *handler)
{
    uintr_csr_write(UINTR_CSR_UTVEC, (word)handler);
    uintr_csr_set(UINTR_CSR_USTATUS, UINTR_CSR_USTATUS_UIE_MASK);
    check("UintrRegisterReceiver", seL4_UintrRegisterReceiver(notification, tcb));
    uintr_csr_set(UINTR_CSR_UIE, UINTR_CSR_UIE_SOFTWARE_MASK); /* delegated by now */
}

word root_make_thread(void (*entry)(void), word hart)
{
    static char stack[4096] __attribute__((aligned(16)));
    word tcb = root_allocate(OBJECT_TCB, 1, 0);
    word frame = root_allocate(OBJECT_RISCV_4K_PAGE, 1, 0);
    word registers[] = {(word)entry, 0, (word)(stack + sizeof stack), 0, THREAD_IPC_BUFFER};
    root_map_page_tables(THREAD_IPC_BUFFER, IPC_BUFFER_BYTES);
    check("Page_Map", seL4_RISCV_Page_Map(frame, SLOT_INIT_THREAD_VSPACE, THREAD_IPC_BUFFER, READ_WRITE));
    check("TCB_Configure", seL4_TCB_Configure(tcb, 0, SLOT_INIT_THREAD_CNODE, SLOT_INIT_THREAD_VSPACE,
                                              THREAD_IPC_BUFFER, frame));
    check("TCB_SetPriority", seL4_TCB_SetPriority(tcb, SLOT_INIT_THREAD_TCB, 255));
    check("TCB_SetAffinity", seL4_TCB_SetAffinity(tcb, hart));
    check("TCB_WriteRegisters", seL4_TCB_WriteRegisters(tcb, false, 5, registers));
    return tcb;
}

void root_start_async(word capacity, const struct style *style, word policy)
{
    word frame, badged;
    async_create(root_map_buffer(&frame), capacity, style);
    unsigned receiver = NOBODY;
    if (!style->direct)
        receiver = executor_spawn(&async_receiver, RECEIVER_PRIORITY, true);
    word vector = executor_register_vector(receiver);
    word notification = root_notification(vector, &badged);
    check("TCB_BindNotification", seL4_TCB_BindNotification(SLOT_INIT_THREAD_TCB, notification));
    root_receive_interrupts(notification, SLOT_INIT_THREAD_TCB, user_interrupt);
    word answer[REGISTER_MESSAGE] = {0};
    check("UintrRegisterAsyncSyscall",
          seL4_UintrRegisterAsyncSyscall(badged, frame, policy, answer));
    async_registered(answer[1] ? (long)answer[2] : -1);
}
