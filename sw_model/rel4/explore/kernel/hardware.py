"""What must hold between the kernel's books and the user-interrupt hardware, seen from outside.

The reference devices are looked into, which costs no time and changes nothing.
"""

from collections.abc import Iterator

from rel4.kernel.kernel import Kernel
from rel4.kernel.uintr import UserInterrupts
from rel4.kernel.uintr_context import UserInterruptState
from rel4.reference.device import ReferenceDevice
from rel4.reference.intel.device import IntelReferenceDevice
from uintr.intel.registers import UPID, UPID_PIR, Msr

__all__ = ["free_violations", "hardware_books", "hardware_violations", "pending", "receivers"]


def pending(kernel: Kernel, state: UserInterruptState) -> int:
    """What is pending at the receiver of a thread, wherever it is held."""
    device = kernel.state.machine.device
    assert state.receiver is not None
    found = _word(kernel, state.receiver)
    if isinstance(device, IntelReferenceDevice):
        for unit in device.units:
            if unit.msrs[Msr.UINTR_PD] == state.receiver:
                return found | unit.msrs[Msr.UINTR_RR]
    return found | state.registers.get(Msr.UINTR_RR, 0)


def hardware_violations(kernel: Kernel) -> list[str]:
    """One sentence a violation, while no hart is in the kernel."""
    return [*hardware_books(kernel), *_parked(kernel)]


def hardware_books(kernel: Kernel) -> list[str]:
    """The same of what must hold on any machine, also one whose harts do not stop."""
    return [*free_violations(kernel), *_kernels(kernel), *_switched_on(kernel)]


def receivers(kernel: Kernel) -> int:
    """A hash of what the receivers hold that are in use."""
    return hash(tuple((_active(kernel, r), _word(kernel, r)) for r in kernel.state.uintr.receivers))


def _active(kernel: Kernel, receiver: int) -> bool:
    device = kernel.state.machine.device
    if isinstance(device, ReferenceDevice):
        return device.look(receiver)[0]
    assert isinstance(device, IntelReferenceDevice)
    word = device.look(receiver)  # 0: it was never used
    return bool(word) and not UPID.field("sn").get(word)


def _word(kernel: Kernel, receiver: int) -> int:
    device = kernel.state.machine.device
    if isinstance(device, ReferenceDevice):
        return device.look(receiver)[1]
    assert isinstance(device, IntelReferenceDevice)
    return device.look(receiver + UPID_PIR.address)


def free_violations(kernel: Kernel) -> Iterator[str]:
    """A free receiver is neither active nor has it anything pending."""
    uintr: UserInterrupts = kernel.state.uintr
    for receiver in uintr.free_receivers:
        if _active(kernel, receiver):
            yield f"receiver {receiver} is free and active"
        if _word(kernel, receiver):
            yield f"receiver {receiver} is free and has something pending"


def _parked(kernel: Kernel) -> Iterator[str]:
    """A parked receiver with something pending is one that the kernel will be told of."""
    device = kernel.state.machine.device
    harts = kernel.state.machine.harts
    told = any(hart.supervisor_line or hart.in_kernel for hart in harts)  # type: ignore[attr-defined]
    for receiver, tcb in kernel.state.uintr.parked.items():
        if _word(kernel, receiver) and not told and device.quiescent:
            yield f"{tcb.name} is parked, a vector is pending, and nobody will be told"


def _kernels(kernel: Kernel) -> Iterator[str]:
    """A receiver of the kernel's own interrupts it."""
    device = kernel.state.machine.device
    for hart, receiver in kernel.state.uintr.kernel_receivers.items():
        if isinstance(device, ReferenceDevice) and not device.is_supervisors(receiver):
            yield f"the kernel waits on hart {hart} for receiver {receiver}, which cannot tell it"


def _switched_on(kernel: Kernel) -> Iterator[str]:
    """What microcode keeps is no user's: user interrupts stay enabled (Intel)."""
    device = kernel.state.machine.device
    if isinstance(device, IntelReferenceDevice):
        for hart, unit in enumerate(device.units):
            if not unit.cr4:
                yield f"somebody has switched user interrupts off on hart {hart}"
