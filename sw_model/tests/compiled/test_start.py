"""Start-up code, traps and the way down to U-mode, on Spike where it is installed."""

from dataclasses import replace
from pathlib import Path

import pytest

from rel4.compiled import Program, RunConfig, RunResult, compile_program, load_program, run_program
from rel4.compiled.elf import Segment
from rel4.compiled.spike_library import missing

if missing() is not None:
    pytest.skip(str(missing()), allow_module_level=True)


def program(folder: Path, **texts: str) -> Program:
    """Compile each text; the name of the argument is that of the file, its ending after a dash."""
    sources = []
    for name, text in texts.items():
        path = folder / name.replace("_", ".")
        path.write_text(text)
        sources.append(path)
    compile_program(sources, folder / "program.elf")
    return load_program(folder / "program.elf")


def run(compiled: Program, harts: int = 1) -> RunResult:
    return run_program(compiled, RunConfig(harts=harts, max_cycles=200_000), runner="spike")


def test_bss_is_cleared_before_any_hart_runs_c(tmp_path: Path) -> None:
    compiled = program(
        tmp_path,
        main_c="""#include <mark.h>
volatile uint64_t zeros[50];
static int dirty(void) { for (int i = 0; i < 50; i++) if (zeros[i]) return 1; return 0; }
static volatile int others;
void hart_main(uint64_t hart) { mark(1, dirty()); others = hart; for (;;) ; }
int main(void) { mark(0, dirty()); do ; while (!others); return dirty(); }
""",
    )
    place = compiled.symbols.addresses["zeros"]
    garbage = Segment(place, b"\xff" * 400, 400)
    result = run(replace(compiled, segments=(*compiled.segments, garbage)), harts=2)
    assert result.status == 0
    assert sorted((mark.id, mark.value) for mark in result.marks) == [(0, 0), (1, 0)]


def test_every_hart_has_its_number_and_a_stack_of_its_own(tmp_path: Path) -> None:
    compiled = program(
        tmp_path,
        main_c="""#include <mark.h>
#include <csr.h>
static volatile uint64_t count;
void hart_main(uint64_t hart)
{
    if (hart != csr_read(mhartid))
        mark(99, hart);
    uint64_t sp;
    __asm__ volatile("mv %0, sp" : "=r"(sp));
    mark(1, sp);
    __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    for (;;) ;
}
int main(int hart) { do ; while (count < 7); return hart; }
""",
    )
    result = run(compiled, harts=8)
    assert result.status == 0
    tops = {mark.hart: mark.value for mark in result.marks}
    assert [mark.id for mark in result.marks] == [1] * 7
    assert all(tops[hart] - tops[hart + 1] == 0x2000 for hart in range(1, 7))
    assert tops[1] <= compiled.symbols.addresses["__stack_top"] - 0x2000


@pytest.mark.parametrize("status", [0, 1, 255])
def test_what_main_returns(tmp_path: Path, status: int) -> None:
    assert (
        run(program(tmp_path, main_c=f"int main(void) {{ return {status}; }}\n")).status == status
    )


def test_abort_and_assert(tmp_path: Path) -> None:
    text = "#include <assert.h>\nint main(int hart) { assert(hart == 1); return 0; }\n"
    result = run(program(tmp_path, main_c=text))
    assert result.status == 134
    assert result.console.endswith(b"main.c:2: assertion hart == 1 failed\n")


REGISTERS = [n for n in range(1, 32) if n not in (2, 3)]

FILL = "".join(f"    li x{n}, {0x1111_0000 + n}\n" for n in REGISTERS)
CHECK = "".join(
    f"    li x3, {0x1111_0000 + n}\n    bne x{n}, x3, 9f\n" for n in REGISTERS
)  # fmt: skip

TRAPS_C = """#include <csr.h>
#include <mark.h>
#include <stdlib.h>
#include <trap.h>
void check(void *mode);
static char stack[512] __attribute__((aligned(16)));
void trap(struct trap_frame *frame)
{
    mark(1, frame->cause);
    if (frame->x[17] == 0x11110000 + 17) { /* in the middle of check */
        frame->pc += 4;
        for (volatile int i = 0; i < 100; i++) ;
        return;
    }
    mark(2, frame->x[2] - (uint64_t)stack);
    if (frame->x[10])
        exit((int)frame->x[10]);
    enter_user(check, 0, stack + sizeof stack);
}
int main(void)
{
    csr_write(mtvec, trap_entry);
    check(0);
    exit(1);
}
"""


def test_a_trap_keeps_every_register_in_both_modes(tmp_path: Path) -> None:
    """``check`` fills all registers, traps, looks whether all are as before, traps again."""
    check = (
        "    .globl check\ncheck:\n    mv t0, sp\n    la t1, kept\n    sd t0, 0(t1)\n"
        f"{FILL}    ecall\n{CHECK}    la t1, kept\n    ld t1, 0(t1)\n    bne sp, t1, 9f\n"
        "    la t1, times\n    ld t2, 0(t1)\n    addi t3, t2, 1\n    sd t3, 0(t1)\n"
        "    neg a0, t2\n    andi a0, a0, 7\n    li a7, 0\n    ecall\n"
        "9:  li a0, 3\n    li a7, 0\n    ecall\n"
        "    .data\n    .balign 8\nkept: .dword 0\ntimes: .dword 0\n"
    )
    result = run(program(tmp_path, main_c=TRAPS_C, check_S=check))
    assert [mark.value for mark in result.marks if mark.id == 1] == [11, 11, 8, 8]
    assert result.status == 7, "the second time around it came from U-mode, and all was well"
    assert [mark.value for mark in result.marks if mark.id == 2][-1] == 512


def test_user_handler_keeps_every_register(tmp_path: Path) -> None:
    """A post to itself between filling the registers and looking at them."""
    main = """#include <mark.h>
#include <stdlib.h>
#include <trap.h>
#include <uintr.h>
void check(void *argument);
static uint64_t table[512] __attribute__((aligned(4096)));
static char stack[1024] __attribute__((aligned(16)));
void user_interrupt(uint64_t pending) { mark(1, pending); for (volatile int i = 0; i < 50; i++) ; }
void trap(struct trap_frame *frame) { exit((int)frame->x[10]); }
int main(void)
{
    table[1] = uintr_sender_entry(1, 6, 0);
    uintr_slot(0)->low = uintr_low(1, 1, 0, 0, 0);
    uintr_csr_write(UINTR_CSR_SUIST, uintr_suist((uint64_t)table >> 12, 1, 1));
    uintr_csr_write(UINTR_CSR_SUIRS, uintr_suirs(0, 1));
    delegate_user_interrupts();
    uintr_csr_write(UINTR_CSR_UIE, UINTR_CSR_UIE_SOFTWARE_MASK);
    uintr_csr_write(UINTR_CSR_UTVEC, user_handler);
    __asm__ volatile("csrw mtvec, %0" : : "r"(trap_entry));
    enter_user(check, 0, stack + sizeof stack);
}
"""
    check = (
        '#include "uintr.h"\n    .globl check\ncheck:\n    csrsi UINTR_CSR_USTATUS, 1\n'
        f"{FILL}    li gp, 1\n    uipi_send gp\n"
        "    .rept 2000\n    nop\n    .endr\n"
        f"{CHECK}    li a0, 7\n    ecall\n9:  li a0, 3\n    ecall\n"
    )
    result = run(program(tmp_path, main_c=main, check_S=check))
    assert [(mark.id, mark.value) for mark in result.marks] == [(1, 1 << 6)]
    assert result.status == 7
