// The system while a debugger is attached; a part of run.cpp.
//
// All harts stand still while a debugger looks, and what it sees is what has retired. So looking
// changes nothing, not even a cycle: later instructions, which are under way, go on as if nobody had
// been there. For the same reason nothing can be changed then. But in the cycle in which the last
// instruction before a stop retires, a copy of this process is made, and waits. If the debugger
// changes something, the copy hears of it and goes on in place of this process: there the harts are
// halted at that very instruction, which takes some cycles, and then they can be changed.
//
// Commands:
//   registers HART              answered by x1 ... x31 and pc
//   read HART VIRTUAL COUNT     answered by bytes in hex, fewer where there is no memory, and a dot
//   set HART NUMBER VALUE       a register, 32 is the pc; answered by `yes` or `no`
//   write HART VIRTUAL BYTES    likewise
//   break ADDRESS, unbreak ADDRESS
//   step HART, continue         answered by `stop HART`, or by the end; any command before stops it
//   leave                       the run ends
//   detach                      it goes on without a debugger
// Answers begin with `g`; all numbers but those of harts are hexadecimal.

// A store that has retired and may not be in memory yet.
struct Store {
  u64 word, data;
  uint8_t mask;
};

constexpr int kPc = 32, kMemory = 0;     // what can be changed beside registers 1 to 31
constexpr u64 kPatience = 1 << 16;       // cycles until harts stop that retire nothing, all waiting
constexpr u64 kHaltCycles = 1 << 20;     // until they halt: the longest instruction takes far less
constexpr u64 kSettleCycles = 1 << 12;   // until caches have what they asked for, or are swept

class Debugged : public Run {
 public:
  using Run::Run;

 private:
  void loop() override {
    stand(-1);
    while (!done_ && options_.debug) {
      const int hart = stopping();
      if (hart >= 0) {
        stand(hart);
        continue;
      }
      pass();
      if (cycle_ >= patience_) stand(0);
      if (!(cycle_ & (kOften - 1)) && !listen().empty()) patience_ = cycle_ + kPatience;
    }
    while (!done_) pass();
  }

  void pass() {
    if (!looked_) look();
    looked_ = false;
    tick();
  }

