#include <stdint.h>
#include <string.h>

/* Words where both sides allow it, bytes at the ends. */
void *memcpy(void *restrict to, const void *restrict from, size_t count)
{
    unsigned char *out = to;
    const unsigned char *in = from;
    if ((((uintptr_t)out ^ (uintptr_t)in) & 7) == 0) {
        for (; count && (uintptr_t)out & 7; count--)
            *out++ = *in++;
        for (; count >= 8; count -= 8, out += 8, in += 8)
            *(uint64_t *)out = *(const uint64_t *)in;
    }
    while (count--)
        *out++ = *in++;
    return to;
}

void *memmove(void *to, const void *from, size_t count)
{
    unsigned char *out = to;
    const unsigned char *in = from;
    if (out <= in || out >= in + count)
        return memcpy(to, from, count);
    while (count--)
        out[count] = in[count];
    return to;
}

void *memset(void *to, int byte, size_t count)
{
    unsigned char *out = to;
    const uint64_t word = (unsigned char)byte * UINT64_C(0x0101010101010101);
    for (; count && (uintptr_t)out & 7; count--)
        *out++ = (unsigned char)byte;
    for (; count >= 8; count -= 8, out += 8)
        *(uint64_t *)out = word;
    while (count--)
        *out++ = (unsigned char)byte;
    return to;
}

int memcmp(const void *left, const void *right, size_t count)
{
    const unsigned char *a = left, *b = right;
    for (; count; count--, a++, b++)
        if (*a != *b)
            return *a - *b;
    return 0;
}

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

int strcmp(const char *left, const char *right)
{
    while (*left && *left == *right)
        left++, right++;
    return (unsigned char)*left - (unsigned char)*right;
}
