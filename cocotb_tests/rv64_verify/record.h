// What one retired instruction tells, as `rtl.cpp` writes it and `lockstep.cpp` reads it. With `enters`
// it is no instruction: an interrupt is taken, and cycle, hart and cause mean something.
#pragma once
#include <cstdint>

struct Record {
  uint64_t cycle, order, pc, next, cause, rs1, rs2, value, address, read_data, write_data, satp;
  uint32_t insn;
  uint8_t hart, mode, trap, intr, rd, read_mask, write_mask, status, enters;
};
