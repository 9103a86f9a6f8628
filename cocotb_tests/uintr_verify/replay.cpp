// Replays recorded stimulus on the gateware under Verilator and compares every output in every cycle.
//
//   replay LOG COVERAGE FILE...      one run of each file, from power-on; a dash: none is written
//   replay -m FIRST LAST FILE...     the same for each mutant of a netlist that has a selector
//
// What a file holds is said in stimulus.py. ports.h is made for the shape: HARTS, MUTANTS, and the
// signals. The log has a line for each cycle with responses, and for each change of the status.
//
// What a request says counts only until the cycle in which it is accepted, so afterwards the words of
// others stand there: of those that were presented lately, another one in each cycle.
// (Not where coverage is counted: what is met shall be met by requests.)
//
// A run ends with a line of JSON. Exit status 0: all outputs as recorded (mutants: always), 1: not.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "Vuintr_top.h"
#include "verilated.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif

#include "ports.h"

namespace {

using Bytes = std::vector<uint8_t>;

Bytes contents(const char* path) {
  Bytes bytes;
  FILE* file = fopen(path, "rb");
  if (!file) {
    perror(path);
    exit(2);
  }
  uint8_t block[1 << 16];
  while (size_t have = fread(block, 1, sizeof block, file)) bytes.insert(bytes.end(), block, block + have);
  fclose(file);
  return bytes;
}

template <class T>
T get(const uint8_t* at) {
  T value;
  memcpy(&value, at, sizeof value);
  return value;
}

// The lowest bytes of a wide signal, and the rest zero.
void put(EData* words, int count, const uint8_t* from, int bytes) {
  uint8_t whole[64] = {};
  memcpy(whole, from, bytes);
  memcpy(words, whole, count * sizeof(EData));
}

struct Response {
  uint8_t status;
  uint64_t data;
};

Response response(const EData* words, int status_bits) {
  const uint64_t low = words[0] | static_cast<uint64_t>(words[1]) << 32;
  Response seen;
  seen.status = low & ((1 << status_bits) - 1);
  seen.data = low >> status_bits | static_cast<uint64_t>(words[2]) << (64 - status_bits);
  return seen;
}

struct Outcome {
  bool good = true;
  uint64_t cycles = 0, responses = 0;
  std::string what;
};

uint64_t at_start() {
  uint64_t levels = 0;
  for (int hart = 0; hart < HARTS; ++hart) levels |= uint64_t{1} << 2 * hart;
  return levels;
}

constexpr int kRequestWords = 5;

// What stands in a request when it counts no more.
class Noise {
 public:
  void present(const EData* words) { memcpy(kept_[next_++ % kKept], words, sizeof kept_[0]); }
  // A cycle is over. The lowest bit, the ticket, stays: it tells that a request is new.
  void drive(EData* const* requests, uint32_t waiting) {
#if !VM_COVERAGE
    ++cycle_;
    for (int hart = 0; hart < HARTS; ++hart) {
      if (waiting >> hart & 1) continue;
      const EData ticket = requests[hart][0] & 1;
      memcpy(requests[hart], kept_[(cycle_ * 5 + hart * 3) % kKept], sizeof kept_[0]);
      requests[hart][0] = (requests[hart][0] & ~EData{1}) | ticket;
    }
#endif
  }

