/* Invocations: what each label wants, and whose it is. */
#include "invocation.h"

struct method {
    word (*function)(struct invocation *call);
    uint8_t type;   /* of the invoked capability */
    uint8_t words;  /* message registers that it needs */
    uint8_t caps;   /* extra capabilities that it needs */
};

static const struct method methods[] = {
    [INVOCATION_UNTYPED_RETYPE] = {untyped_retype, CAP_UNTYPED, 6, 1},
    [INVOCATION_TCB_WRITE_REGISTERS] = {tcb_write_registers, CAP_THREAD, 5, 0},
    [INVOCATION_TCB_CONFIGURE] = {tcb_configure, CAP_THREAD, 4, 3},
    [INVOCATION_TCB_SET_PRIORITY] = {tcb_set_priority, CAP_THREAD, 1, 1},
    [INVOCATION_TCB_SUSPEND] = {tcb_suspend, CAP_THREAD, 0, 0},
    [INVOCATION_TCB_RESUME] = {tcb_resume, CAP_THREAD, 0, 0},
    [INVOCATION_TCB_BIND_NOTIFICATION] = {tcb_bind_notification, CAP_THREAD, 0, 1},
    [INVOCATION_TCB_UNBIND_NOTIFICATION] = {tcb_unbind_notification, CAP_THREAD, 0, 0},
    [INVOCATION_TCB_SET_AFFINITY] = {tcb_set_affinity, CAP_THREAD, 1, 0},
    [INVOCATION_CNODE_COPY] = {cnode_copy, CAP_CNODE, 5, 1},
    [INVOCATION_CNODE_MINT] = {cnode_mint, CAP_CNODE, 6, 1},
    [INVOCATION_UINTR_REGISTER_SENDER] = {uintr_register_sender, CAP_NOTIFICATION, 0, 0},
    [INVOCATION_UINTR_REGISTER_RECEIVER] = {uintr_register_receiver, CAP_NOTIFICATION, 0, 1},
    [INVOCATION_UINTR_REGISTER_ASYNC_SYSCALL] = {uintr_register_async_syscall, CAP_NOTIFICATION,
                                                 1, 1},
    [INVOCATION_RISCV_PAGE_TABLE_MAP] = {page_table_map, CAP_PAGE_TABLE, 2, 1},
    [INVOCATION_RISCV_PAGE_TABLE_UNMAP] = {page_table_unmap, CAP_PAGE_TABLE, 0, 0},
    [INVOCATION_RISCV_PAGE_MAP] = {page_map, CAP_FRAME, 3, 1},
    [INVOCATION_RISCV_PAGE_UNMAP] = {page_unmap, CAP_FRAME, 0, 0},
    [INVOCATION_RISCV_PAGE_GET_ADDRESS] = {page_get_address, CAP_FRAME, 0, 0},
    [INVOCATION_RISCV_ASID_POOL_ASSIGN] = {asid_pool_assign, CAP_ASID_POOL, 0, 1},
};

word invoke(struct invocation *call)
{
    call->answers = 0;
    if (UNLIKELY(call->slot->type == CAP_NULL))
        return invalid_capability(call, 0);
    if (UNLIKELY(call->label >= sizeof methods / sizeof *methods))
        return ERROR_ILLEGAL_OPERATION;
    const struct method *method = &methods[call->label];
    if (UNLIKELY(!method->function || method->type != call->slot->type))
        return ERROR_ILLEGAL_OPERATION;
    if (UNLIKELY(call->length < method->words || call->extra_caps < method->caps))
        return ERROR_TRUNCATED_MESSAGE;
    return method->function(call);
}

word fail(struct invocation *call, word error, word details, word first, word second)
{
    call->answers = details;
    call->answer[0] = first;
    call->answer[1] = second;
    return error;
}
