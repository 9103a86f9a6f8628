// Spike with user interrupts: `n` harts, main memory, console, ACLINT, and the user-interrupt
// hardware, which lives behind one callback (in Python: the reference device).
//
// Spike supplies the instruction set, M/S/U, Sv39, PMP and Sstc. What the N extension adds stands
// here, on top of it: its registers are shadows of the device's, and every access that may change
// one goes through the callback. The interface is C, so that `spike.py` can load it with ctypes.

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

std::vector<Machine *> machines;  // of the process; instructions find theirs through its processor

Machine &machine_of(processor_t *proc) {
  for (auto *machine : machines)
    if (machine->harts[proc->get_id()].proc.get() == proc) return *machine;
  throw std::logic_error("a processor without its machine");
}

reg_t user_csr::read() const noexcept {
  return machine.harts[proc->get_id()].unit.shown(address);
}

reg_t seen_csr::visible() const {
  // sie and sip show what is delegated to S, as they do of Spike's bits.
  return address == CSR_SIE || address == CSR_SIP ? bits & machine.of(proc).delegated : bits;
}

reg_t seen_csr::read() const noexcept {
  Hart &hart = machine.of(proc);
  const reg_t user = number < 0 ? hart.delegated : hart.unit.shown(number);
  return (inner->read() & own) | (user & visible());
}

bool seen_csr::unlogged_write(reg_t value) noexcept {
  Hart &hart = machine.of(proc);
  inner->write(value & own);
  if (number < 0) {
    hart.delegated = value & bits;
  } else {
    reg_t before = hart.unit.csr[number], after = (before & ~visible()) | (value & visible()), none;
    if (before != after) machine.request(proc, PRV_M, CSR, WRITE, number, after, none);
  }
  return false;
}

reg_t instret_csr::read() const noexcept {
  const Hart &hart = machine.of(proc);
  return hart.instret + (hart.inhibit & 4 ? 0 : proc->get_state()->minstret->read());
}

bool instret_csr::unlogged_write(reg_t value) noexcept {  // and this instruction does not count
  Hart &hart = machine.of(proc);
  hart.instret = value - (hart.inhibit & 4 ? 0 : proc->get_state()->minstret->read() + 1);
  return false;
}

reg_t inhibit_csr::read() const noexcept { return machine.of(proc).inhibit; }

bool inhibit_csr::unlogged_write(reg_t value) noexcept {  // from this instruction on
  Hart &hart = machine.of(proc);
  const reg_t change = (hart.inhibit ^ value) & 4, count = proc->get_state()->minstret->read();
  if (change) hart.instret += value & 4 ? count : -count;
  hart.inhibit = value & 5;
  return false;
}

// End an instruction here, and look at interrupts before the next one.
reg_t leave(processor_t *proc, reg_t pc) {
  Machine &machine = machine_of(proc);
  Hart &hart = machine.of(proc);
  proc->get_state()->pc = pc;
  if (!machine.due(hart)) return SERIALIZED;
  hart.leaving = true;
  throw wait_for_interrupt_t();
}

reg_t returning(processor_t *proc, reg_t result) {
  return result == SERIALIZED ? leave(proc, proc->get_state()->pc) : result;
}

reg_t sret(processor_t *proc, insn_t insn, reg_t pc) {
  return returning(proc, fast_rv64i_sret(proc, insn, pc));
}
reg_t mret(processor_t *proc, insn_t insn, reg_t pc) {
  return returning(proc, fast_rv64i_mret(proc, insn, pc));
}

reg_t uret(processor_t *proc, insn_t, reg_t) {
  reg_t target = 0;
  state_t *state = proc->get_state();
  machine_of(proc).request(proc, state->prv, URET, 0, 0, 0, target);
  if (state->prv == PRV_M) state->mstatus->write(state->mstatus->read() & ~MSTATUS_MPRV);
  if (state->prv != PRV_U) proc->set_privilege(PRV_U, false);
  return leave(proc, target);
}

