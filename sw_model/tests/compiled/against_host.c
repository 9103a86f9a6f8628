/* printf and string functions of our library (our_...) beside those of this computer's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int our_snprintf(char *, size_t, const char *, ...);
void *our_memmove(void *, const void *, size_t);
void *our_memset(void *, int, size_t);
int our_memcmp(const void *, const void *, size_t);
int our_strcmp(const char *, const char *);

static int bad;

#define ROOM(room, ...)                                                                            \
    do {                                                                                           \
        char theirs[80], ours[80];                                                                 \
        memset(theirs, 1, 80);                                                                     \
        memset(ours, 1, 80);                                                                       \
        int m = snprintf(theirs, room, __VA_ARGS__), n = our_snprintf(ours, room, __VA_ARGS__);    \
        if (m != n || memcmp(theirs, ours, 80)) {                                                  \
            bad = 1;                                                                               \
            printf("%s: %d %.79s, not %d %.79s\n", #__VA_ARGS__, n, ours, m, theirs);              \
        }                                                                                          \
    } while (0)
#define TRY(...)                                                                                   \
    do {                                                                                           \
        ROOM(80, __VA_ARGS__);                                                                     \
        ROOM(5, __VA_ARGS__);                                                                      \
        ROOM(0, __VA_ARGS__);                                                                      \
    } while (0)

int main(void)
{
    TRY("%d|%i", -5, 7);
    TRY("%5d|%-5d|%05d|%+d", 42, 42, -42, 42);
    TRY("%ld", -9223372036854775807L - 1);
    TRY("%u|%x|%X|%o", 4000000000u, 48879u, 48879u, 8u);
    TRY("%lx|%#lx|%#o|%#x", -1ul, 255ul, 8u, 0u);
    TRY("%s|%10s|%-10s|%.2s|", "word", "word", "word", "word");
    TRY("%c%%|%3c", 65, 66);
    TRY("%.3d|%8.3d|%.0d|", 5, 5, 0);
    TRY("%*d|%-*d|%.*s|", 6, 1, 6, 2, 3, "abcdef");
    TRY("%zu|%jd", (size_t)9, (long)-9);
    TRY("%p", (void *)4096);
    TRY("a long text that does not fit into the little room: %d", 12345);
    for (int i = 0; i < 20000; i++) {
        char a[64], b[64];
        for (int k = 0; k < 64; k++)
            a[k] = b[k] = rand() & 1;
        int to = rand() % 32, from = rand() % 32, count = rand() % 32;
        memmove(a + to, a + from, count);
        our_memmove(b + to, b + from, count);
        memset(a + from, i, count / 2);
        our_memset(b + from, i, count / 2);
        int x = memcmp(a + to, a + from, count), y = our_memcmp(a + to, a + from, count);
        if (memcmp(a, b, 64) || (x < 0) != (y < 0) || !x != !y) {
            puts("memory");
            return 1;
        }
    }
    if (our_strcmp("ab", "ac") >= 0 || our_strcmp("a", "a") || our_strcmp("\xff", "a") <= 0)
        bad = 1;
    return bad;
}
