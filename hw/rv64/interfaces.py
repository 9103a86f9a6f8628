"""The signatures of hart and system: main memory, bus, and what tells of retired instructions."""

from amaranth.lib.wiring import In, Out, Signature

from rv64.memory_map import PHYSICAL_BITS
from uintr.interfaces import WORD_BYTES
from uintr.registers import XLEN

__all__ = ["WORD_ADDRESS_BITS", "BusPort", "MemoryPort", "RvfiPort", "SnoopPort"]

WORD_ADDRESS_BITS = PHYSICAL_BITS - (WORD_BYTES - 1).bit_length()
"""Width of a physical address that counts words of eight bytes."""


class MemoryPort(Signature):
    """A synchronous RAM, seen from the system: a block RAM on a board, an array in simulation.

    Members
    -------
    enable : read or write in this cycle
    address : word of eight bytes, counted from the beginning of the RAM
    write_mask : bytes to write; 0 is a read
    write_data : those bytes, in their places
    read_data : the word, valid in the cycle after ``enable`` and only then
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "enable": Out(1),
                "address": Out(WORD_ADDRESS_BITS),
                "write_mask": Out(WORD_BYTES),
                "write_data": Out(XLEN),
                "read_data": In(XLEN),
            }
        )


class BusPort(Signature):
    """A way to memory and devices, seen from the initiator.

    A transfer is wanted from ``valid`` on, and everything is held until it begins: in the cycle of
    ``grant``. A write is done then. A read answers with one ``beat`` a word, the last one together
    with ``last``; nothing new begins before. ``error`` takes the place of the last beat, of a write
    too if it went to a device: then ``last`` or ``error`` ends it, as it ends a read.

    Members
    -------
    valid : a transfer is wanted
    write : it writes one word
    device : it goes to a device: ends with ``last`` or ``error``, whether read or write
    line : it reads a line of four words, from the first one on
    lock : after this transfer nobody else's comes before this initiator's next one
    address : word address; the first of the line if ``line``
    mask : bytes read or written; sampled in the cycle of ``grant``
    data : to write
    grant : the transfer begins, in this cycle
    beat, last, error : a word of a read is there; it is the last; there is none at that address
    read_data : the word, in the cycle of ``beat``
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "write": Out(1),
                "device": Out(1),
                "line": Out(1),
                "lock": Out(1),
                "address": Out(WORD_ADDRESS_BITS),
                "mask": Out(WORD_BYTES),
                "data": Out(XLEN),
                "grant": In(1),
                "beat": In(1),
                "last": In(1),
                "error": In(1),
                "read_data": In(XLEN),
            }
        )


class SnoopPort(Signature):
    """What every hart is told of the others' writes, seen from the bus.

    Members
    -------
    valid : somebody else writes to memory in this cycle
    address : word address
    """

    def __init__(self) -> None:
        super().__init__({"valid": Out(1), "address": Out(WORD_ADDRESS_BITS)})


class RvfiPort(Signature):
    """The RISC-V formal interface of one hart: what retired, at most one instruction a cycle.

    The names are those of the standard. Memory addresses are virtual and aligned to eight bytes;
    masks and data have bytes in their places in that word. An instruction that traps has ``trap``
    and its ``cause``. A taken interrupt shows in ``intr`` and ``cause`` of the first instruction of
    its handler. Beside the standard stand the cause, the privilege's address space and events.

    Members
    -------
    valid : the rest means something in this cycle
    order : number of the instruction
    insn : as it was fetched, 16 or 32 bits
    trap, halt, intr : it raised an exception; nothing follows (never); it is the first of a handler
    mode, ixl : privilege; 2, which is 64 bits
    rs1_addr, rs2_addr, rs1_rdata, rs2_rdata : what was read; address 0 without a read
    rd_addr, rd_wdata : what was written; 0 and 0 without a write
    pc_rdata, pc_wdata : its address and that of the next one
    mem_addr, mem_rmask, mem_wmask, mem_rdata, mem_wdata : its access
    cause : mcause's or ucause's value, with ``trap`` or ``intr``
    satp : the address space it ran in
    status : how the HartPort answered UIPI, a user-interrupt CSR or uret
    enters, enters_cause : an interrupt is taken, whether ``valid`` or not, and its cause. Another
        may follow before its handler's first instruction, which then has ``intr`` of the last
    icache_miss, dcache_miss, walk : pulses, whether ``valid`` or not: a line is fetched, a walk of
        page tables begins
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "order": Out(64),
                "insn": Out(32),
                "trap": Out(1),
                "halt": Out(1),
                "intr": Out(1),
                "mode": Out(2),
                "ixl": Out(2),
                "rs1_addr": Out(5),
                "rs2_addr": Out(5),
                "rs1_rdata": Out(XLEN),
                "rs2_rdata": Out(XLEN),
                "rd_addr": Out(5),
                "rd_wdata": Out(XLEN),
                "pc_rdata": Out(XLEN),
                "pc_wdata": Out(XLEN),
                "mem_addr": Out(XLEN),
                "mem_rmask": Out(WORD_BYTES),
                "mem_wmask": Out(WORD_BYTES),
                "mem_rdata": Out(XLEN),
                "mem_wdata": Out(XLEN),
                "cause": Out(XLEN),
                "satp": Out(XLEN),
                "status": Out(4),
                "enters": Out(1),
                "enters_cause": Out(XLEN),
                "icache_miss": Out(1),
                "dcache_miss": Out(1),
                "walk": Out(1),
            }
        )
