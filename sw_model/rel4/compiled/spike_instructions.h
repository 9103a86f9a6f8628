// What the instructions do that Spike does not have, or that mix its registers with ours.

#pragma once

#include "spike_machine.h"

namespace {

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

}  // namespace
