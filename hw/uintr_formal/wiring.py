"""Properties of the connections of a system, of each hart, in every cycle.

Each hart unit hears its own lines, budget, cache switch and invalidation, and the control page
hears of posts and refusals from whose they are; its operations go to its own port of the
controller, its answers come from there, and its transfers are its own initiator's.
"""

from amaranth.hdl import Assert, Cat, Module, Value

from uintr.system import System
from uintr_formal.free import free
from uintr_formal.specification import Specification

__all__ = ["WiringSpec"]


class WiringSpec(Specification):
    """Parameters
    ----------
    harts : number of harts
    """

    def __init__(self, *, harts: int) -> None:
        super().__init__()
        self._harts = harts

    def specify(self, m: Module) -> None:
        """The blocks inside, and what each shows the others."""
        system = System(harts=self._harts, receivers=2, table_pages=1)
        m.submodules.dut = inside = system.elaborate(None)
        controller, page, arbiter = (
            inside.submodules[name] for name in ("controller", "control_page", "arbiter")
        )
        for port in system.hart:
            payload = port.request.payload
            free(m, port.privilege, port.request.valid, payload.kind, payload.function,
                 payload.address, payload.data)  # fmt: skip
        for hart in range(self._harts):
            unit = inside.submodules[f"hart_unit_{hart}"]
            mine, port = controller.ports[hart], system.hart[hart]
            initiator = arbiter.initiators[hart]
            sender = unit.sender
            pairs = [
                (unit.line, controller.line[hart]),
                (unit.receiver.line, controller.line[hart]),
                (port.supervisor_interrupt, controller.supervisor_line[hart]),
                (port.interrupt, unit.receiver.interrupt),
                (unit.receiver.privilege, port.privilege),
                (sender.open, page.open[hart]),
                (sender.caches, page.caches[hart]),
                (unit.invalidate, page.invalidate[hart]),
                (page.rejected[hart], sender.rejected),
                (page.cause[hart], sender.answer.status),
                (page.posted[hart], sender.posted),
                (page.posting[hart], sender.posting),
                (mine.operation.valid, sender.port.operation.valid),
                (mine.operation.payload, sender.port.operation.payload),
                (sender.port.operation.ready, mine.operation.ready),
                (sender.port.response.valid, mine.response.valid),
                (sender.port.response.payload, mine.response.payload),
                *((getattr(initiator, name), getattr(unit.bus, name)) for name in
                  ("cyc", "stb", "we", "adr", "sel", "dat_w", "dat_r", "ack", "err")),
            ]  # fmt: skip
            m.d.comb += [Assert(Value.cast(one) == Value.cast(other)) for one, other in pairs]
        bridge = inside.submodules["bridge"]
        m.d.comb += [
            Assert(Cat(page.enable) == Cat(bridge.enable)),
            Assert(controller.notify_hart == page.notify_hart),
        ]