  // Which hart stops behind what retires in this cycle, or -1.
  int stopping() const {
    const bool any = patience_ != kNever;
#define STOPS(h)                                                            \
  if ((soc_.retiring >> h & 1) && (any || stepped_ == h || breakpoints_.count(soc_.following_##h))) \
    return h;
    EACH_HART(STOPS)
#undef STOPS
    return -1;
  }

  // Stop, and do what the debugger says until it lets the system go on.
  void stand(int hart) {
    flush();
    int way[2];
    const clock_t spent = clock() - begin_;
    if (pipe(way)) exit(3);
    const pid_t copy = fork();
    if (copy < 0) exit(3);
    if (!copy) {
      close(way[1]);
      lines_.clear();
      for (char text[4096];;) {
        const ssize_t count = ::read(way[0], text, sizeof text);
        if (count <= 0) break;
        lines_.append(text, count);
      }
      close(way[0]);
      if (lines_.empty()) _exit(0);  // nothing was changed
      begin_ = clock() - spent;
      breakpoints_.clear();
      halt();
      serve();
      return;
    }
    close(way[0]);
    pass();
    look();
    looked_ = true;
    if (hart >= 0 && !done_) printf("g stop %d\n", hart);
    fflush(stdout);
    if (!done_) serve();
    if (!change_.empty()) {
      std::ostringstream all;
      for (u64 each : breakpoints_) all << "break " << std::hex << each << "\n";
      all << change_ << "\n" << lines_;
      const std::string text = all.str();
      if (::write(way[1], text.data(), text.size()) != ssize_t(text.size())) exit(3);
    }
    close(way[1]);
    if (!change_.empty()) _exit(0);  // the copy has standard input and output, too
    waitpid(copy, nullptr, 0);
  }

  void serve() {
    patience_ = kNever;
    stepped_ = -1;
    while (!done_ && options_.debug) {
      const std::string line = listen(1000);
      std::istringstream words(line);
      std::string verb, text;
      if (!(words >> verb)) continue;
      int hart = 0;
      u64 address = 0, number = 0;
      if (verb == "break" || verb == "unbreak") {
        words >> std::hex >> address;
        if (verb == "break") breakpoints_.insert(address);
        else breakpoints_.erase(address);
        continue;
      }
      words >> hart >> std::hex;
      if (verb == "registers") {
        printf("g ");
        for (int each = 1; each < 32; ++each) printf("%llx ", (ull)harts_[hart].x[each]);
        printf("%llx\n", (ull)harts_[hart].pc);
      } else if (verb == "read") {
        words >> address >> number;
        printf("g ");
        for (int byte; number && (byte = see(harts_[hart], address)) >= 0; --number, ++address)
          printf("%02x", byte);
        printf(".\n");
      } else if ((verb == "set" || verb == "write") && !halted_) {
        change_ = line;
        return;
      } else if (verb == "set") {
        words >> number >> address;
        printf("g %s\n", set(hart, number, address) ? "yes" : "no");
      } else if (verb == "write") {
        words >> address >> text;
        printf("g %s\n", put(harts_[hart], address, text) ? "yes" : "no");
      } else if (verb == "step" || verb == "continue") {
        if (verb == "step") stepped_ = hart;
        break;
      } else if (verb == "detach") {
        options_.debug = false;
      } else if (verb == "leave") {
        finish("left");
      }
      fflush(stdout);
    }
    soc_.halt_request = 0;
    soc_.eval();
    halted_ = false;
  }

  // --- looking -----------------------------------------------------------------------------------

  // A byte of a hart's memory, or -1.
  int see(const Hart& hart, u64 address) const {
    const u64 place = translate(hart, address), word = place >> 3;
    if (!in_memory(place)) return -1;
    u64 data = ram_[word - (RAM_BASE >> 3)];
    for (const Store& each : pending_)
      if (each.word == word) data = (data & ~bits(each.mask)) | (each.data & bits(each.mask));
    return data >> 8 * (place & 7) & 0xff;
  }

  bool in_memory(u64 place) const {
    return place >= RAM_BASE && (place - RAM_BASE) >> 3 < options_.words;
  }

  // Sv39, for harts below M-mode; ~0 where nothing is.
  u64 translate(const Hart& hart, u64 address) const {
    if (hart.mode == 3 || hart.satp >> 60 != 8) return address;
    u64 table = (hart.satp & 0xfffffffffffull) << 12;
    for (int level = 2; level >= 0; --level) {
      const u64 place = table + 8 * (address >> (12 + 9 * level) & 511);
      if (!in_memory(place)) return ~0ull;
      const u64 entry = ram_[(place - RAM_BASE) >> 3];
      if (!(entry & 1)) return ~0ull;
      const u64 page = (entry >> 10 & 0xfffffffffffull) << 12, inside = (1ull << (12 + 9 * level)) - 1;
      if (entry & 0xe) return (page & ~inside) | (address & inside);
      table = page;
    }
    return ~0ull;
  }

  void stored(const Hart& hart, const Retired& it) override {
    pending_.push_back({translate(hart, it.address) >> 3, it.data, it.write_mask});
    if (pending_.size() > 16 * HARTS) pending_.pop_front();
  }

  // A word came to memory: the oldest store that waited for it is there.
  void written(u64 address) override {
    const u64 word = address + (RAM_BASE >> 3);
    for (auto each = pending_.begin(); each != pending_.end(); ++each)
      if (each->word == word) {
        pending_.erase(each);
        return;
      }
  }

  // --- changing ----------------------------------------------------------------------------------

  // Halt all harts, the one that stops before its next instruction. Another one may have to end what
  // it has begun: then its registers are not those that the debugger has seen.
  void halt() {
    const u64 all = (1ull << HARTS) - 1, limit = cycle_ + kHaltCycles;
    soc_.halt_request = all;
    soc_.eval();
    pass();
    look();
    tick();
    u64 told[HARTS];
    for (int hart = 0; hart < HARTS; ++hart) told[hart] = harts_[hart].retired;
    while (soc_.halted != all && !done_ && cycle_ < limit) cycle();
    for (u64 left = kSettleCycles; left && !done_; --left) cycle();
    halted_ = true;
#define RESUMES(h) \
  exact_[h] = soc_.halted >> h & 1 && told[h] == harts_[h].retired && soc_.resumes_##h == harts_[h].pc;
    EACH_HART(RESUMES)
#undef RESUMES
  }

  bool set(int hart, u64 number, u64 value) {
    if (!exact_[hart] || number < 1 || number > kPc) return false;
    change(hart, number, value);
    if (number == kPc) harts_[hart].pc = value;
    else harts_[hart].x[number] = value;
    return true;
  }

  bool put(const Hart& hart, u64 address, const std::string& bytes) {
    std::vector<u64> places;
    for (size_t each = 0; 2 * each < bytes.size(); ++each) {
      places.push_back(translate(hart, address + each));
      if (!in_memory(places.back())) return false;
    }
    if (soc_.halted != (1ull << HARTS) - 1) return false;
    for (size_t each = 0; each < places.size(); ++each)
      reinterpret_cast<char*>(ram_)[places[each] - RAM_BASE] =
          std::stoi(bytes.substr(2 * each, 2), nullptr, 16);
    for (int each = 0; each < HARTS; ++each) change(each, kMemory, 0);
    for (u64 left = kSettleCycles; left; --left) cycle();
    return true;
  }

  // In the registers of the hardware. Of memory: forget what caches and reservations know of it.
  void change(int hart, int number, u64 value) {
    soc_.change_hart = hart;
    soc_.change_number = number;
    soc_.change_value = value;
    soc_.change = 1;
    cycle();
    soc_.change = 0;
  }

  static constexpr u64 kNever = ~0ull;
  std::deque<Store> pending_;
  std::set<u64> breakpoints_;
  std::string change_;  // the command that this process cannot obey
  int stepped_ = -1;
  u64 patience_ = kNever;
  bool looked_ = false, halted_ = false, exact_[HARTS] = {};
};
