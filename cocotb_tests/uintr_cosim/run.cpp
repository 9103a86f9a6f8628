// The system with real harts under Verilator, running one program.
//
// The clock, main memory and the console are here; the host hears of rare events, a line each on
// standard output, and gives commands on standard input while a debugger is attached (debugger.h). The
// program ends when standard input does. `compiled.py` is the other side.
//
//   c HEX                        the console printed these bytes
//   m CYCLE HART ID VALUE RETIRED   a mark retired, after so many instructions of that hart
//   r CYCLE HART PC NEXT ...     an instruction retired or trapped (fields as in `Retired`)
//   w CYCLE HART KIND            a cache miss (i, d) or a walk (w)
//   e KIND NUMBERS               the end: exit STATUS, limit, double HART CAUSE PC, left
//   h HART PC WAITING RETIRED    of each hart, after the end
//   t CYCLES SECONDS             last; of the processor

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "Vbench.h"
#include "ports.h"  // HARTS, EACH_HART(X), RAM_BASE, RESET_CYCLES
#include "verilated.h"

// Verilator writes two underscores so, which Amaranth puts between the parts of a port's name.
#define PORT(name, part) name##___05F##part
#define RVFI(soc, hart, field) (soc).rvfi___05F##hart##___05F##field

namespace {

using u64 = uint64_t;
using ull = unsigned long long;

constexpr u64 kOften = 1 << 12, kSeldom = 1 << 16;  // cycles between looks at standard input

struct Options {
  std::string image, input, functions;
  u64 words = 0, latency = 1, jitter = 0, seed = 1, limit = 0, tohost = 0;
  bool trace = false, instructions = false, debug = false;
};

// What retired, as the port says it.
struct Retired {
  u64 pc, next, cause, rs1, value, address, data, satp, interrupted;
  uint32_t insn;
  uint8_t mode, trap, intr, rd, read_mask, write_mask, status;
};

// What is known of a hart from what has retired.
struct Hart {
  u64 x[32] = {}, pc = RAM_BASE, satp = 0, retired = 0, suist = 0;
  u64 first = 1, last = 0;  // of the function that it is in
  uint8_t mode = 3;
  bool trapped = false;  // the last one did, at `trapped_pc`
  u64 trapped_pc = 0;
};

u64 bits(uint8_t mask) {
  u64 out = 0;
  for (int byte = 0; byte < 8; ++byte)
    if (mask >> byte & 1) out |= 0xffull << 8 * byte;
  return out;
}

class Run {
 public:
  explicit Run(const Options& options)
      : options_(options), ram_(static_cast<u64*>(calloc(options.words, 8))), harts_(HARTS) {
    if (!ram_) exit(3);
    load();
    instance = this;
    soc_.PORT(console_out, ready) = 1;
    soc_.eval();  // time zero: the clock is low, so that the first edge is one
    for (int each = 0; each < RESET_CYCLES; ++each) edge();
  }
  virtual ~Run() = default;

  u64 setting(unsigned which) const {
    return std::vector<u64>{options_.words, options_.latency, options_.jitter, options_.seed,
                            options_.tohost}[which];
  }

  // What main memory is asked for at a rising edge, and its answer behind it.
  u64 access(u64 address, uint8_t mask, u64 data) {
    if (address >= options_.words) return 0;
    if (mask) {
      const u64 which = mask == 0xff ? ~0ull : bits(mask);
      ram_[address] = (ram_[address] & ~which) | (data & which);
      if (options_.debug) written(address);
    }
    return ram_[address];
  }

  static Run* instance;

  void go() {
    begin_ = clock();
    loop();
    flush();
    const double took = double(clock() - begin_) / CLOCKS_PER_SEC;
    printf("e %s\n", end_.c_str());
    for (int hart = 0; hart < HARTS; ++hart)
      printf("h %d %llx %d %llu\n", hart, (ull)harts_[hart].pc, soc_.waiting >> hart & 1,
             (ull)harts_[hart].retired);
    printf("t %llu %.6f\n", (ull)cycle_, took);
    fflush(stdout);
  }

 protected:
  // --- memory and clock --------------------------------------------------------------------------

  void load() {
    FILE* file = fopen(options_.image.c_str(), "rb");
    if (!file) exit(3);
    u64 head[2];
    while (fread(head, 8, 2, file) == 2) {
      char* place = reinterpret_cast<char*>(ram_) + (head[0] - RAM_BASE);
      if (head[1] && fread(place, 1, head[1], file) != head[1]) exit(3);
    }
    fclose(file);
    if (!options_.functions.empty() && (file = fopen(options_.functions.c_str(), "rb"))) {
      for (u64 start; fread(&start, 8, 1, file) == 1;) functions_.push_back(start);
      fclose(file);
    }
    if (!options_.input.empty() && (file = fopen(options_.input.c_str(), "rb"))) {
      for (int byte; (byte = fgetc(file)) >= 0;) input_.push_back(byte);
      fclose(file);
    }
  }

