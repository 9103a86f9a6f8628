// The system with real harts under Verilator, as a library: what retires is written into a buffer.

#include <cstring>
#include <string>
#include <vector>

#include "Vsoc.h"
#include "ports.h"  // HARTS, EACH_HART(X), RAM_BASE
#include "record.h"
#include "verilated.h"

// Verilator writes two underscores so, which Amaranth puts between the parts of a port's name.
#define PORT(name, part) name##___05F##part
#define RVFI(soc, hart, field) (soc).rvfi___05F##hart##___05F##field

namespace {

struct Rtl {
  Rtl(uint64_t words, int mutant) : memory(words) {
    const std::string selected = "+mutant=" + std::to_string(mutant);
    const char *arguments[] = {"soc", selected.c_str()};
    context.commandArgs(2, arguments);
  }
  VerilatedContext context;
  Vsoc soc{&context};
  std::vector<uint64_t> memory;
  uint64_t cycle = 0, tohost = 0;
  bool ended = false;

  // One rising edge, with main memory beside it: what was asked for before it is answered behind it.
  void edge() {
    const bool enable = soc.PORT(memory, enable);
    const uint64_t address = soc.PORT(memory, address), data = soc.PORT(memory, write_data);
    const uint8_t mask = soc.PORT(memory, write_mask);
    soc.clk = 1;
    soc.eval();
    if (enable && address < memory.size()) {
      if (mask) {
        auto *to = reinterpret_cast<uint8_t *>(&memory[address]);
        for (int byte = 0; byte < 8; ++byte)
          if (mask >> byte & 1) to[byte] = data >> 8 * byte;
      } else {
        soc.PORT(memory, read_data) = memory[address];
      }
    }
    soc.clk = 0;
    soc.eval();
    ++cycle;
  }
};

}  // namespace

extern "C" {

int rtl_harts() { return HARTS; }
Rtl *rtl_new(uint64_t words, int mutant) { return new Rtl(words, mutant); }
void rtl_delete(Rtl *rtl) { delete rtl; }
void *rtl_memory(Rtl *rtl) { return rtl->memory.data(); }
uint64_t rtl_cycle(Rtl *rtl) { return rtl->cycle; }
uint64_t rtl_tohost(Rtl *rtl) { return rtl->tohost; }
int rtl_ended(Rtl *rtl) { return rtl->ended; }
int rtl_waiting(Rtl *rtl) { return rtl->soc.waiting; }

void rtl_reset(Rtl *rtl, int latency, int jitter, uint32_t seed, uint64_t tohost) {
  Vsoc &soc = rtl->soc;
  soc.memory_words = rtl->memory.size();
  soc.memory_latency = latency;
  soc.memory_jitter = jitter;
  soc.memory_seed = seed;
  soc.tohost_address = tohost;
  soc.PORT(console_out, ready) = 1;
  soc.rst = 1;
  for (int i = 0; i < 4; ++i) rtl->edge();
  soc.rst = 0;
  soc.eval();
  rtl->cycle = 0;
  rtl->tohost = 0;
  rtl->ended = false;
}

// Lets the stores on their way come to memory.
void rtl_settle(Rtl *rtl) {
  for (int i = 0; i < 4096; ++i) rtl->edge();
}

// Runs until the buffer is nearly full, the program has ended, or a cycle is reached. Answers the
// records.
uint64_t rtl_run(Rtl *rtl, Record *buffer, uint64_t capacity, uint64_t limit) {
  Vsoc &soc = rtl->soc;
  uint64_t count = 0;
  while (count + 2 * HARTS <= capacity && !rtl->ended && rtl->cycle < limit) {
#define LOOK(h)                                   \
  if (RVFI(soc, h, enters)) {                     \
    Record &it = buffer[count++] = {};            \
    it.cycle = rtl->cycle;                        \
    it.hart = h;                                  \
    it.enters = 1;                                \
    it.cause = RVFI(soc, h, enters_cause);        \
  }                                               \
  if (RVFI(soc, h, valid)) {                      \
    Record &it = buffer[count++] = {};            \
    it.cycle = rtl->cycle;                        \
    it.order = RVFI(soc, h, order);               \
    it.pc = RVFI(soc, h, pc_rdata);               \
    it.next = RVFI(soc, h, pc_wdata);             \
    it.cause = RVFI(soc, h, cause);               \
    it.rs1 = RVFI(soc, h, rs1_rdata);             \
    it.rs2 = RVFI(soc, h, rs2_rdata);             \
    it.value = RVFI(soc, h, rd_wdata);            \
    it.address = RVFI(soc, h, mem_addr);          \
    it.read_data = RVFI(soc, h, mem_rdata);       \
    it.write_data = RVFI(soc, h, mem_wdata);      \
    it.satp = RVFI(soc, h, satp);                 \
    it.insn = RVFI(soc, h, insn);                 \
    it.hart = h;                                  \
    it.mode = RVFI(soc, h, mode);                 \
    it.trap = RVFI(soc, h, trap);                 \
    it.intr = RVFI(soc, h, intr);                 \
    it.rd = RVFI(soc, h, rd_addr);                \
    it.read_mask = RVFI(soc, h, mem_rmask);       \
    it.write_mask = RVFI(soc, h, mem_wmask);      \
    it.status = RVFI(soc, h, status);             \
  }
    EACH_HART(LOOK)
#undef LOOK
    if (soc.PORT(tohost, valid)) {
      rtl->tohost = soc.PORT(tohost, data);
      rtl->ended = true;
    }
    rtl->edge();
  }
  return count;
}
}
