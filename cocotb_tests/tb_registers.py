"""Register tests made from the table: CSRs and the controller's slots."""

import random

from rel4.machine.device import Device, Request, Response
from uintr.registers import (
    ACTIVE,
    CLAIM,
    CONTROL_OFFSET,
    CSRS,
    FEATURES,
    HARTS,
    HIGH,
    INVALIDATE,
    LOW,
    MASK,
    MASK_BYTES,
    MASK_OFFSET,
    NOTIFY_HART,
    PAGE_BYTES,
    RECEIVERS,
    SEND,
    SLOT_REGISTERS,
    SLOT_RESET,
    VECTORS,
    XLEN,
    Csr,
    CsrFunction,
    Privilege,
    RequestKind,
    Space,
    Status,
    registers,
)
from verbs import Verbs

_WORD = (1 << XLEN) - 1
_REFUSED = Response(0, Status.ILLEGAL)


async def csr_reset(device: Device) -> None:
    """Every CSR of every hart has its reset value, at power-on and after a reset."""
    verbs = Verbs(device=device)
    for _ in range(2):
        for hart in range(device.config.harts):
            for csr, register in CSRS.items():
                value = await verbs.read(csr, hart)
                assert value == register.reset, f"{register.name} of hart {hart}: {value:#x}"
        for hart in range(device.config.harts):
            for csr in CSRS:
                await verbs.write(csr, _WORD, hart)
        await device.reset()


async def csr_bits(device: Device) -> None:
    """Each bit of each CSR alone, and random words: written, set, cleared; no other CSR changes."""
    verbs = Verbs(device=device)
    draw = random.Random("csr bits")
    stored = {csr: register.reset for csr, register in CSRS.items()}
    await verbs.write(Csr.SIDELEG, _WORD)
    stored[Csr.SIDELEG] = CSRS[Csr.SIDELEG].mask("rw")

    def seen(csr: Csr) -> int:
        """The bits that show: of uie and uip those that are delegated."""
        return stored[Csr.SIDELEG] if csr in (Csr.UIE, Csr.UIP) else _WORD

    for csr, register in [*CSRS.items(), (Csr.UIE, CSRS[Csr.UIE]), (Csr.UIP, CSRS[Csr.UIP])]:
        changes = register.mask("rw") & seen(csr)
        words = [_WORD, 0, *(1 << bit for bit in range(XLEN))]
        words += [draw.getrandbits(XLEN) for _ in range(20)]
        for word in words:
            for function in CsrFunction:
                before = stored[csr] & seen(csr)
                after = {
                    CsrFunction.READ: before,
                    CsrFunction.WRITE: word,
                    CsrFunction.SET: before | word,
                    CsrFunction.CLEAR: before & ~word,
                }[function]
                response = await verbs.csr(function, csr, word)
                assert response == Response(before, Status.OK), (
                    f"{function.name} of {register.name}: {response}, not {before:#x}"
                )
                stored[csr] = after & changes | stored[csr] & ~changes
        for other, value in stored.items():
            shown = value & seen(other)
            assert await verbs.read(other) == shown, f"{other.name} after {register.name}"


async def csr_privileges(device: Device) -> None:
    """Bits 9:8 of the number are the lowest privilege; a refused access changes nothing."""
    verbs = Verbs(device=device)
    await verbs.write(Csr.SIDELEG, _WORD)
    for csr, register in CSRS.items():
        one = register.mask("rw") & -register.mask("rw")
        for privilege in Privilege:
            device.set_privilege(0, Privilege.M)
            await verbs.write(csr, 0)
            device.set_privilege(0, privilege)
            allowed = csr.privilege <= privilege
            for function in (CsrFunction.WRITE, CsrFunction.CLEAR, CsrFunction.SET):
                response = await verbs.csr(function, csr, one)
                assert (response.status is Status.OK) == allowed, (register.name, privilege)
                assert allowed or response == _REFUSED
            device.set_privilege(0, Privilege.M)
            assert await verbs.read(csr) == (one if allowed else 0), (register.name, privilege)


async def csr_numbers(device: Device) -> None:
    """All other numbers and all other functions are refused, at the highest privilege."""
    verbs = Verbs(device=device)
    device.set_privilege(0, Privilege.M)
    known = {csr.value for csr in Csr}
    beyond = [csr | 1 << bit for csr in Csr for bit in (12, 13, 31, 32, 63)]
    for number in [*range(1 << 12), *beyond]:
        if number not in known:
            assert await verbs.csr(CsrFunction.WRITE, number, _WORD) == _REFUSED, hex(number)
    for csr in Csr:
        for function in (4, 5, 6, 7, 64, 65, 127):
            assert await verbs.csr(function, csr, _WORD) == _REFUSED, (csr.name, function)
        assert await verbs.read(csr) == CSRS[csr].reset