  // One rising edge.
  void edge() {
    soc_.clk = 1;
    soc_.eval();
    soc_.clk = 0;
    soc_.eval();
  }

  // --- one cycle ---------------------------------------------------------------------------------

  void cycle() {
    look();
    tick();
  }

  // What the last edge brought.
  void look() {
#define LOOK(h)                                        \
  if (RVFI(soc_, h, valid)) {                          \
    Retired record;                                    \
    record.pc = RVFI(soc_, h, pc_rdata);               \
    record.next = RVFI(soc_, h, pc_wdata);             \
    record.insn = RVFI(soc_, h, insn);                 \
    record.mode = RVFI(soc_, h, mode);                 \
    record.trap = RVFI(soc_, h, trap);                 \
    record.intr = RVFI(soc_, h, intr);                 \
    record.cause = RVFI(soc_, h, cause);               \
    record.rs1 = RVFI(soc_, h, rs1_rdata);             \
    record.rd = RVFI(soc_, h, rd_addr);                \
    record.value = RVFI(soc_, h, rd_wdata);            \
    record.address = RVFI(soc_, h, mem_addr);          \
    record.read_mask = RVFI(soc_, h, mem_rmask);       \
    record.write_mask = RVFI(soc_, h, mem_wmask);      \
    record.data = record.write_mask ? RVFI(soc_, h, mem_wdata) : RVFI(soc_, h, mem_rdata); \
    record.satp = RVFI(soc_, h, satp);                 \
    record.status = RVFI(soc_, h, status);             \
    retire(h, record);                                 \
  }
    EACH_HART(LOOK)
#undef LOOK
    if (options_.trace) {
#define MISSES(h)                                             \
  if (RVFI(soc_, h, icache_miss)) miss(h, 'i');               \
  if (RVFI(soc_, h, dcache_miss)) miss(h, 'd');               \
  if (RVFI(soc_, h, walk)) miss(h, 'w');
      EACH_HART(MISSES)
#undef MISSES
    }
    if (soc_.PORT(console_out, valid)) print(soc_.PORT(console_out, payload));
    if (soc_.PORT(tohost, valid)) told(soc_.PORT(tohost, data));
  }

  // The next edge.
  void tick() {
    const bool taken = soc_.PORT(console_in, valid) && soc_.PORT(console_in, ready);
    edge();
    if (taken) input_.pop_front();
    soc_.PORT(console_in, valid) = !input_.empty();
    if (!input_.empty()) soc_.PORT(console_in, payload) = input_.front();
    if (++cycle_ >= options_.limit && !done_) finish("limit");
    if (!(cycle_ & (kSeldom - 1))) {
      flush();
      if (!options_.debug) listen();
    }
  }

  void retire(int index, Retired& it) {
    Hart& hart = harts_[index];
    it.interrupted = it.intr ? hart.pc : 0;
    const bool elsewhere = it.satp != hart.satp || it.pc < hart.first || it.pc > hart.last;
    hart.pc = it.next;
    hart.mode = it.mode;
    hart.satp = it.satp;
    if (it.trap) {
      // An exception on the first instruction of its own handler comes again for ever.
      if (hart.trapped && hart.trapped_pc == it.pc && !done_)
        finish("double %d %llx %llx", index, (ull)it.cause, (ull)it.pc);
      hart.trapped = true;
      hart.trapped_pc = it.pc;
    } else {
      hart.trapped = false;
      ++hart.retired;
      if (it.rd) hart.x[it.rd] = it.value;
      if ((it.insn & 0x7fff) == 0x2013)  // slti x0: a mark
        printf("m %llu %d %u %llu %llu\n", (ull)cycle_, index, it.insn >> 20, (ull)it.rs1,
               (ull)hart.retired);
      if (it.write_mask && options_.debug) stored(hart, it);
    }
    if (options_.trace && elsewhere) enter(hart, it.pc);
    const int opcode = it.insn & 0x7f;
    if (opcode == 0x73 && it.insn >> 20 == 0x1b0 && !it.trap) follow(hart, it);
    // UIPI SEND, in each of its encodings: which entry it sent by.
    if (opcode == 0x7b && !it.trap && is_send(it.insn)) {
      it.address = ((hart.suist & 0xfffffffffffull) << 12) + 8 * it.rs1;
      const u64 word = (it.address - RAM_BASE) >> 3;
      if (it.address >= RAM_BASE && word < options_.words) it.data = ram_[word];
    }
    const bool odd = it.trap || it.intr || opcode == 0x73 || opcode == 0x7b || elsewhere;
    if (options_.instructions || (options_.trace && odd))
      printf("r %llu %d %llx %llx %x %x %x %x %llx %llx %x %llx %llx %x %x %llx %llx %x %llx\n",
             (ull)cycle_, index, (ull)it.pc, (ull)it.next, it.insn, it.mode, it.trap, it.intr,
             (ull)it.cause, (ull)it.rs1, it.rd, (ull)it.value, (ull)it.address, it.read_mask,
             it.write_mask, (ull)it.data, (ull)it.satp, it.status, (ull)it.interrupted);
  }

