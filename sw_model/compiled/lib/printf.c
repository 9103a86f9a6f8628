#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Where characters go: into text[0 .. room-1] or, without text, to the console. */
struct sink {
    char *text;
    size_t room;
    int count; /* of all characters, those without room too */
};

static void put(struct sink *sink, char character)
{
    if (!sink->text)
        putchar(character);
    else if ((size_t)sink->count < sink->room)
        sink->text[sink->count] = character;
    sink->count++;
}

/* One conversion as it was asked for. */
struct conversion {
    bool left, zero, alternate, plus;
    int width, precision; /* precision -1: none given */
    int longs;            /* number of l; z, j and t count as one */
};

static void padded(struct sink *sink, const struct conversion *how, const char *prefix,
                   const char *body, int length, int zeros)
{
    int blanks = how->width - (int)strlen(prefix) - zeros - length;
    for (; !how->left && blanks > 0; blanks--)
        put(sink, ' ');
    while (*prefix)
        put(sink, *prefix++);
    for (; zeros > 0; zeros--)
        put(sink, '0');
    for (int i = 0; i < length; i++)
        put(sink, body[i]);
    for (; blanks > 0; blanks--)
        put(sink, ' ');
}

static void number(struct sink *sink, const struct conversion *how, uint64_t value, unsigned base,
                   bool upper, const char *prefix)
{
    char digits[24]; /* 64 bits in octal are 22 */
    int length = 0;
    if (value || how->precision != 0)
        do
            digits[sizeof digits - 1 - length++] =
                (upper ? "0123456789ABCDEF" : "0123456789abcdef")[value % base];
        while (value /= base);
    int zeros = how->precision - length;
    if (how->precision < 0 && how->zero && !how->left)
        zeros = how->width - length - (int)strlen(prefix);
    padded(sink, how, prefix, digits + sizeof digits - length, length, zeros > 0 ? zeros : 0);
}

static int decimal(const char **format)
{
    int value = 0;
    while (**format >= '0' && **format <= '9')
        value = value * 10 + *(*format)++ - '0';
    return value;
}

static void print(struct sink *sink, const char *format, va_list arguments)
{
    for (; *format; format++) {
        if (*format != '%') {
            put(sink, *format);
            continue;
        }
        struct conversion how = {.precision = -1};
        for (bool flags = true; flags;)
            switch (*++format) {
            case '-': how.left = true; break;
            case '0': how.zero = true; break;
            case '#': how.alternate = true; break;
            case '+': how.plus = true; break;
            default: flags = false;
            }
        if (*format == '*') {
            how.width = va_arg(arguments, int);
            format++;
        } else
            how.width = decimal(&format);
        if (*format == '.') {
            format++;
            how.precision = *format == '*' ? (format++, va_arg(arguments, int)) : decimal(&format);
        }
        for (; *format == 'l' || *format == 'z' || *format == 'j' || *format == 't'; format++)
            how.longs++;
        uint64_t value;
        switch (*format) {
        case 'd':
        case 'i':
            value = (uint64_t)(how.longs ? va_arg(arguments, long) : va_arg(arguments, int));
            if ((int64_t)value < 0)
                number(sink, &how, -value, 10, false, "-");
            else
                number(sink, &how, value, 10, false, how.plus ? "+" : "");
            break;
        case 'u':
        case 'x':
        case 'X':
        case 'o':
            value = how.longs ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned);
            bool hex = *format == 'x' || *format == 'X';
            number(sink, &how, value, *format == 'u' ? 10 : hex ? 16 : 8, *format == 'X',
                   !how.alternate || !value ? "" : *format == 'x' ? "0x" : hex ? "0X" : "0");
            break;
        case 'p':
            number(sink, &how, (uint64_t)va_arg(arguments, void *), 16, false, "0x");
            break;
        case 'c': {
            char character = (char)va_arg(arguments, int);
            padded(sink, &how, "", &character, 1, 0);
            break;
        }
        case 's': {
            const char *text = va_arg(arguments, const char *);
            int length = 0;
            while ((how.precision < 0 || length < how.precision) && text[length])
                length++;
            padded(sink, &how, "", text, length, 0);
            break;
        }
        case '%':
            put(sink, '%');
            break;
        default: /* not one of ours: as it stands */
            put(sink, '%');
            if (!*format)
                return;
            put(sink, *format);
        }
    }
}

int vsnprintf(char *text, size_t room, const char *format, va_list arguments)
{
    char nowhere;
    /* Without room nothing is written; what would be, is counted. */
    struct sink sink = {.text = room ? text : &nowhere, .room = room ? room - 1 : 0};
    print(&sink, format, arguments);
    if (room)
        text[(size_t)sink.count < room ? (size_t)sink.count : room - 1] = 0;
    return sink.count;
}

int snprintf(char *text, size_t room, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(text, room, format, arguments);
    va_end(arguments);
    return count;
}

int vprintf(const char *format, va_list arguments)
{
    struct sink sink = {0};
    print(&sink, format, arguments);
    return sink.count;
}

int printf(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int count = vprintf(format, arguments);
    va_end(arguments);
    return count;
}
