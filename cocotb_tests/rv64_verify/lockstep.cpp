// Spike beside the RTL: every record of what retired is repeated, and has to come out the same.
//
// Spike does what the record says happened at that moment where the moment is the hardware's choice
// (when an interrupt is taken, what time it is, whether SC fails), and it is checked that the choice
// was allowed; everything else Spike decides alone.

#include "spike.cpp"

#include "record.h"


namespace {

const uint64_t INTERRUPT = uint64_t(1) << 63;
// How far mip may be behind the clock, and how many instructions may retire with an interrupt
// enabled and pending before it is taken.
const uint64_t SLACK = 16;
const int PATIENCE = 8;

class Tracer : public memtracer_t {
 public:
  bool interested_in_range(uint64_t, uint64_t, access_type type) override { return type != FETCH; }
  void trace(uint64_t where, size_t bytes, access_type type) override {
    if (type == FETCH) return;
    (type == ::LOAD ? loads : stores)++;
    address = where;
    length = bytes;
  }
  void clean_invalidate(uint64_t, size_t, bool, bool) override {}
  void clear() { loads = stores = 0; }
  uint64_t address = 0;
  size_t length = 0;
  int loads = 0, stores = 0;
};

uint8_t bytes_of(const Tracer &tracer) {
  return ((1u << tracer.length) - 1) << (tracer.address & 7);
}

// Spike in the place of the RTL: what it retires, as records. The comparison is tested with it, and
// so are programs before there is hardware.
class Recorder {
 public:
  Recorder(Machine *machine, int index) : machine(*machine), hart(machine->harts[index]) {
    hart.proc->get_mmu()->register_memtracer(&tracer);
    machine->on_device = [this](bool, uint64_t value) { device_value = value; };
  }

  // Steps until something retires or traps. Every step is one cycle.
  bool record(Record &it) {
    processor_t *proc = hart.proc.get();
    state_t *state = proc->get_state();
    mmu_t *mmu = proc->get_mmu();
    it = {};
    for (;;) {
      machine.time++;
      machine.show_time();
      if (machine.tohost()) return false;
      if (machine.asleep(hart)) {
        if (++slept > 1000000) return false;
        continue;
      }
      slept = 0;
      it.pc = state->pc;
      it.mode = state->prv;
      uint64_t x[32];
      for (int each = 0; each < 32; each++) x[each] = state->XPR[each];
      tracer.clear();
      const bool user = machine.due(hart) && !machine.masters_due(hart);
      const bool interrupt = user || taken();
      it.insn = 0;
      if (!interrupt) {
        try {
          it.insn = mmu->load_insn(it.pc).insn.bits();
        } catch (trap_t &) {
        }
        tracer.clear();
      }
      const uint64_t retired = machine.step(hart, 1);
      if (interrupt) {
        it = {};
        it.cycle = machine.time;
        it.enters = entered = true;
        it.cause = user ? INTERRUPT : cause();
        return true;
      }
      it.intr = entered;
      entered = false;
      it.cycle = machine.time;
      it.order = order++;
      it.trap = retired == 0;
      it.next = state->pc;
      it.satp = state->satp->read();
      if (it.trap) it.cause = cause();
      for (int each = 1; each < 32; each++)
        if (state->XPR[each] != x[each]) {
          it.rd = each;
          it.value = state->XPR[each];
        }
      if (const int rd = written(it.insn); !it.trap && rd) {
        it.rd = rd;
        it.value = state->XPR[rd];
      }
      if (!it.trap && (tracer.loads || tracer.stores)) {
        it.address = tracer.address & ~uint64_t(7);
        if (tracer.loads) it.read_mask = bytes_of(tracer);
        if (tracer.stores) it.write_mask = bytes_of(tracer);
        it.write_data = device_value << 8 * (tracer.address & 7);
        if (const char *place = machine.addr_to_mem(it.address)) memcpy(&it.write_data, place, 8);
      }
      return true;
    }
  }

