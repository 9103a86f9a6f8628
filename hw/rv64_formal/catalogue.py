"""All proofs of the hart, and the broken designs that they have to notice."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from amaranth.asserts import AnySeq
from amaranth.hdl import Elaboratable, Fragment, Module
from amaranth.lib import data

import rv64.alu
import rv64.cache
import rv64.commit
import rv64.csr
import rv64.csr_state
import rv64.decode
import rv64.execute
import rv64.fabric
import rv64.hart
import rv64.memory_unit
import rv64.store_buffer
from rv64.atomics import AtomicUnit
from rv64_formal import instruction, memory_order, port, whole
from rv64_formal.instruction import AnyResult
from uintr_formal.bug import Bug, replaced
from uintr_formal.prove import Proof

__all__ = ["BUGS", "PROOFS", "SEARCHES"]


def _instruction(opcodes: tuple[int, ...] | None) -> Callable[[], Any]:
    return lambda: _Within(instruction.InstructionSpec(opcodes), _any_units)


class _Within(Elaboratable):
    """A specification that is elaborated, with all that is below, within a context."""

    def __init__(self, specification: Any, context: Callable[[], Any]) -> None:
        self.domain = specification.domain
        self._specification, self._context = specification, context

    def elaborate(self, platform: Any) -> Any:
        """At once, while the context lasts."""
        with self._context():
            return Fragment.get(self._specification, platform)


class _AnyAtomic(AtomicUnit):
    """A unit that may make anything of its operands: stands in for that of the AMOs."""

    def elaborate(self, platform: Any) -> Module:
        """No state at all."""
        m = Module()
        m.d.comb += self.new.eq(AnySeq(64))
        return m


@contextmanager
def _any_units() -> Iterator[None]:
    """Multiplier and divider that may answer anything."""
    with ExitStack() as stack:
        for name in ("Multiplier", "Divider"):
            stack.enter_context(replaced(rv64.execute, name, lambda right: AnyResult)())
        yield


def _any_atomic() -> Any:
    return replaced(rv64.memory_unit, "AtomicUnit", lambda right: _AnyAtomic)()


@contextmanager
def _small_cache() -> Iterator[None]:
    """Four lines in a way, of sixteen pages."""
    small: dict[str, Any] = {
        "INDEX_BITS": 4,
        "_LINE_BITS": 2,
        "FRAME_BITS": 4,
        "WORD_ADDRESS_BITS": 8,
        "_TAG": data.StructLayout({"valid": 1, "frame": 4}),
    }
    # Of the module that the cache is from, be it a broken one.
    names = vars(memory_order)["CacheArray"].elaborate.__globals__
    right = {name: names[name] for name in small}
    names.update(small)
    try:
        yield
    finally:
        names.update(right)


def _snoop() -> Any:
    with _small_cache():
        specification = memory_order.SnoopSpec()
    return _Within(specification, _small_cache)


def _hart(*, registers: bool) -> Callable[[], Any]:
    def make() -> Any:
        with whole.any_surroundings():
            specification = whole.HartSpec(registers=registers)
        return _Within(specification, whole.any_surroundings)

    return make


_UNDECIDED = ("immediates", "registers")
"""Their shifts of 64 bits take the solver longer than ten minutes."""

PROOFS: tuple[Proof, ...] = (
    *(
        Proof(
            f"instruction {name}",
            f"kind, destination, result and successor of {words}, for the operands told",
            _instruction(opcodes),
            4,
            "bmc",
        )
        for name, words, opcodes in (
            *(
                (name, f"opcodes {', '.join(f'{each:#04x}' for each in opcodes)}", opcodes)
                for name, opcodes in instruction.GROUPS.items()
                if name not in _UNDECIDED
            ),
            ("others", "fences; what is no opcode is no instruction", None),
        )
    ),
    Proof(
        "port",
        "requests only for what nothing can void; one answer for one request, used once; nothing "
        "ends in between",
        port.PortSpec,
        12,
        "bmc",
    ),
    Proof(
        "hart flow",
        "pc chain, privilege, first instruction of a handler, uret, of a whole hart from any CSRs "
        "on",
        _hart(registers=False),
        11,
        "bmc",
        quick=False,
    ),
    Proof(
        "hart registers",
        "whichever register is read has what was written last, of a whole hart",
        _hart(registers=True),
        8,
        "bmc",
        quick=False,
    ),
    Proof(
        "bus",
        "one transfer at a time; nobody within a locked one; every write told to all others",
        memory_order.FabricSpec,
        9,
        "bmc",
    ),
    Proof(
        "queue",
        "stores come out as they went in, whichever one",
        memory_order.QueueSpec,
        12,
        "bmc",
    ),
    Proof(
        "snoop",
        "a line written into is not found any more, whichever one (4 lines, 2 ways, 16 pages)",
        _snoop,
        12,
        "bmc",
    ),
)


SEARCHES: tuple[Proof, ...] = (
    Proof(
        "reservation",
        "SC writes only what LR has read and nobody has written since, whichever word",
        lambda: _Within(memory_order.ReservationSpec(), _any_atomic),
        6,
        "bmc",
    ),
)
"""What the solver finds faults with, but does not end on the right design within two minutes."""


def _edited(owner: ModuleType, name: str, source: ModuleType, old: str, new: str) -> Any:
    """A context in which ``owner`` has the class ``name`` of ``source`` with a text changed."""

    def broken(right: Any) -> Any:
        text = inspect.getsource(source)
        if text.count(old) != 1:
            raise ValueError(f"{old!r} must stand in {source.__name__} once")
        space: dict[str, Any] = {"__name__": f"{source.__name__}_broken"}
        exec(compile(text.replace(old, new), source.__name__, "exec"), space)
        return space[name]

    return replaced(owner, name, broken)


BUGS: tuple[Bug, ...] = (
    Bug(
        "SRAW takes bit 63 for its sign",
        "instruction registers 32",
        _edited(rv64.execute, "AluUnit", rv64.alu, "Mux(word, a[31], a[63])", "a[63]"),
    ),
    Bug(
        "BGEU compares as BGE does",
        "instruction branches",
        _edited(
            rv64.execute,
            "Comparator",
            rv64.alu,
            "~self.funct3[1]",
            "~self.funct3[1] | self.funct3[0]",
        ),
    ),
    Bug(
        "a load of 128 bits is an instruction",
        "instruction memory",
        _edited(rv64.execute, "Decoder", rv64.decode, "m.If(funct3 != 7)", "m.If(funct3 <= 7)"),
    ),
    Bug(
        "UIPI is asked before its operand's fault is looked at",
        "port",
        _edited(
            port,
            "Commit",
            rv64.commit,
            "with m.Elif(last.fault.valid):",
            "with m.Elif(last.fault.valid & (kind != Kind.UIPI)):",
        ),
    ),
    Bug(
        "a guessed handler is entered whatever the port answers",
        "port",
        _edited(port, "Commit", rv64.commit, "response.payload.data != guess.handler", "0"),
    ),
    Bug(
        "what was fetched on a guess outlives a write of utvec",
        "port",
        _edited(rv64.commit, "CsrFile", rv64.csr, " - {Csr.UTVEC}", ""),
    ),
    Bug(
        "what is behind a wrong guess retires",
        "hart flow",
        _edited(rv64.hart, "Execute", rv64.execute, "d_leaves & ~x_wrong", "d_leaves"),
    ),
    Bug(
        "a trap leaves the privilege as it was",
        "hart flow",
        _edited(rv64.csr, "StatusFields", rv64.csr_state, "self._privilege.eq(Privilege.M),", ""),
    ),
    Bug(
        "what the last stage has is not forwarded",
        "hart registers",
        _edited(rv64.hart, "Execute", rv64.execute, "Mux(last, self.value, value)", "value"),
    ),
    Bug(
        "a write is told to the writer",
        "bus",
        _edited(memory_order, "Fabric", rv64.fabric, "writes & ~mine", "writes & mine"),
    ),
    Bug(
        "a lock does not keep others out",
        "bus",
        _edited(memory_order, "Fabric", rv64.fabric, "last | error) & ~locked", "last | error)"),
    ),
    Bug(
        "SC does not look at its reservation",
        "reservation",
        _edited(
            memory_order,
            "MemoryUnit",
            rv64.memory_unit,
            "reserved & (reservation == self.address)",
            "reserved | (reservation == self.address)",
        ),
    ),
    Bug(
        "a reservation outlives another hart's write",
        "reservation",
        _edited(
            memory_order,
            "MemoryUnit",
            rv64.memory_unit,
            "self.snoop.valid & (self.snoop.address",
            "self.snoop.valid & ~self.start & (self.snoop.address",
        ),
    ),
    Bug(
        "a store goes into a full buffer",
        "queue",
        _edited(
            memory_order,
            "StoreBuffer",
            rv64.store_buffer,
            "ready.eq(after != DEPTH)",
            "ready.eq(1)",
        ),
    ),
    Bug(
        "an invalidation takes the sweep's place",  # as it was until this proof found it
        "snoop",
        _edited(
            memory_order,
            "CacheArray",
            rv64.cache,
            "seen & same & ~self.sweeping",
            "seen & same",
        ),
    ),
    Bug(
        "an invalidation leaves the line valid",
        "snoop",
        _edited(
            memory_order,
            "CacheArray",
            rv64.cache,
            "write.data.valid.eq(0)",
            "write.data.valid.eq(snoop.data.frame[0])",
        ),
    ),
)
