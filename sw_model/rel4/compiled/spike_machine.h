// The machine of `spike.cpp`: its harts, their memory and devices, and the registers that are not
// Spike's own.

#pragma once

#include <riscv/mmu.h>
#include <riscv/processor.h>
#include <riscv/simif.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

// Names that Spike keeps to itself: what an instruction returns when it has set the pc and ends the
// decoded run, and what it throws to return from `step` at once.
static const reg_t SERIALIZED = 5;
class wait_for_interrupt_t {};
reg_t fast_rv64i_sret(processor_t *, insn_t, reg_t);
reg_t fast_rv64i_mret(processor_t *, insn_t, reg_t);
reg_t fast_rv64i_wfi(processor_t *, insn_t, reg_t);

namespace {

// RequestKind, CsrFunction and Status of `uintr.registers`; spike.py checks that they agree.
enum Kind { CSR, UIPI, TRAP, URET, LOAD, STORE };
enum CsrFunction { READ, WRITE, SET, CLEAR };
enum Status { OK = 0, ILLEGAL = 1, BUS = 8 };

enum {
  USTATUS = 0x000, UIE = 0x004, UTVEC = 0x005, USCRATCH = 0x040, UEPC = 0x041, UCAUSE = 0x042,
  UTVAL = 0x043, UIP = 0x044, SIDELEG = 0x103, SUIST = 0x1B0, SUIRS = 0x1B1, SUICFG = 0x1B2,
  NUMBERS = 0x1B3,
};
const int USER_CSRS[] = {USTATUS, UIE, UTVEC, USCRATCH, UEPC, UCAUSE,
                         UTVAL, UIP, SIDELEG, SUIST, SUIRS, SUICFG};

const reg_t STATUS_BITS = 0x11;      // UIE, UPIE
const reg_t INTERRUPT_BITS = 0x111;  // USI, UTI, UEI

}  // namespace

extern "C" {

// What one hart's unit holds, kept up to date by the callback for every hart.
struct Unit {
  uint64_t csr[NUMBERS];    // as stored: the software bit alone in uip
  uint8_t line;             // of the hart: uip reads as software bit or line
  uint8_t supervisor_line;  // sip.SEIP reads as software bit or this line

  // As it reads: uie and uip show what sideleg delegates.
  uint64_t shown(uint64_t number) const {
    const uint64_t word = csr[number] | (number == UIP ? line : 0);
    return number == UIE || number == UIP ? word & csr[SIDELEG] : word;
  }
};

struct Shape {
  uint64_t harts, memory_base, memory_bytes, reset, uart, aclint, sswi, controller, controller_bytes;
  uint64_t tohost;           // address, or 0
  uint64_t quantum;          // instructions of one hart before the next one's turn
};

// Answers the status, and sets the answer. Kind and privilege as on the HartPort.
typedef int (*Request)(int hart, int privilege, int kind, int function, uint64_t address,
                       uint64_t data, uint64_t *answer);
typedef void (*Mark)(uint64_t time, int hart, uint64_t number, uint64_t value);
typedef void (*Console)(const char *text, uint64_t size);

enum End { EXIT, LIMIT, STUCK, FAULT };
}

namespace {

class Machine;

// A register of the N extension.
class user_csr : public csr_t {
 public:
  user_csr(processor_t *proc, Machine &machine, reg_t address)
      : csr_t(proc, address), machine(machine) {}
  reg_t read() const noexcept override;

 protected:
  bool unlogged_write(reg_t) noexcept override { return false; }  // its instruction is ours
  Machine &machine;
};

// mstatus, sstatus, mie, sie, mip, sip, mideleg: Spike's register, and the N extension's bits seen
// from above. What is written to mip and sip goes through `csr_instruction`.
class seen_csr : public csr_t {
 public:
  seen_csr(csr_t_p inner, Machine &machine, processor_t *proc, reg_t bits, int number, reg_t own)
      : csr_t(proc, inner->address), inner(inner), machine(machine), bits(bits), number(number),
        own(own) {}
  void verify_permissions(insn_t insn, bool write) const override {
    inner->verify_permissions(insn, write);
  }
  reg_t read() const noexcept override;
  reg_t visible() const;
  csr_t_p inner;

