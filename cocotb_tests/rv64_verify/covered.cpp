// The system with counters of coverage, whose harts can be halted and stepped meanwhile.

#include <algorithm>

#include "rtl.cpp"

extern "C" {

void rtl_coverage(Rtl *rtl, const char *path) { rtl->context.coveragep()->write(path); }

// As rtl_run, but a debugger halts all harts now and then: it takes a few steps, and lets go.
uint64_t rtl_run_halting(Rtl *rtl, Record *buffer, uint64_t capacity, uint64_t limit, int every) {
  Vsoc &soc = rtl->soc;
  const uint64_t all = (1ull << HARTS) - 1;
  uint64_t count = 0;
  while (!rtl->ended && rtl->cycle < limit && count + 64 < capacity) {
    soc.halt_request = 0;
    count += rtl_run(rtl, buffer + count, capacity - count, std::min(limit, rtl->cycle + every));
    soc.halt_request = all;
    for (int tries = 0; tries < 2000 && soc.halted != all && !rtl->ended; ++tries)
      count += rtl_run(rtl, buffer + count, capacity - count, rtl->cycle + 1);
    for (int step = 0; step < 3 && soc.halted == all && !rtl->ended; ++step) {
      soc.halt_step = all;
      count += rtl_run(rtl, buffer + count, capacity - count, rtl->cycle + 1);
      soc.halt_step = 0;
      for (int tries = 0; tries < 2000 && soc.halted != all && !rtl->ended; ++tries)
        count += rtl_run(rtl, buffer + count, capacity - count, rtl->cycle + 1);
    }
  }
  soc.halt_request = 0;
  return count;
}
}