 private:
  static int written(uint32_t insn) {
    switch (insn & 0x7f) {
      case 0x73: return insn & 0x3000 ? insn >> 7 & 31 : 0;
      case 0x2f: case 0x03: case 0x7b: return insn >> 7 & 31;
      default: return 0;  // the comparison of all registers has it
    }
  }
  bool taken() {
    state_t *state = hart.proc->get_state();
    const uint64_t due = machine.masters_due(hart), status = state->mstatus->read();
    const uint64_t above = due & ~state->mideleg->read(), below = due & state->mideleg->read();
    return (above && (state->prv < PRV_M || status & MSTATUS_MIE)) ||
           (below && (state->prv < PRV_S || (state->prv == PRV_S && status & MSTATUS_SIE)));
  }
  uint64_t cause() {
    state_t *state = hart.proc->get_state();
    return state->prv == PRV_M ? state->mcause->read() : state->scause->read();
  }
  Machine &machine;
  Hart &hart;
  Tracer tracer;
  uint64_t order = 0, slept = 0, device_value = 0;
  bool entered = false;
};

class Lockstep {
 public:
  Lockstep(Machine *machine, int index) : machine(*machine), hart(machine->harts[index]) {
    hart.proc->get_mmu()->register_memtracer(&tracer);
    memset(x, 0, sizeof x);
    machine->on_device = [this](bool time, uint64_t value) {
      at_device = true;
      volatile_read |= time;
      device_value = value;
    };
  }

  bool check(const Record &it) {
    processor_t *proc = hart.proc.get();
    state_t *state = proc->get_state();
    machine.time = it.cycle;
    if (it.enters) return interrupt(it);
    if (it.order != order++) return fail("order must be %llu, not %llu", order - 1, it.order);
    if (bool(it.intr) != entered) return fail("intr must be %llu, not %llu", entered, it.intr);
    entered = false;
    if (!it.intr && !patient(it)) return false;
    if (state->pc != it.pc) return fail("pc must be %llx, not %llx", state->pc, it.pc);
    if (state->prv != it.mode) return fail("mode must be %llx, not %llx", state->prv, it.mode);

    // What the hardware chooses.
    const uint32_t insn = it.insn;
    const bool sc = (insn & 0xf800202f) == 0x1800202f && (insn & 0x7f) == 0x2f;
    if (sc && !it.trap && (it.rd == 0 ? !it.write_mask : it.value == 1))
      proc->get_mmu()->yield_load_reservation();
    tracer.clear();
    volatile_read = at_device = false;
    proc->clear_waiting_for_interrupt();
    uint64_t retired = quiet_step();
    if (machine.failed) return fail("the reference device must take part");

    if (it.trap != (retired == 0))
      return fail(it.trap ? "there must be no trap, but is one of cause %llx"
                          : "there must be a trap of cause %llx",
                  it.trap ? it.cause : cause());
    if (it.trap) {
      if (cause() != it.cause) return fail("cause must be %llx, not %llx", cause(), it.cause);
    } else {
      if (it.rd && is_volatile(insn)) {
        if (uint64_t fixed = ~volatile_bits(insn); (state->XPR[it.rd] ^ it.value) & fixed)
          return fail("but for volatile bits, x%llu must be %llx, not %llx", it.rd,
                      state->XPR[it.rd], it.value);
        state->XPR.write(it.rd, it.value);
      }
      if (it.rd) x[it.rd] = it.value;
      if (!memory(it)) return false;
    }
    for (int each = 0; each < 32; each++)
      if (state->XPR[each] != x[each])
        return fail("x%llu must be %llx, not %llx", each, state->XPR[each], x[each]);
    // What writes satp shows what it has written.
    if (uint64_t satp = state->satp->read(); satp != it.satp)
      return fail("satp must be %llx, not %llx", satp, it.satp);
    if (state->pc != it.next) return fail("next pc must be %llx, not %llx", state->pc, it.next);
    return true;
  }

