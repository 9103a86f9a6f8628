"""Litmus tests: small programs of several harts, run at thousands of skews, and what may come out.

The hart's model of memory is TSO, in which an atomic is a fence too; RVWMO allows more. `allowed`
finds all outcomes of that model by trying every order; `observed` runs a test on the RTL.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any, NamedTuple

from rv64_verify.encode import Code
from rv64_verify.layout import BASE, TOHOST
from rv64_verify.lockstep import CAPACITY, Record
from rv64_verify.rtl import Rtl

__all__ = ["TESTS", "Op", "Outcome", "Test", "allowed", "explored", "observed", "told"]

MEMORY_BYTES = 1 << 20
Outcome = tuple[int, ...]
"""What each hart read, hart by hart, then the last values of the locations."""


class Op(NamedTuple):
    """One operation: R(ead), W(rite), F(ence), X (swap by AMO), L (swap by LR and SC, until it
    succeeds)."""

    kind: str
    place: int = 0
    value: int = 0

    def __str__(self) -> str:
        if self.kind == "F":
            return "F"
        return f"{self.kind}{'xyz'[self.place]}{'' if self.kind == 'R' else self.value}"


def _parse(text: str) -> tuple[Op, ...]:
    """``Wx1 Ry F`` and so on."""
    return tuple(
        Op(word[0], "xyz".index(word[1]) if len(word) > 1 else 0, int(word[2:] or 0))
        for word in text.split()
    )


@dataclass(frozen=True)
class Test:
    """A litmus test.

    Parameters
    ----------
    name : as it is known
    threads : operations of each hart
    """

    name: str
    threads: tuple[tuple[Op, ...], ...]

    @property
    def places(self) -> int:
        """How many locations there are."""
        return 1 + max(op.place for thread in self.threads for op in thread)

    def __str__(self) -> str:
        return " \u2016 ".join(" ".join(map(str, thread)) for thread in self.threads)


def _test(name: str, *threads: str) -> Test:
    return Test(name, tuple(map(_parse, threads)))


TESTS = {
    test.name: test
    for test in (
        _test("SB", "Wx1 Ry", "Wy1 Rx"),
        _test("SB+fences", "Wx1 F Ry", "Wy1 F Rx"),
        _test("SB+fence+po", "Wx1 F Ry", "Wy1 Rx"),
        _test("SB+amos", "Xx1 Ry", "Xy1 Rx"),
        _test("SB+lrsc", "Lx1 Ry", "Ly1 Rx"),
        _test("SB+rfi", "Wx1 Rx Ry", "Wy1 Ry Rx"),
        _test("MP", "Wx1 Wy1", "Ry Rx"),
        _test("MP+fences", "Wx1 F Wy1", "Ry F Rx"),
        _test("MP+amo", "Wx1 Xy1", "Ry Rx"),
        _test("MP+lrsc", "Wx1 Ly1", "Ry Rx"),
        _test("LB", "Rx Wy1", "Ry Wx1"),
        _test("LB+amos", "Rx Xy1", "Ry Xx1"),
        _test("S", "Wx2 Wy1", "Ry Wx1"),
        _test("S+fences", "Wx2 F Wy1", "Ry F Wx1"),
        _test("R", "Wx1 Wy1", "Wy2 Rx"),
        _test("R+fences", "Wx1 F Wy1", "Wy2 F Rx"),
        _test("2+2W", "Wx1 Wy2", "Wy1 Wx2"),
        _test("2+2W+amos", "Xx1 Wy2", "Xy1 Wx2"),
        _test("CoRR", "Wx1", "Rx Rx"),
        _test("CoWW", "Wx1 Wx2", "Rx Rx"),
        _test("CoRW", "Rx Wx1", "Wx2 Rx"),
        _test("CoWR", "Wx1 Rx", "Wx2 Rx"),
        _test("swaps", "Xx1 Lx2", "Lx3 Xx4"),
        _test("WRC", "Wx1", "Rx Wy1", "Ry Rx"),
        _test("WRC+fences", "Wx1", "Rx F Wy1", "Ry F Rx"),
        _test("IRIW", "Wx1", "Wy1", "Rx Ry", "Ry Rx"),
        _test("IRIW+fences", "Wx1", "Wy1", "Rx F Ry", "Ry F Rx"),
    )
}


# --- the model ---


class _State(NamedTuple):
    memory: tuple[int, ...]
    buffers: tuple[tuple[tuple[int, int], ...], ...]
    next: tuple[int, ...]
    read: tuple[tuple[int, ...], ...]


def _put(items: tuple[Any, ...], index: int, item: Any) -> tuple[Any, ...]:
    return (*items[:index], item, *items[index + 1 :])


@cache
def allowed(test: Test, *, buffers: bool = True) -> frozenset[Outcome]:
    """All outcomes of the model; without ``buffers`` those of sequential consistency."""
    harts = len(test.threads)
    begin = _State((0,) * test.places, ((),) * harts, (0,) * harts, ((),) * harts)
    seen, todo, found = {begin}, [begin], set()
    while todo:
        state = todo.pop()
        after = _steps(test, state, buffers)
        if not after:
            found.add((*(each for row in state.read for each in row), *state.memory))
        for each in after:
            if each not in seen:
                seen.add(each)
                todo.append(each)
    return frozenset(found)


def _steps(test: Test, state: _State, buffers: bool) -> list[_State]:
    after = []
    for hart, thread in enumerate(test.threads):
        pending = state.buffers[hart]
        if pending:  # the oldest store comes to memory
            place, value = pending[0]
            after.append(
                state._replace(
                    memory=_put(state.memory, place, value),
                    buffers=_put(state.buffers, hart, pending[1:]),
                )
            )
        if state.next[hart] == len(thread):
            continue
        kind, place, value = thread[state.next[hart]]
        onward = state._replace(next=_put(state.next, hart, state.next[hart] + 1))
        if kind == "W" and buffers:
            store = (*pending, (place, value))
            after.append(onward._replace(buffers=_put(state.buffers, hart, store)))
        elif kind == "W":
            after.append(onward._replace(memory=_put(state.memory, place, value)))
        elif kind == "R":
            newest = [stored for where, stored in pending if where == place]
            value = newest[-1] if newest else state.memory[place]
            after.append(onward._replace(read=_put(state.read, hart, (*state.read[hart], value))))
        elif not pending:
            if kind != "F":
                told = (*state.read[hart], state.memory[place])
                onward = onward._replace(
                    memory=_put(state.memory, place, value), read=_put(state.read, hart, told)
                )
            after.append(onward)
    return after


# --- on the RTL ---

_SLED, _GAP = 64, 32  # instructions that skew harts, and that part operations, at most
_LINES = BASE + 0x2_0000
_STEP = 128  # bytes between rounds; a location has a line of its own within
_RESULTS = BASE + 0xC_0000
_RESULT_BYTES = 64
_SKEWS = BASE + 0x1_0000
_BARRIER, _DONE = BASE + 0x8000, BASE + 0x8100
_MOST_ROUNDS = 1024

X5, X6, X7, X10 = 5, 6, 7, 10
_COUNT, _PLACES, _ANSWERS, _SKEW, _MEET, _ALL, _GAPS, _WAIT = range(18, 26)


def _program(test: Test, rounds: int, spread: bool) -> Code:
    code = Code(BASE)
    harts = len(test.threads)
    code("csrrs", X5, 0, imm=0xF14)
    code.li(_COUNT, rounds)
    code.li(_PLACES, _LINES)
    code.li(_ANSWERS, _RESULTS)
    code.li(_SKEW, _SKEWS)
    code.li(_MEET, _BARRIER)
    code("addi", _ALL, 0, imm=0)
    code.li(X6, _MOST_ROUNDS * 4)
    code("mul", X6, X6, X5)
    code("add", _SKEW, _SKEW, X6)
    for hart in range(harts):
        code("addi", X6, 0, imm=hart)
        code("beq", rs1=X5, rs2=X6, to=f"over {hart}")
        code("jal", to=f"not {hart}")
        code.label(f"over {hart}")
        _thread(code, test, hart, spread)
        code.label(f"not {hart}")
    code.label("parked")
    code("jal", to="parked")
    return code


def _wait(code: Code, register: int, most: int) -> None:
    """So many instructions that do nothing: a jump among them from behind. x5 and x6 are lost."""
    code("auipc", X6, imm=0)
    code("slli", X5, register, imm=2)
    code("sub", X6, X6, X5)
    code("jalr", 0, X6, imm=16 + 4 * most)
    for _ in range(most):
        code("addi")


def _thread(code: Code, test: Test, hart: int, spread: bool) -> None:
    harts = len(test.threads)
    first = sum(op.kind in "RXL" for thread in test.threads[:hart] for op in thread)
    code.label(f"round {hart}")
    code("lwu", X5, _SKEW)
    for place in range(test.places):  # some lines are in the cache already
        code("andi", X6, X5, imm=1 << place)
        code("beq", rs1=X6, to=f"cold {hart} {place}")
        code("ld", X6, _PLACES, imm=32 * place)
        code.label(f"cold {hart} {place}")
    code("srli", _GAPS, X5, imm=16)
    code("srli", _WAIT, X5, imm=8)
    code("andi", _WAIT, _WAIT, imm=_SLED - 1)
    code("addi", _ALL, _ALL, imm=harts)
    code("addi", X6, 0, imm=1)
    code("amoadd.d", 0, _MEET, X6)
    code.label(f"meet {hart}")
    code("ld", X6, _MEET)
    code("blt", rs1=X6, rs2=_ALL, to=f"meet {hart}")
    _wait(code, _WAIT, _SLED)
    answers = 0
    for number, (kind, place, value) in enumerate(test.threads[hart]):
        at = 32 * place
        if spread and number:
            code("andi", _WAIT, _GAPS, imm=_GAP - 1)
            code("srli", _GAPS, _GAPS, imm=5)
            _wait(code, _WAIT, _GAP)
        if kind == "W":
            code("addi", X7, 0, imm=value)
            code("sd", rs1=_PLACES, rs2=X7, imm=at)
        elif kind == "R":
            code("ld", X10 + answers, _PLACES, imm=at)
        elif kind == "F":
            code("fence", imm=0x33)
        else:
            code("addi", X7, 0, imm=value)
            code("addi", X6, _PLACES, imm=at)
            if kind == "X":
                code("amoswap.d", X10 + answers, X6, X7)
            else:
                code.label(f"again {hart} {number}")
                code("lr.d", X10 + answers, X6)
                code("sc.d", X5, X6, X7)
                code("bne", rs1=X5, to=f"again {hart} {number}")
        answers += kind in "RXL"
    for answer in range(answers):
        code("sd", rs1=_ANSWERS, rs2=X10 + answer, imm=8 * (first + answer))
    code("addi", _PLACES, _PLACES, imm=_STEP)
    code("addi", _ANSWERS, _ANSWERS, imm=_RESULT_BYTES)
    code("addi", _SKEW, _SKEW, imm=4)
    code("addi", _COUNT, _COUNT, imm=-1)
    code("beq", rs1=_COUNT, to=f"done {hart}")
    code("jal", to=f"round {hart}")
    code.label(f"done {hart}")
    code.li(X5, _DONE)
    code("addi", X6, 0, imm=1)
    code("amoadd.d", 0, X5, X6)
    if hart == 0:
        code.label("wait")
        code("ld", X6, X5)
        code("addi", X7, 0, imm=harts)
        code("blt", rs1=X6, rs2=X7, to="wait")
        code.li(X5, TOHOST)
        code("sd", rs1=X5, rs2=X7)
    code("jal", to="parked")


def observed(
    test: Test,
    rtl: Rtl,
    *,
    rounds: int,
    seed: int,
    latency: int = 1,
    jitter: int = 0,
    spread: bool = False,
    limit: int = 20_000_000,
) -> Counter[Outcome]:
    """Outcomes of so many rounds, each with a skew of its own, and how often each was seen; with
    ``spread`` there is some time between two operations of a hart, else none. It has to end within
    ``limit`` cycles."""
    if not 1 <= rounds <= _MOST_ROUNDS:
        raise ValueError(f"rounds must be 1 to {_MOST_ROUNDS}, not {rounds!r}")
    random = Random(f"{test.name} {seed}")
    harts = len(test.threads)
    memory = bytearray(MEMORY_BYTES)
    program = _program(test, rounds, spread).finish()
    memory[: len(program)] = program
    for hart in range(harts):
        most = random.choice((4, 16, _SLED))
        for number in range(rounds):
            if number % 32 == 0:
                most = random.choice((4, 16, _SLED))
            place = _SKEWS - BASE + 4 * (_MOST_ROUNDS * hart + number)
            skew = random.randrange(most) << 8 | random.getrandbits(test.places)
            skew |= random.getrandbits(16) << 16
            memory[place : place + 4] = skew.to_bytes(4, "little")
    rtl.start(bytes(memory), tohost=TOHOST, limit=limit, latency=latency, jitter=jitter, seed=seed)
    buffer: Any = (Record * CAPACITY)()
    while rtl.run(buffer):
        pass
    if not rtl.ended:
        raise AssertionError(f"{test.name} must end, but stands at cycle {rtl.cycle}")
    after = rtl.memory()
    reads = sum(op.kind in "RXL" for thread in test.threads for op in thread)

    def words(address: int, count: int, step: int) -> tuple[int, ...]:
        begin = address - BASE
        return tuple(
            int.from_bytes(after[begin + step * each :][:8], "little") for each in range(count)
        )

    return Counter(
        words(_RESULTS + _RESULT_BYTES * number, reads, 8)
        + words(_LINES + _STEP * number, test.places, 32)
        for number in range(rounds)
    )


# --- many settings ---

ROUNDS = 300
_SETTINGS = [
    (seed, (1, 2, 3, 4, 6, 10, 20)[seed % 7], (0, 1, 2, 5, 15)[seed % 5]) for seed in range(1, 40)
]
_LEAST = 4


def explored(test: Test, rtl: Rtl) -> tuple[Counter[Outcome], int]:
    """Outcomes at many skews, latencies and jitters, and how many settings there were: four in any
    case, more until every outcome that is allowed was seen. An outcome that is not allowed ends it.
    """
    may = allowed(test)
    seen: Counter[Outcome] = Counter()
    for number, (seed, latency, jitter) in enumerate(_SETTINGS, 1):
        seen += observed(
            test,
            rtl,
            rounds=ROUNDS,
            seed=seed,
            latency=latency,
            jitter=jitter,
            spread=bool(seed % 2),
        )
        if set(seen) - may or (number >= _LEAST and set(seen) == may):
            break
    return seen, number


def told(test: Test, seen: Counter[Outcome], settings: int) -> dict[str, Any]:
    """What is kept of a test: how often each outcome was seen, whether allowed or not."""
    may, strong = allowed(test), allowed(test, buffers=False)

    def text(outcome: Outcome) -> str:
        return " ".join(map(str, outcome))

    return {
        "test": test.name,
        "threads": str(test),
        "harts": len(test.threads),
        "skews": seen.total(),
        "settings": settings,
        "allowed": len(may),
        "seen": {text(outcome): seen[outcome] for outcome in sorted(seen)},
        "never": sorted(map(text, may - set(seen))),
        "forbidden": sorted(map(text, set(seen) - may)),
        "relaxed": sorted(map(text, may - strong)),
    }
