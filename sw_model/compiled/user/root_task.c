/* The initial thread. */
#include "root_task.h"

#include <uintr.h>

enum { RETYPE_AT_ONCE = 256, RECEIVER_PRIORITY = 1, WRITE_ONLY = 1, READ_WRITE = 3 };
#define BUFFER_ADDRESS 0x40000000
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

/* A 2 MiB frame: contiguous, so that one capability stands for all of it. */
static word map_buffer(void)
{
    word frame = root_allocate(OBJECT_RISCV_MEGA_PAGE, 1, 0);
    word table = root_allocate(OBJECT_RISCV_PAGE_TABLE, 1, 0);
    check("PageTable_Map", seL4_RISCV_PageTable_Map(table, SLOT_INIT_THREAD_VSPACE, BUFFER_ADDRESS));
    check("Page_Map", seL4_RISCV_Page_Map(frame, SLOT_INIT_THREAD_VSPACE, BUFFER_ADDRESS, READ_WRITE));
    return frame;
}

void root_start_async(word capacity, const struct style *style, word policy)
{
    extern char user_interrupt[];
    word frame = map_buffer();
    async_create((char *)BUFFER_ADDRESS, capacity, style);
    word notification = root_allocate(OBJECT_NOTIFICATION, 1, 0);
    unsigned receiver = NOBODY;
    if (!style->direct)
        receiver = executor_spawn(&async_receiver, RECEIVER_PRIORITY, true);
    word vector = executor_register_vector(receiver);
    word badged = next_slot++;
    check("CNode_Mint", seL4_CNode_Mint(SLOT_INIT_THREAD_CNODE, badged, notification, WRITE_ONLY, vector));
    check("TCB_BindNotification", seL4_TCB_BindNotification(SLOT_INIT_THREAD_TCB, notification));
    uintr_csr_write(UINTR_CSR_UTVEC, (word)user_interrupt);
    uintr_csr_set(UINTR_CSR_USTATUS, UINTR_CSR_USTATUS_UIE_MASK);
    check("UintrRegisterReceiver", seL4_UintrRegisterReceiver(notification, SLOT_INIT_THREAD_TCB));
    uintr_csr_set(UINTR_CSR_UIE, UINTR_CSR_UIE_SOFTWARE_MASK); /* delegated by now */
    word answer[REGISTER_MESSAGE] = {0};
    check("UintrRegisterAsyncSyscall",
          seL4_UintrRegisterAsyncSyscall(badged, frame, policy, answer));
    async_registered(answer[1] ? (long)answer[2] : -1);
}