reg_t uipi(processor_t *proc, insn_t insn, reg_t pc) {
  unsigned function;
  if (insn.rm() == 6 || (insn.rm() == 2 && insn.rs2() == 0)) function = insn.bits() >> 25 & 0x7f;
  else if (insn.rm() == 2)  // the port has seven bits; what does not fit is no function
    function = std::min<unsigned>(insn.bits() >> 20 & 0xfff, 0x7f);
  else throw trap_illegal_instruction(insn.bits());
  state_t *state = proc->get_state();
  reg_t answer = 0;
  int status = machine_of(proc).request(proc, state->prv, UIPI, function, 0, state->XPR[insn.rs1()],
                                        answer);
  if (status == ILLEGAL) throw trap_illegal_instruction(insn.bits());
  state->XPR.write(insn.rd(), answer);
  return leave(proc, pc + 4);
}

// CSR instructions on registers that are ours or that mix software bits with lines: what is set or
// cleared is the software bit, what is read is both.
reg_t csr_instruction(processor_t *proc, insn_t insn, reg_t pc) {
  Machine &machine = machine_of(proc);
  Hart &hart = machine.of(proc);
  state_t *state = proc->get_state();
  int function = insn.rm() & 3, number = insn.csr();
  bool write = function == 1 || insn.rs1() != 0;
  csr_t &csr = *state->csrmap.at(number);
  csr.verify_permissions(insn, write);
  if (machine.reveal) machine.reveal();
  reg_t operand = insn.rm() & 4 ? insn.rs1() : state->XPR[insn.rs1()], none = 0;
  auto changed = [&](reg_t value) {
    return function == 1 ? operand : function == 2 ? value | operand : value & ~operand;
  };
  reg_t before = csr.read();
  if (number != CSR_MIP && number != CSR_SIP) {
    if (write) machine.request(proc, state->prv, CSR, function, number, operand, none);
  } else if (write) {
    auto &seen = static_cast<seen_csr &>(csr);
    reg_t user = seen.visible(), software = hart.unit.csr[UIP] & user;
    reg_t external = state->mvip->read() & before & MIP_SEIP;  // Spike keeps the software bit there
    reg_t value = changed((before & ~(MIP_SEIP | user)) | external | software);
    seen.inner->write(value);
    if (number == CSR_MIP && !(state->menvcfg->read() & MENVCFG_STCE))
      hart.soft_stip = value & MIP_STIP;
    machine.show_time(hart);
    if ((value & user) != software)
      machine.request(proc, PRV_M, CSR, WRITE, UIP, (value & user) | (hart.unit.csr[UIP] & ~user),
                      none);
  }
  state->XPR.write(insn.rd(), before);
  return leave(proc, pc + 4);
}

// SLTI with rd = x0 is a hint that the ISA leaves to us: mark number `imm` with the value of rs1.
reg_t mark_instruction(processor_t *proc, insn_t insn, reg_t pc) {
  Machine &machine = machine_of(proc);
  state_t *state = proc->get_state();
  machine.mark(machine.time, proc->get_id(), insn.bits() >> 20 & 0xfff, state->XPR[insn.rs1()]);
  return pc + 4;
}

// Whether the hart has a CSR of that number.
bool present(reg_t number) {
  const struct { reg_t first, last; } ranges[] = {
      {0x000, 0x000}, {0x004, 0x005}, {0x040, 0x044}, {0x100, 0x100}, {0x103, 0x106},
      {0x10A, 0x10A}, {0x140, 0x144}, {0x14D, 0x14D}, {0x180, 0x180}, {0x1B0, 0x1B2},
      {0x300, 0x306}, {0x30A, 0x30A}, {0x320, 0x320}, {0x323, 0x33F}, {0x340, 0x344},
      {0x3A0, 0x3A0}, {0x3A2, 0x3A2}, {0x3B0, 0x3BF}, {0xB00, 0xB00}, {0xB02, 0xB1F},
      {0xC00, 0xC02}, {0xF11, 0xF15}};
  for (auto [first, last] : ranges)
    if (first <= number && number <= last) return true;
  return false;
}

