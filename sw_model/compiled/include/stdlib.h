#ifndef STDLIB_H
#define STDLIB_H

#include <stddef.h>

/* Ends the run of all harts; status 0 to 255 becomes the exit status of `rel4 run`. From U-mode too,
 * where memory is not translated. */
__attribute__((noreturn)) void exit(int status);
__attribute__((noreturn)) void abort(void); /* status 134 */

#endif
