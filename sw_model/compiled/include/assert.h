/* A failed assertion prints itself and ends the run with status 134. */
#undef assert
#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
#include <stdio.h>
#include <stdlib.h>
#define assert(condition)                                                                          \
    ((condition) ? (void)0                                                                         \
                 : (printf("%s:%d: assertion %s failed\n", __FILE__, __LINE__, #condition), abort()))
#endif
#ifndef static_assert
#define static_assert _Static_assert
#endif