  // The interrupt that is said to be taken, if it may be.
  bool interrupt(const Record &it) {
    processor_t *proc = hart.proc.get();
    state_t *state = proc->get_state();
    waited = 0;
    interrupts++;
    entered = true;
    const uint64_t number = it.cause & ~INTERRUPT;
    if (!(it.cause & INTERRUPT)) return fail("an interrupt must have a cause, not %llx", it.cause);
    proc->clear_waiting_for_interrupt();
    if (number == 0) {
      reg_t pc = 0;
      if (!machine.due(hart)) return fail("there must be no user interrupt");
      if (machine.request(proc, PRV_U, TRAP, 0, 0, state->pc, pc) != OK)
        return fail("the unit must take the user interrupt");
      state->pc = pc;
      user_interrupts++;
      return true;
    }
    if (number > 11) return fail("cause must be at most 11, not %llx", number);
    const uint64_t bit = uint64_t(1) << number;
    if (!(pending(it.cycle + SLACK) & bit))
      return fail("interrupt %llu must not be taken, since it is not pending", number);
    hide();
    state->mip->backdoor_write_with_mask(bit, bit);
    const uint64_t retired = proc_step();
    state->mip->backdoor_write_with_mask(bit, 0);
    show();
    if (retired || cause() != it.cause)
      return fail("interrupt %llu must not be taken, since it is not enabled", number);
    return true;
  }

  // Whether nothing has to be taken before this instruction for too long.
  bool patient(const Record &it) {
    state_t *state = hart.proc->get_state();
    const uint64_t due = pending(it.cycle < SLACK ? 0 : it.cycle - SLACK) & state->mie->read();
    const uint64_t machine_due = due & ~state->mideleg->read(), supervisor = due & ~machine_due;
    const uint64_t status = state->mstatus->read();
    const bool takes =
        (machine_due && (state->prv < PRV_M || status & MSTATUS_MIE)) ||
        (supervisor && (state->prv < PRV_S || (state->prv == PRV_S && status & MSTATUS_SIE))) ||
        machine.due(hart);
    waited = takes ? waited + 1 : 0;
    longest = std::max(longest, waited);
    return waited <= PATIENCE || fail("an interrupt must be taken (pending and enabled: %llx)", due);
  }

  // mip as the hart has it at a time.
  uint64_t pending(uint64_t time) {
    state_t *state = hart.proc->get_state();
    uint64_t bits = state->mip->read() & ~(MIP_MTIP | MIP_MSIP | MIP_STIP);
    if (hart.unit.supervisor_line) bits |= MIP_SEIP;
    return bits | machine.timers(hart, time);
  }

  // The N extension's cause is not told here: its interrupts are taken in `interrupt`.
  uint64_t cause() {
    state_t *state = hart.proc->get_state();
    return state->prv == PRV_M ? state->mcause->read() : state->scause->read();
  }

  // One instruction, and no interrupt instead of it.
  uint64_t quiet_step() {
    machine.show_time(hart);
    hide();
    machine.reveal = [this] { show(); };
    const uint64_t retired = proc_step();
    machine.reveal = nullptr;
    show();
    return retired;
  }
  uint64_t proc_step() {
    processor_t *proc = hart.proc.get();
    const uint64_t before = proc->get_state()->minstret->read();
    hart.leaving = false;
    proc->step(1);
    proc->clear_waiting_for_interrupt();
    return proc->get_state()->minstret->read() - before;
  }
  void hide() {
    if (hidden) return;
    state_t *state = hart.proc->get_state();
    kept_external = state->mvip->read() & MIP_SEIP;
    state->mvip->write_with_mask(MIP_SEIP, 0);
    kept = state->mip->read();
    state->mip->backdoor_write_with_mask(~uint64_t(0), 0);
    hidden = true;
  }
  void show() {
    if (!hidden) return;
    state_t *state = hart.proc->get_state();
    state->mip->backdoor_write_with_mask(kept, kept);
    if (kept_external) state->mvip->write_with_mask(MIP_SEIP, MIP_SEIP);
    hidden = false;
    machine.show_time(hart);
  }

