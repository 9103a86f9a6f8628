"""Memory, page tables, costs and the event log, each alone."""

import pytest

from rel4.machine import sv39
from rel4.machine.costs import Cost, load_costs
from rel4.machine.events import EventLog, Fault, Mark
from rel4.machine.memory import Memory
from rel4.machine.sv39 import PTE


def test_memory_is_zero_until_written_and_can_be_cleared() -> None:
    memory = Memory()
    assert memory.load(0x8000) == 0
    memory.store(0x8000, 1 << 64 | 5)
    assert memory.load(0x8000) == 5
    memory.clear(0x8000, 4096)
    assert memory.load(0x8000) == 0
    memory.store(16, 1)
    memory.clear(0, 1 << 40)
    assert memory.load(16) == 0


def test_sv39_walk_reads_what_was_written() -> None:
    memory = Memory()
    root, middle = 0x1000, 0x2000
    memory.store(root + 8, sv39.make_pte(middle, PTE.V))
    flags = PTE.V | PTE.R | PTE.W | PTE.U
    memory.store(middle + 8 * 3, sv39.make_pte(0x60_0000, flags))
    virtual = (1 << 30) + (3 << 21) + 0x12345
    leaf = sv39.walk(memory.load, root, virtual)
    assert leaf is not None
    assert (leaf.page_bits, leaf.physical(virtual)) == (21, 0x61_2345)
    assert sv39.walk(memory.load, root, virtual + (1 << 21)) is None
    assert sv39.walk(memory.load, root, 1 << 40) is None
    memory.store(middle + 8 * 3, sv39.make_pte(0x60_1000, flags))  # misaligned superpage
    assert sv39.walk(memory.load, root, virtual) is None
    memory.store(middle + 8 * 3, sv39.make_pte(0x60_0000, PTE.V | PTE.W))  # reserved: W without R
    assert sv39.walk(memory.load, root, virtual) is None


def test_every_cost_has_a_value_a_provenance_and_a_source() -> None:
    for cost in load_costs().table.values():
        assert cost.value > 0
        assert len(cost.source) > 20


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '[a.b]\nvalue = -1\nprovenance = "assumed"\nsource = "x"',
            "whole number of cycles, not -1",
        ),
        ('[a.b]\nvalue = 1\nprovenance = "felt"\nsource = "x"', "must be one of published"),
        ('[a.b]\nvalue = 1\nprovenance = "assumed"\nsource = ""', "source must be given"),
        ("[a.b]\nvalue = 1", r"costs entry a\.b is not right"),
    ],
)
def test_bad_costs_are_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        load_costs(text)


def test_unknown_cost_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"user\.fetch"):
        load_costs()["user.fetsch"]
    assert Cost(1, "assumed", "x").value == 1


def test_log_lines_are_json() -> None:
    log = EventLog()
    log.append(Mark("begin"), cycle=5, hart=0)
    log.append(Fault("root", "page fault"), cycle=6, hart=1)
    assert list(log.lines()) == [
        '{"cycle":5,"hart":0,"event":"Mark","name":"begin"}',
        '{"cycle":6,"hart":1,"event":"Fault","thread":"root","reason":"page fault"}',
    ]