async def slots(device: Device) -> None:
    """The controller's registers, of the first, second and last receiver; no other slot changes."""
    verbs = Verbs(device=device)
    harts = device.config.harts
    receivers = sorted({0, 1 % device.config.receivers, device.config.receivers - 1})
    for receiver in receivers:
        at = {register: verbs.slot(receiver, register) for register in SLOT_REGISTERS}
        for register in SLOT_REGISTERS:
            assert await verbs.load(at[register]) == register.reset, (receiver, register.name)
        await verbs.extend(0)
        for bit in range(2, 16):  # ignored, until software says that it knows them
            await verbs.store(at[LOW], 1 << bit)
            assert await verbs.load(at[LOW]) == 0, bit
        await verbs.extend()
        for bit in range(XLEN):
            word = 1 << bit
            hartid = LOW.field("hartid").get(word)
            await verbs.store(at[LOW], word)
            there = LOW.built(device.config.features)
            low = word & there.mask("rw") & ~LOW.field("hartid").mask
            low |= LOW.pack(hartid=min(hartid, harts))
            assert await verbs.load(at[LOW]) == low, f"LOW of {word:#x}"
            await verbs.store(at[ACTIVE], word)
            active = word & ACTIVE.mask("rw")
            assert await verbs.load(at[ACTIVE]) == active, f"ACTIVE of {word:#x}"
            low = low & ~LOW.field("active").mask | LOW.pack(active=active)
            assert await verbs.load(at[LOW]) == low, f"LOW after ACTIVE of {word:#x}"
            await verbs.store(at[HIGH], word)
            await verbs.store(at[SEND], (bit + 1) % VECTORS)
            await verbs.store(at[SEND], VECTORS + bit)
            await verbs.store(at[SEND], max(VECTORS, 1 << bit))
            assert await verbs.load(at[SEND]) == 0
            pending = word | 1 << (bit + 1) % VECTORS
            assert await verbs.load(at[HIGH]) == pending, f"HIGH of {word:#x}"
            assert await verbs.load(at[HIGH]) == 0, "HIGH is cleared by the read"
        await verbs.store(at[LOW], 0)


async def control_page(device: Device) -> None:
    """The control page's registers that can be read without effect: reset values, then each bit
    written to each of them; none changes another. Offsets of no register, and of none that this
    hardware has, are bus errors."""
    verbs = Verbs(device=device)
    config = device.config
    page = [
        placed
        for placed in registers(
            harts=config.harts, receivers=config.receivers, features=config.features
        )
        if placed.space is Space.CONTROL
    ]
    parameters = {FEATURES: config.features, HARTS: config.harts, RECEIVERS: config.receivers}
    parameters[NOTIFY_HART] = config.harts
    expected = {
        config.base + offset: parameters.get(placed.register, placed.register.reset)
        for placed in page
        for offset in placed.offsets
        if placed.register not in (CLAIM, SLOT_RESET, INVALIDATE)  # each access has its effect
    }
    for address, value in expected.items():
        assert await verbs.load(address) == value, hex(address)
    for placed in page:
        for address in (config.base + offset for offset in placed.offsets):
            if address not in expected:
                continue
            for bit in range(XLEN):
                word = 1 << bit
                await verbs.store(address, word)
                expected[address] = expected[address] & placed.register.mask("ro")
                expected[address] |= word & placed.register.mask("rw")
                if placed.register == NOTIFY_HART:
                    expected[address] = min(NOTIFY_HART.field("hartid").get(word), config.harts)
                for other, value in expected.items():
                    seen = await verbs.load(other)
                    assert seen == value, f"{other:#x} after {word:#x} to {address:#x}: {seen:#x}"
            await verbs.store(address, 0)
            expected[address] = await verbs.load(address)
    known = {offset for placed in page for offset in placed.offsets}
    beyond = [CONTROL_OFFSET + PAGE_BYTES, CONTROL_OFFSET + PAGE_BYTES + FEATURES.address]
    for offset in [*range(CONTROL_OFFSET, CONTROL_OFFSET + PAGE_BYTES, 8), *beyond]:
        if offset not in known:
            response, _ = await verbs.request(0, Request(RequestKind.LOAD, 0, config.base + offset))
            assert response == Response(0, Status.BUS), hex(offset)


async def mask_words(device: Device) -> None:
    """Masks of the first, second and last receiver: reset, each bit, and no other mask changes."""
    verbs = Verbs(device=device)
    config = device.config
    receivers = sorted({0, 1 % config.receivers, config.receivers - 1})
    at = {receiver: config.base + MASK_OFFSET + MASK_BYTES * receiver for receiver in receivers}
    expected = dict.fromkeys(receivers, MASK.reset)
    for receiver, address in at.items():
        for word in (None, *(1 << bit for bit in range(XLEN)), _WORD):
            if word is not None:
                await verbs.store(address, word)
                expected[receiver] = word & MASK.mask("rw")
            for other, value in expected.items():
                assert await verbs.load(at[other]) == value, f"mask {other} after {receiver}"
    await device.reset()
    for address in at.values():
        assert await verbs.load(address) == MASK.reset
