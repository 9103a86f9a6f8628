// Spike with user interrupts: `n` harts, main memory, console, ACLINT, and the user-interrupt
// hardware, which lives behind one callback (in Python: the reference device).
//
// Spike supplies the instruction set, M/S/U, Sv39, PMP and Sstc. What the N extension adds stands
// here, on top of it: its registers are shadows of the device's, and every access that may change
// one goes through the callback. The interface is C, so that `spike.py` can load it with ctypes.

#include "spike_instructions.h"

namespace {

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
