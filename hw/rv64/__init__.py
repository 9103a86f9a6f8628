"""A RISC-V hart in Amaranth, RV64IMAC with user interrupts, and the system around it."""
