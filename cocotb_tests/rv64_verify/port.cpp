// The system whose ports are watched: rows of its output `watch`, each with how many cycles it stays.

#include "rtl.cpp"

extern "C" {

// Runs until the buffer is full, the program has ended, or a cycle is reached. Answers the rows.
uint64_t port_run(Rtl *rtl, uint64_t *buffer, uint64_t capacity, uint64_t limit) {
  Vsoc &soc = rtl->soc;
  const size_t size = sizeof soc.watch;
  const size_t words = 1 + size / sizeof(uint64_t);
  uint64_t count = 0;
  while (!rtl->ended && rtl->cycle < limit) {
    const uint64_t *last = buffer + (count - 1) * words;
    if (!count || memcmp(last + 1, &soc.watch, size)) {
      if (count == capacity) break;
      buffer[count * words] = 0;
      memcpy(buffer + count++ * words + 1, &soc.watch, size);
    }
    ++buffer[(count - 1) * words];
    if (soc.PORT(tohost, valid)) {
      rtl->tohost = soc.PORT(tohost, data);
      rtl->ended = true;
    }
    rtl->edge();
  }
  return count;
}

void port_fault(Rtl *rtl, int number) {
#ifdef FAULTS
  rtl->soc.fault = number;
  rtl->soc.eval();
#endif
}
}