  static bool is_csr(uint32_t insn) { return (insn & 0x7f) == 0x73 && insn & 0x3000; }
  bool is_volatile(uint32_t insn) const { return volatile_read || volatile_bits(insn); }
  // Bits of what is read that depend on the moment.
  uint64_t volatile_bits(uint32_t insn) const {
    if (volatile_read) return ~uint64_t(0);
    if (!is_csr(insn)) return 0;
    switch (insn >> 20) {
      case CSR_MIP: return MIP_MTIP | MIP_STIP | MIP_SEIP | 1;
      case CSR_SIP: return MIP_STIP | MIP_SEIP | 1;
      case UIP: return 1;
      case CSR_CYCLE: case CSR_TIME: case CSR_MCYCLE: return ~uint64_t(0);
      default: return 0;
    }
  }

  bool memory(const Record &it) {
    const bool stores = it.write_mask != 0, loads = it.read_mask != 0;
    if ((tracer.stores != 0) != stores)
      return fail(stores ? "there must be no store" : "there must be a store");
    if (loads && !tracer.loads) return fail("there must be no load");
    if (!stores && tracer.loads && !loads) return fail("there must be a load");
    if (!stores && !loads) return true;
    const uint8_t mask = bytes_of(tracer), told = stores ? it.write_mask : it.read_mask;
    if (told != mask) return fail("bytes accessed must be %llx, not %llx", mask, told);
    if ((it.address ^ tracer.address) & 0xff8)
      return fail("address must be %llx in its page, not %llx", tracer.address & 0xff8, it.address);
    if (!stores) return true;
    uint64_t word = device_value << 8 * (tracer.address & 7), bytes = 0;
    if (!at_device) memcpy(&word, machine.addr_to_mem(tracer.address & ~uint64_t(7)), 8);
    for (int each = 0; each < 8; each++)
      if (mask >> each & 1) bytes |= uint64_t(0xff) << 8 * each;
    return !((word ^ it.write_data) & bytes) ||
           fail("data stored must be %llx, not %llx", word & bytes, it.write_data & bytes);
  }
  template <typename... Values>
  bool fail(const char *form, Values... values) {
    snprintf(text, sizeof text, form, static_cast<unsigned long long>(values)...);
    return false;
  }

  Machine &machine;
  Hart &hart;
  Tracer tracer;
  uint64_t device_value = 0;
  uint64_t x[32], order = 0, kept = 0, kept_external = 0;
  bool hidden = false, volatile_read = false, at_device = false;
  bool entered = false;  // an interrupt, and nothing has retired since
  int waited = 0, longest = 0;
  uint64_t interrupts = 0, user_interrupts = 0;
  char text[200] = "";
};

}  // namespace

extern "C" {

Lockstep *lockstep_new(Machine *machine, int hart) { return new Lockstep(machine, hart); }
void lockstep_delete(Lockstep *lockstep) { delete lockstep; }

// Answers how many records agree; fewer than `count` if the next one does not.
uint64_t lockstep_check(Lockstep *lockstep, const Record *records, uint64_t count) {
  for (uint64_t index = 0; index < count; index++)
    if (!lockstep->check(records[index])) return index;
  return count;
}
const char *lockstep_text(Lockstep *lockstep) { return lockstep->text; }
uint64_t lockstep_interrupts(Lockstep *lockstep) { return lockstep->interrupts; }
uint64_t lockstep_user_interrupts(Lockstep *lockstep) { return lockstep->user_interrupts; }
int lockstep_longest(Lockstep *lockstep) { return lockstep->longest; }

Recorder *recorder_new(Machine *machine, int hart) { return new Recorder(machine, hart); }
void recorder_delete(Recorder *recorder) { delete recorder; }
// Answers the records written; fewer than `capacity` at the end of the program.
uint64_t recorder_run(Recorder *recorder, Record *buffer, uint64_t capacity) {
  for (uint64_t index = 0; index < capacity; index++)
    if (!recorder->record(buffer[index])) return index;
  return capacity;
}
}