  // --- for a debugger, who overrides these ---------------------------------------------------------

  virtual void loop() {
    while (!done_) cycle();
  }
  virtual void stored(const Hart&, const Retired&) {}  // it may not be in memory yet
  virtual void written(u64) {}  // a word came to memory

  // Which function a hart is in now.
  void enter(Hart& hart, u64 pc) {
    const auto after = std::upper_bound(functions_.begin(), functions_.end(), pc);
    hart.first = after == functions_.begin() ? 0 : after[-1];
    hart.last = after == functions_.end() ? ~0ull : *after - 1;
  }

  // A write of suist.
  static void follow(Hart& hart, const Retired& it) {
    const u64 operand = it.insn >> 14 & 1 ? it.insn >> 15 & 31 : it.rs1;
    switch (it.insn >> 12 & 3) {
      case 1: hart.suist = operand; break;
      case 2: hart.suist |= operand; break;
      case 3: hart.suist &= ~operand; break;
    }
  }

  static bool is_send(uint32_t insn) {
    const int function = insn >> 12 & 7;
    return function == 6 ? insn >> 25 == 0 : function == 2 && insn >> 20 == 0;
  }

  void miss(int hart, char kind) { printf("w %llu %d %c\n", (ull)cycle_, hart, kind); }

  void print(uint8_t byte) {
    console_.push_back(byte);
    if (byte == '\n' || console_.size() >= 4096) flush();
  }

  void told(u64 word) {
    if ((word & 1) && !done_) finish("exit %llu", (ull)(word >> 1));
  }

  template <typename... Numbers>
  void finish(const char* form, Numbers... numbers) {
    char text[96];
    snprintf(text, sizeof text, form, numbers...);
    end_ = text;
    done_ = true;
  }

  // --- the host ----------------------------------------------------------------------------------

  void flush() {
    if (!console_.empty()) {
      printf("c ");
      for (uint8_t byte : console_) printf("%02x", byte);
      printf("\n");
      console_.clear();
    }
    fflush(stdout);
  }

  // A command, or nothing; the end of standard input ends the run.
  std::string listen(int milliseconds = 0) {
    pollfd wait = {0, POLLIN, 0};
    if (lines_.find('\n') == std::string::npos && poll(&wait, 1, milliseconds) > 0) {
      char text[4096];
      const ssize_t count = read(0, text, sizeof text);
      if (count <= 0) _exit(0);
      lines_.append(text, count);
    }
    const size_t end = lines_.find('\n');
    if (end == std::string::npos) return "";
    const std::string line = lines_.substr(0, end);
    lines_.erase(0, end + 1);
    return line;
  }

  VerilatedContext context_;
  Vbench soc_{&context_};
  Options options_;
  u64* ram_;  // of so many words; what is never touched takes no memory of the host's
  std::vector<Hart> harts_;
  std::vector<u64> functions_;  // first addresses, in order
  std::deque<uint8_t> input_;
  std::string console_, lines_, end_;
  u64 cycle_ = 0;
  clock_t begin_ = 0;
  bool done_ = false;
};

Run* Run::instance = nullptr;

#include "debugger.h"

}  // namespace

// What the top asks for (rv64_bench.py).
extern "C" u64 setting(unsigned which) { return Run::instance->setting(which); }
extern "C" u64 main_memory(u64 address, unsigned char mask, u64 data) {
  return Run::instance->access(address, mask, data);
}

int main(int argc, char** argv) {
  Options options;
  const std::map<std::string, u64*> numbers = {
      {"words", &options.words}, {"latency", &options.latency}, {"jitter", &options.jitter},
      {"seed", &options.seed},   {"limit", &options.limit},     {"tohost", &options.tohost}};
  const std::map<std::string, bool*> flags = {{"trace", &options.trace},
                                              {"instructions", &options.instructions},
                                              {"debug", &options.debug}};
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i], name = word.substr(0, word.find('='));
    const std::string value = word.substr(std::min(word.size(), name.size() + 1));
    if (numbers.count(name)) *numbers.at(name) = std::stoull(value);
    else if (flags.count(name)) *flags.at(name) = true;
    else if (name == "image") options.image = value;
    else if (name == "input") options.input = value;
    else if (name == "functions") options.functions = value;
    else return 3;
  }
  // Without destructors: a copy of the process, as a debugger makes, lacks threads that they wait for.
  (options.debug ? new Debugged(options) : new Run(options))->go();
  _exit(0);
}