void Machine::add_hart(size_t h) {
  harts.reserve(shape.harts);
  harts.emplace_back();
  Hart &hart = harts.back();
  hart.proc = std::make_unique<processor_t>(config.isa, config.priv, &config, this, h, false,
                                            nullptr, std::cerr);
  processor_t *proc = hart.proc.get();
  map[h] = proc;
  proc->set_pmp_num(8);
  proc->set_pmp_granularity(4096);
  proc->set_max_vaddr_bits(39);
  proc->reset();
  state_t *state = proc->get_state();
  state->pc = shape.reset;
  for (int number : USER_CSRS) state->add_csr(number, std::make_shared<user_csr>(proc, *this, number));
  const reg_t all = ~reg_t(0), mstatus = 0xf007e19aa, sstatus = 0x3000c0122;
  for (auto [address, bits, number, own] : {std::tuple{CSR_MSTATUS, STATUS_BITS, int(USTATUS), mstatus},
                                            {CSR_SSTATUS, STATUS_BITS, int(USTATUS), sstatus},
                                            {CSR_MIE, INTERRUPT_BITS, int(UIE), all},
                                            {CSR_SIE, INTERRUPT_BITS, int(UIE), all},
                                            {CSR_MIP, INTERRUPT_BITS, int(UIP), all},
                                            {CSR_SIP, INTERRUPT_BITS, int(UIP), all},
                                            {CSR_MIDELEG, INTERRUPT_BITS, -1, all}}) {
    auto &place = state->csrmap.at(address);
    place = std::make_shared<seen_csr>(place, *this, proc, bits, number, own);
  }
  // ACIMNSU, 64 bits; and the rest as the hart has it.
  const reg_t misa = 2ull << 62 | 0x143105, cause = 1ull << 63 | 0xf, stce = 1ull << 63;
  struct { int address; reg_t bits, more, fixed; } others[] = {
      {CSR_MISA, 0, 0, misa},       {CSR_MARCHID, 0, 0, 0},    {CSR_MVENDORID, 0, 0, 0},
      {CSR_MIMPID, 0, 0, 0},        {CSR_MCAUSE, cause, 0, 0}, {CSR_SCAUSE, cause, 0, 0},
      {CSR_MCOUNTEREN, 7, 0, 0},    {CSR_SCOUNTEREN, 7, 0, 0}, {CSR_MEDELEG, 0xb3fe, 1, 0},
      {CSR_MENVCFG, stce, 1, 0},    {CSR_SENVCFG, 0, 1, 0}};
  for (auto [address, bits, more, fixed] : others) {
    auto &place = state->csrmap.at(address);
    place = std::make_shared<other_csr>(place, proc, bits, more, fixed);
  }
  for (int address : {CSR_MINSTRET, CSR_INSTRET}) {
    auto &place = state->csrmap.at(address);
    place = std::make_shared<instret_csr>(place, proc, *this);
  }
  auto &inhibit = state->csrmap.at(CSR_MCOUNTINHIBIT);
  inhibit = std::make_shared<inhibit_csr>(inhibit, proc, *this);
  // What Spike has and the hart has not.
  std::erase_if(state->csrmap, [](const auto &each) { return !present(each.first); });
  auto add = [&](insn_bits_t match, insn_bits_t mask, insn_func_t f) {
    proc->register_custom_insn({match, mask, f, f, f, f, f, f, f, f});
  };
  auto add_csr = [&](int number) {
    for (insn_bits_t function : {1, 2, 3, 5, 6, 7})
      add(insn_bits_t(number) << 20 | function << 12 | 0x73, 0xfff0707f, csr_instruction);
  };
  for (int number : USER_CSRS) add_csr(number);
  add_csr(CSR_MIP);
  add_csr(CSR_SIP);
  add(0x00200073, 0xffffffff, uret);
  add(0x10200073, 0xffffffff, sret);
  add(0x30200073, 0xffffffff, mret);
  add(0x0000007b, 0x0000007f, uipi);
  add(0x00002013, 0x00007fff, mark_instruction);
  proc->build_opcode_map();
}