 private:
  static constexpr unsigned kKept = 16;
  EData kept_[kKept][kRequestWords] = {};
  unsigned next_ = 0, cycle_ = 0;
};

void rest(Vuintr_top& top) {
  PRIVILEGE = at_start();
  EData* requests[] = REQUESTS;
  for (EData* words : requests) memset(words, 0, kRequestWords * sizeof(EData));
  memset(BUS_REQUEST, 0, kRequestWords * sizeof(EData));
}

Outcome run(Vuintr_top& top, const Bytes& bytes, FILE* log) {
  Outcome outcome;
  const uint8_t* at = bytes.data();
  while (*at++ != '\n') {
  }
  EData* requests[] = REQUESTS;
  EData* responses[] = RESPONSES;
  Noise noise;
  top.clk = 0;
  top.rst = 0;
  rest(top);
  top.eval();
  uint64_t last = 0;
  uint32_t waiting = 0;
  const auto clock = [&] {
    top.clk = 1;
    top.eval();
    ++outcome.cycles;
  };
  const auto fall = [&] {
    top.clk = 0;
    top.eval();
  };
  for (;;) {
    switch (*at++) {
      case 0:
        return outcome;
      case 1: {
        const uint32_t cycles = get<uint32_t>(at);
        const uint64_t status = get<uint64_t>(at + 4);
        at += 12;
        const uint8_t* expected = at;
        for (uint32_t cycle = 0; cycle < cycles; ++cycle) {
          clock();
          const uint64_t seen = top.status;
          at = expected;
          if (log && (seen != last || (seen & VALID)))
            fprintf(log, "%llu %llx", (unsigned long long)outcome.cycles, (unsigned long long)seen);
          if (seen != status) {
            char text[80];
            snprintf(text, sizeof text, "status is %llx, not %llx", (unsigned long long)seen,
                     (unsigned long long)status);
            outcome.what = text;
            outcome.good = false;
            return outcome;
          }
          if (status & VALID) {
            for (int number = 0; number <= HARTS; ++number) {
              if (!(status >> (number < HARTS ? 1 + number : 1 + 3 * HARTS) & 1)) continue;
              const Response got = number < HARTS ? response(responses[number], 4) : response(BUS_RESPONSE, 1);
              ++outcome.responses;
              if (log) fprintf(log, " %d:%x:%llx", number, got.status, (unsigned long long)got.data);
              if (got.status != at[0] || got.data != get<uint64_t>(at + 1)) {
                char text[160];
                snprintf(text, sizeof text, "response %d is %u %llx, not %u %llx", number, got.status,
                         (unsigned long long)got.data, at[0], (unsigned long long)get<uint64_t>(at + 1));
                outcome.what = text;
                outcome.good = false;
                return outcome;
              }
              at += 9;
            }
          }
          if (log && (seen != last || (seen & VALID))) fputc('\n', log);
          last = seen;
          noise.drive(requests, waiting);
          fall();
        }
        break;
      }
      case 2:
        PRIVILEGE = get<uint64_t>(at);
        at += 8;
        break;
      case 3:
        put(requests[at[0]], kRequestWords, at + 1, 18);
        noise.present(requests[at[0]]);
        at += 19;
        break;
      case 4:
        put(BUS_REQUEST, kRequestWords, at, 17);
        at += 17;
        break;
      case 5:
        top.rst = 1;
        clock();
        if (top.status & LINES_AND_VALID) {
          outcome.what = "status is not 0 in reset";
          outcome.good = false;
          return outcome;
        }
        fall();
        top.rst = 0;
        rest(top);
        last = 0;
        waiting = 0;
        break;
      case 6:
        waiting = get<uint32_t>(at);
        at += 4;
        break;
      default:
        fprintf(stderr, "a record must have a known kind\n");
        exit(2);
    }
  }
}

int mutants(int first, int last, const std::vector<Bytes>& files) {
#if MUTANTS
  for (int mutant = first; mutant <= last; ++mutant) {
    uint64_t cycles = 0;
    size_t file = 0;
    std::string what;
    for (; file < files.size(); ++file) {
      VerilatedContext context;
      Vuintr_top top(&context);
      top.mutsel = mutant;
      const Outcome outcome = run(top, files[file], nullptr);
      cycles += outcome.cycles;
      if (!outcome.good) {
        what = outcome.what;
        break;
      }
    }
    printf("{\"mutant\": %d, \"file\": %d, \"cycles\": %llu, \"what\": \"%s\"}\n", mutant,
           file == files.size() ? -1 : static_cast<int>(file), (unsigned long long)cycles, what.c_str());
    fflush(stdout);
  }
  return 0;
#else
  return 2;
#endif
}

}  // namespace

int main(int argc, char** argv) {
  const bool mutating = argc > 4 && !strcmp(argv[1], "-m");
  std::vector<Bytes> files;
  for (int place = mutating ? 4 : 3; place < argc; ++place) files.push_back(contents(argv[place]));
  if (files.empty()) return 2;
  if (mutating) return mutants(atoi(argv[2]), atoi(argv[3]), files);
  FILE* log = strcmp(argv[1], "-") ? fopen(argv[1], "w") : nullptr;
  bool good = true;
  VerilatedContext context;
  // The counters of coverage are in the models, and the file adds up those of all.
  std::vector<std::unique_ptr<Vuintr_top>> tops;
  for (size_t file = 0; file < files.size(); ++file) {
    tops.push_back(std::make_unique<Vuintr_top>(&context));
    const Outcome outcome = run(*tops.back(), files[file], log);
    good &= outcome.good;
    printf("{\"file\": %zu, \"good\": %s, \"cycles\": %llu, \"responses\": %llu, \"what\": \"%s\"}\n", file,
           outcome.good ? "true" : "false", (unsigned long long)outcome.cycles,
           (unsigned long long)outcome.responses, outcome.what.c_str());
  }
  if (log) fclose(log);
#if VM_COVERAGE
  if (strcmp(argv[2], "-")) context.coveragep()->write(argv[2]);
#endif
  return good ? 0 : 1;
}
