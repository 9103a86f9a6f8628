#include <soc.h>
#include <stdio.h>

/* Weak: a program may have a console of its own. */
__attribute__((weak)) int putchar(int character)
{
    while (!(*UART_LSR & UART_LSR_THRE))
        ;
    *UART_THR = (unsigned char)character;
    return (unsigned char)character;
}

int getchar(void)
{
    while (!(*UART_LSR & UART_LSR_DR))
        ;
    return *UART_RBR;
}

int puts(const char *text)
{
    while (*text)
        putchar(*text++);
    return putchar('\n');
}
