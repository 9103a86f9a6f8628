/* What there is of it in a program without an operating system: the console, and formatting.
 * Conversions: d i u x X o p c s %, flags - 0 # +, width, precision, * for both, l z j t. */
#ifndef STDIO_H
#define STDIO_H

#include <stdarg.h>
#include <stddef.h>

#define EOF (-1)

#define REL4_FORMAT(text, first) __attribute__((format(printf, text, first)))

int putchar(int character);
int getchar(void); /* waits */
int puts(const char *text);
int printf(const char *format, ...) REL4_FORMAT(1, 2);
int vprintf(const char *format, va_list arguments) REL4_FORMAT(1, 0);
int snprintf(char *text, size_t room, const char *format, ...) REL4_FORMAT(3, 4);
int vsnprintf(char *text, size_t room, const char *format, va_list arguments) REL4_FORMAT(3, 0);

#endif