 protected:
  bool unlogged_write(reg_t value) noexcept override;
  Machine &machine;
  reg_t bits;   // the N extension's
  int number;   // and where they are; -1: of mideleg
  reg_t own;    // of Spike's bits, those that this hart has
};

// A register that has other bits on this hart than on Spike: `bits` of Spike's can be written, `more`
// beside them can be written without effect, `fixed` read as 1.
class other_csr : public csr_t {
 public:
  other_csr(csr_t_p inner, processor_t *proc, reg_t bits, reg_t more, reg_t fixed)
      : csr_t(proc, inner->address), inner(inner), bits(bits), more(more), fixed(fixed) {}
  void verify_permissions(insn_t insn, bool write) const override {
    inner->verify_permissions(insn, write);
  }
  reg_t read() const noexcept override { return (inner->read() & bits) | held | fixed; }

 protected:
  bool unlogged_write(reg_t value) noexcept override {
    if (bits) inner->write(value & bits);
    held = value & more;
    return false;
  }
  csr_t_p inner;
  const reg_t bits, more, fixed;
  reg_t held = 0;
};

// minstret and instret: Spike's own never stands still, so that steps can be counted by it.
class instret_csr : public csr_t {
 public:
  instret_csr(csr_t_p inner, processor_t *proc, Machine &machine)
      : csr_t(proc, inner->address), inner(inner), machine(machine) {}
  void verify_permissions(insn_t insn, bool write) const override {
    inner->verify_permissions(insn, write);
  }
  reg_t read() const noexcept override;

 protected:
  bool unlogged_write(reg_t value) noexcept override;
  csr_t_p inner;
  Machine &machine;
};

class inhibit_csr : public csr_t {
 public:
  inhibit_csr(csr_t_p inner, processor_t *proc, Machine &machine)
      : csr_t(proc, inner->address), inner(inner), machine(machine) {}
  reg_t read() const noexcept override;

 protected:
  bool unlogged_write(reg_t value) noexcept override;
  csr_t_p inner;
  Machine &machine;
};

struct Hart {
  std::unique_ptr<processor_t> proc;
  Unit unit{};
  reg_t delegated = 0;      // mideleg's bits of the N extension
  bool msip = false;
  uint64_t mtimecmp = ~uint64_t(0);
  reg_t soft_stip = 0;      // what M-mode has written to mip.STIP
  reg_t inhibit = 0;        // mcountinhibit
  reg_t instret = 0;        // minstret, less Spike's count; all of it while inhibited
  bool leaving = false;     // the last step was ended to look at the interrupt anew
};

class Machine : public simif_t {
 public:
  Machine(const Shape &shape, Request request, Mark mark, Console print)
      : shape(shape), request_(request), mark(mark), print(print), memory(shape.memory_bytes) {
    config.isa = "rv64imac_zicsr_zifencei_zicntr_sstc_svade";
    config.priv = "msu";
    config.hartids.clear();
    for (size_t h = 0; h < shape.harts; h++) config.hartids.push_back(h);
    debug_mmu = nullptr;
    for (size_t h = 0; h < shape.harts; h++) add_hart(h);
  }

  // --- what Spike asks of a simulator ---
  char *addr_to_mem(reg_t address) override {
    reg_t offset = address - shape.memory_base;
    return offset < memory.size() ? &memory[offset] : nullptr;
  }
  bool mmio_fetch(reg_t, size_t, uint8_t *) override { return false; }
  bool mmio_load(reg_t address, size_t length, uint8_t *bytes) override {
    uint64_t value = 0;
    if (!device(address, length, false, value)) return false;
    memcpy(bytes, &value, length);
    return true;
  }
  bool mmio_store(reg_t address, size_t length, const uint8_t *bytes) override {
    uint64_t value = 0;
    memcpy(&value, bytes, length);
    return device(address, length, true, value);
  }
  void proc_reset(unsigned) override {}
  const cfg_t &get_cfg() const override { return config; }
  const std::map<size_t, processor_t *> &get_harts() const override { return map; }
  const char *get_symbol(uint64_t) override { return nullptr; }

  Hart &of(processor_t *proc) { return harts[proc->get_id()]; }

  int request(processor_t *proc, int privilege, int kind, int function, reg_t address, reg_t data,
              reg_t &answer) {
    int status = request_(proc->get_id(), privilege, kind, function, address, data, &answer);
    for (auto &hart : harts)
      hart.proc->get_state()->mip->backdoor_write_with_mask(
          MIP_SEIP, hart.unit.supervisor_line ? MIP_SEIP : 0);
    return status;
  }