bool Machine::device(reg_t address, size_t length, bool write, uint64_t &value) {
  if (on_device)
    on_device(!write && (address - shape.aclint < 0x10000 || address - shape.uart < 8), value);
  if (address - shape.aclint < 0x10000) return aclint(address - shape.aclint, length, write, value);
  if (reg_t index = (address - shape.sswi) / 4; index < harts.size() && length == 4) {
    if (!write) value = 0;
    else if (value & 1)
      harts[index].proc->get_state()->mip->backdoor_write_with_mask(MIP_SSIP, MIP_SSIP);
    return true;
  }
  if (address - shape.uart < 8) {
    reg_t offset = address - shape.uart;
    if (length != 1) return false;
    bool latch = uart[3] & 0x80;  // LCR.DLAB: the first two registers are the divisor
    if (write) {
      if (offset == 0 && !latch) console.push_back(char(value));
      else uart[offset] = value;
    } else {
      // IIR: no interrupt; LSR: transmitter empty, and whether there is something to read.
      value = offset == 2 ? 1 : offset == 5 ? 0x60 | !input.empty() : uart[offset];
      if (offset == 0 && !latch) {
        value = input.empty() ? 0 : uint8_t(input[0]);
        input.erase(0, 1);
      }
    }
    return true;
  }
  if (address - shape.controller < shape.controller_bytes) {
    if (length != 8 || address % 8) return false;
    reg_t answer = 0;
    int kind = write ? STORE : LOAD;
    if (request(harts[0].proc.get(), PRV_M, kind, 0, address, value, answer) != OK) return false;
    if (!write) value = answer;
    return true;
  }
  return false;
}

// MSWI at 0, MTIMER compare at 0x4000, its time at 0xBFF8.
bool Machine::aclint(reg_t offset, size_t length, bool write, uint64_t &value) {
  uint64_t word = 0, *register64 = nullptr;
  size_t index;
  if (length > 8 || offset % length) return false;
  if (offset < 0x4000 && (index = offset / 4) < harts.size() && length == 4) {
    if (write) harts[index].msip = value & 1;
    else value = harts[index].msip;
    show_time();
    return true;
  }
  if (offset >= 0xBFF8 && offset < 0xC000) register64 = &time;
  else if (offset >= 0x4000 && (index = (offset - 0x4000) / 8) < harts.size())
    register64 = &harts[index].mtimecmp;
  if (!register64 || length < 4) return false;
  size_t shift = offset % 8 * 8;
  uint64_t mask = length == 8 ? ~uint64_t(0) : uint64_t(0xffffffff) << shift;
  word = *register64;
  if (write) *register64 = (word & ~mask) | (value << shift & mask);
  else value = (word & mask) >> shift;
  show_time();
  return true;
}

}  // namespace

extern "C" {

Machine *spike_new(const Shape *shape, Request request, Mark mark, Console print) {
  auto *machine = new Machine(*shape, request, mark, print);
  machines.push_back(machine);
  machine->show_time();
  return machine;
}
void spike_delete(Machine *machine) {
  std::erase(machines, machine);
  delete machine;
}
Unit *spike_unit(Machine *machine, int hart) { return &machine->harts[hart].unit; }
char *spike_memory(Machine *machine) { return machine->memory.data(); }
int spike_run(Machine *machine, uint64_t limit) { return machine->run(limit); }
uint64_t spike_step(Machine *machine, int hart, uint64_t n) {
  return machine->step(machine->harts[hart], n);
}
void spike_fail(Machine *machine) { machine->failed = true; }
uint64_t spike_retired(Machine *machine, int hart) {
  return machine->harts[hart].proc->get_state()->minstret->read();
}
uint64_t spike_time(Machine *machine) { return machine->time; }
void spike_set_time(Machine *machine, uint64_t time) {
  machine->time = time;
  machine->show_time();
}
uint64_t spike_tohost(Machine *machine) { return machine->tohost(); }
void spike_input(Machine *machine, const char *text, uint64_t size) {
  machine->input.append(text, size);
}
uint64_t spike_pc(Machine *machine, int hart) { return machine->harts[hart].proc->get_state()->pc; }
int spike_privilege(Machine *machine, int hart) {
  return machine->harts[hart].proc->get_state()->prv;
}
uint64_t spike_register(Machine *machine, int hart, int number) {
  return machine->harts[hart].proc->get_state()->XPR[number];
}
uint64_t spike_csr(Machine *machine, int hart, int number) {
  auto &map = machine->harts[hart].proc->get_state()->csrmap;
  auto place = map.find(number);
  return place == map.end() ? 0 : place->second->read();
}
}
