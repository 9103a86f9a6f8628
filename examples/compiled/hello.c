/* The smallest program: rel4 cc hello.c -o hello.elf && rel4 run hello.elf */
#include <stdio.h>
#include <uintr.h>

int main(void)
{
    printf("hello from one of %lu harts\n", *uintr_register(UINTR_CONTROL_HARTS_OFFSET));
    return 0;
}