  void show_time() {
    for (auto &hart : harts) show_time(hart);
  }
  void show_time(Hart &hart) {
    state_t *state = hart.proc->get_state();
    state->time->sync(time);
    state->mip->backdoor_write_with_mask(MIP_MTIP | MIP_MSIP | MIP_STIP, timers(hart, time));
  }
  reg_t timers(Hart &hart, uint64_t time) {
    state_t *state = hart.proc->get_state();
    const bool sstc = state->menvcfg->read() & MENVCFG_STCE;
    return (time >= hart.mtimecmp ? MIP_MTIP : 0) | (hart.msip ? MIP_MSIP : 0) |
           (sstc ? (time >= state->stimecmp->read() ? MIP_STIP : 0) : hart.soft_stip);
  }

  // A user interrupt that this hart takes before its next instruction.
  bool due(Hart &hart) {
    state_t *state = hart.proc->get_state();
    return state->prv == PRV_U && hart.delegated & hart.unit.csr[USTATUS] & 1 && pending(hart);
  }
  bool pending(Hart &hart) {
    return hart.unit.shown(UIE) & hart.unit.shown(UIP) & 1;
  }
  // What Spike takes, if its privilege and status let it; in U they always do.
  reg_t masters_due(Hart &hart) {
    state_t *state = hart.proc->get_state();
    return state->mip->read() & state->mie->read();
  }

  // Returns instructions retired (traps count none).
  size_t step(Hart &hart, size_t n) {
    processor_t *proc = hart.proc.get();
    state_t *state = proc->get_state();
    if (due(hart) && !masters_due(hart)) {
      reg_t pc = 0;
      if (request(proc, PRV_U, TRAP, 0, 0, state->pc, pc) == OK) {
        state->pc = pc;
        if (n == 1) return 0;  // one thing a step
      }
    }
    if (proc->is_waiting_for_interrupt() && pending(hart)) proc->clear_waiting_for_interrupt();
    reg_t before = state->minstret->read();
    hart.leaving = false;
    proc->step(n);
    if (hart.leaving) proc->clear_waiting_for_interrupt();
    return state->minstret->read() - before;
  }

  bool asleep(Hart &hart) {
    return hart.proc->is_waiting_for_interrupt() && !masters_due(hart) && !pending(hart);
  }

  // Runs until the program ends, or the limit of time.
  End run(uint64_t limit) {
    while (time < limit) {
      bool awake = false;
      for (auto &hart : harts) {
        if (asleep(hart)) continue;
        awake = true;
        size_t left = shape.quantum;
        while (left && !asleep(hart)) {
          size_t n = step(hart, left);
          left -= n < left ? (n ? n : 1) : left;
          if (failed) return FAULT;
          if (tohost()) return flush(), EXIT;
        }
        hart.proc->get_mmu()->yield_load_reservation();
      }
      flush();
      time += shape.quantum;
      if (!awake) {
        uint64_t next = ~uint64_t(0);
        for (auto &hart : harts) {
          if (hart.proc->get_state()->mie->read() & MIP_MTIP) next = std::min(next, hart.mtimecmp);
          if (hart.proc->get_state()->mie->read() & MIP_STIP)
            next = std::min(next, hart.proc->get_state()->stimecmp->read());
        }
        if (next == ~uint64_t(0)) return STUCK;
        time = std::max(time, next);
      }
      show_time();
    }
    return LIMIT;
  }

  void flush() {
    if (console.empty()) return;
    print(console.data(), console.size());
    console.clear();
  }

  uint64_t tohost() {
    uint64_t value = 0;
    if (shape.tohost) memcpy(&value, addr_to_mem(shape.tohost), 8);
    return value;
  }

  Shape shape;
  Request request_;
  Mark mark;
  Console print;
  std::vector<char> memory;
  cfg_t config;
  std::map<size_t, processor_t *> map;
  std::vector<Hart> harts;
  std::string console, input;  // written and not yet handed on; to be read
  uint8_t uart[8] = {};
  uint64_t time = 0;
  bool failed = false;
  // For who steps the harts himself: called with each access to a device (`time`: it may answer
  // differently at another moment; `value`: what is stored), and before mip is looked at.
  std::function<void(bool time, uint64_t value)> on_device;
  std::function<void()> reveal;

 private:
  void add_hart(size_t h);
  bool device(reg_t address, size_t length, bool write, uint64_t &value);
  bool aclint(reg_t offset, size_t length, bool write, uint64_t &value);
};

}  // namespace
