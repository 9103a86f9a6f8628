"""Bytes of a word of memory, as registers see them."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from uintr.interfaces import WORD_BYTES
from uintr.registers import XLEN

__all__ = ["LoadAlign", "StoreAlign"]


class LoadAlign(wiring.Component):
    """What a load brings out of a word; combinational.

    Members
    -------
    word, offset, funct3 : from memory; the byte of it that is addressed; size, and whether unsigned
    value : for the register
    """

    def __init__(self) -> None:
        super().__init__({"word": In(XLEN), "offset": In(3), "funct3": In(3), "value": Out(XLEN)})

    def elaborate(self, platform: Any) -> Module:
        """Choose byte, half and word side by side, then the size."""
        m = Module()
        word, offset = self.word, self.offset
        signed = ~self.funct3[2]
        single = Signal(32)
        half = Signal(16)
        byte = Signal(8)
        m.d.comb += [
            single.eq(Mux(offset[2], word[32:], word[:32])),
            half.eq(Mux(offset[1], single[16:], single[:16])),
            byte.eq(Mux(offset[0], half[8:], half[:8])),
        ]
        with m.Switch(self.funct3[:2]):
            for size, part in enumerate((byte, half, single)):
                with m.Case(size):
                    m.d.comb += self.value.eq(
                        Cat(part, (part[-1] & signed).replicate(XLEN - len(part)))
                    )
            with m.Default():
                m.d.comb += self.value.eq(word)
        return m


class StoreAlign(wiring.Component):
    """Where a store puts its bytes; combinational.

    Members
    -------
    value, offset, size : from the register; the byte addressed; 0 to 3 for 1 to 8 bytes
    word, mask : bytes in their places, repeated where the mask is clear
    misaligned : the address is no multiple of the size
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "value": In(XLEN),
                "offset": In(3),
                "size": In(2),
                "word": Out(XLEN),
                "mask": Out(WORD_BYTES),
                "misaligned": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Repeat the value, choose the mask."""
        m = Module()
        masks = Array([0x01, 0x03, 0x0F, 0xFF])
        misaligned = Array([0, 0b001, 0b011, 0b111])
        m.d.comb += [
            self.mask.eq(masks[self.size] << self.offset),
            self.misaligned.eq((misaligned[self.size] & self.offset) != 0),
        ]
        with m.Switch(self.size):
            for size in range(4):
                bits = 8 << size
                with m.Case(size):
                    m.d.comb += self.word.eq(Cat(*([self.value[:bits]] * (XLEN // bits))))
        return m
