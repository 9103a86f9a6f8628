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
        """Choose the half, a half of it, and so on; then a sign in place of what is not meant."""
        m = Module()
        word, offset = self.word, self.offset
        size = self.funct3[:2]
        single = Signal(32)
        half = Signal(16)
        byte = Signal(8)
        sign = Signal()
        # The sign is chosen at once, and not behind the bytes.
        signs = []
        for place in range(WORD_BYTES):
            chosen = (size == 0) & (offset == place)
            if place % 2:
                chosen |= (size == 1) & (offset[1:] == place >> 1)
            if place % 4 == 3:
                chosen |= (size == 2) & (offset[2] == place >> 2)
            signs.append(word[8 * place + 7] & chosen & ~self.funct3[2])
        m.d.comb += [
            single.eq(Mux(offset[2], word[32:], word[:32])),
            half.eq(Mux(offset[1], single[16:], single[:16])),
            byte.eq(Mux(offset[0], half[8:], half[:8])),
            sign.eq(Cat(signs).any()),
            self.value.eq(
                Cat(
                    byte,
                    Mux(size == 0, sign.replicate(8), half[8:]),
                    Mux(size[1], single[16:], sign.replicate(16)),
                    Mux(size == 3, word[32:], sign.replicate(32)),
                )
            ),
        ]
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
