"""A debugger at a compiled program on the RTL."""

import re
import shutil
import socket
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest

from compiled_bench import CONFIG, example, program
from rel4.compiled import (
    Ending,
    Listener,
    Program,
    RunConfig,
    RunResult,
    run_program,
)
from rel4.machine.device import DeviceError

pytestmark = pytest.mark.sim


class Door(Listener):
    """Learns the port at which gdb is waited for."""

    def __init__(self) -> None:
        self.port = 0
        self.open = threading.Event()

    def progress(self, text: str) -> None:
        found = re.search(r"localhost:(\d+)", text)
        if found is not None:
            self.port = int(found[1])
            self.open.set()


class Debugged(threading.Thread):
    """A run with a debugger, in a thread of its own."""

    def __init__(self, compiled: Program, config: RunConfig = CONFIG) -> None:
        super().__init__()
        self.result: RunResult | None = None
        self._compiled = compiled
        self._config = replace(config, gdb=0)
        self._door = Door()

    def run(self) -> None:
        self.result = run_program(self._compiled, self._config, listener=self._door)

    def port(self) -> int:
        self.start()
        assert self._door.open.wait(300)
        return self._door.port

    def ended(self) -> RunResult:
        self.join(60)
        assert self.result is not None
        return self.result


def packet(text: str) -> bytes:
    return b"$%s#%02x" % (text.encode("latin-1"), sum(text.encode("latin-1")) & 0xFF)


def word(number: int) -> str:
    return number.to_bytes(8, "little").hex()


class Link:
    """A debugger that says what it is told to."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._got = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, text: str) -> str:
        self.socket.sendall(packet(text))
        return self.answer()

    def answer(self) -> str:
        while (found := re.search(rb"\$([^#]*)#..", self._got)) is None:
            data = self.socket.recv(4096)
            assert data, "the run must answer"
            self._got += data
        self._got = self._got[found.end() :]
        return found[1].decode()


def test_what_a_debugger_asks(tmp_path: Path) -> None:
    compiled = example(tmp_path, "scheduler.c", "switch.S")
    plain = run_program(compiled, CONFIG)
    debugged = Debugged(compiled)
    with Link(debugged.port()) as link:
        names = compiled.symbols.addresses
        assert "QStartNoAckMode+" in link.ask("qSupported:multiprocess+")
        assert link.ask("qfThreadInfo") == "m1,2"
        assert bytes.fromhex(link.ask("qThreadExtraInfo,2")) == b"hart 1"
        assert link.ask("?") == "T05thread:1;"
        assert link.ask("p20") == (0x8000_0000).to_bytes(8, "little").hex()
        assert link.ask("vCont;s:1") == "T05thread:1;"
        assert link.ask("p20") == (0x8000_0004).to_bytes(8, "little").hex()
        assert link.ask(f"Z0,{names['next_thread']:x},4") == "OK"
        assert link.ask("vCont;c") == "T05thread:1;"
        pc = int.from_bytes(bytes.fromhex(link.ask("g"))[-8:], "little")
        assert pc == names["next_thread"]
        assert link.ask(f"m{names['current']:x},4") == "00000000"
        assert link.ask("c") == "T05thread:1;"
        assert link.ask(f"m{names['current']:x},4") == "01000000"
        # Nothing is there; nothing is a number, or of this length.
        assert link.ask("m10,4") == "E14"
        assert link.ask("P20=00") == "E01"
        assert link.ask("M80000000,2:00") == "E01"
        assert link.ask("mx,y") == "E01"
        assert link.ask("T3") == "E01"
        assert link.ask("qNothing") == ""
        # A packet that was damaged is asked for again.
        link.socket.sendall(b"$?#00")
        assert link.ask("?") == "T05thread:1;"
        assert link.ask(f"z0,{names['next_thread']:x},4") == "OK"
        assert link.ask("c") == "W00"
    result = debugged.ended()
    assert (result.cycles, result.console) == (plain.cycles, plain.console)


COUNTS = """
#include <stdio.h>
volatile long wanted = 5, *place = &wanted;
__attribute__((noinline)) long add(long a, long b) { return a + b + *place; }
int main(void) {
  long sums[3];  // printed behind the loop: until then caches keep what they have
  for (int each = 0; each < 3; each++) sums[each] = add(each, 10);
  for (int each = 0; each < 3; each++) printf("%ld\\n", sums[each]);
  return 0;
}
"""


def number(word: str) -> int:
    return int.from_bytes(bytes.fromhex(word), "little")


def test_a_debugger_changes_registers_and_memory(tmp_path: Path) -> None:
    """Just before the instruction at which it stands, and what is known of it in caches as well."""
    compiled = program(tmp_path, COUNTS)
    names = compiled.symbols.addresses
    plain = run_program(compiled, CONFIG)
    assert plain.console == b"15\n16\n17\n"
    debugged = Debugged(compiled)
    with Link(debugged.port()) as link:
        assert link.ask(f"Z0,{names['add']:x},4") == "OK"
        assert link.ask("c") == "T05thread:1;"
        # An argument. It is seen at once, and the hart still stands where it did.
        before = link.ask("g")
        assert link.ask(f"Pa={word(1000)}") == "OK"
        after = link.ask("g")
        assert after == before[:160] + word(1000) + before[176:]
        assert number(link.ask("p20")) == names["add"]
        assert link.ask("c") == "T05thread:1;"
        # Memory that the cache has by now; by bytes and in binary, where a brace is escaped.
        assert link.ask(f"m{names['wanted']:x},8") == word(5)
        assert link.ask(f"M{names['wanted']:x},1:07") == "OK"
        assert link.ask(f"X{names['wanted'] + 1:x},1:}}\x5d") == "OK"
        assert link.ask(f"m{names['wanted']:x},8") == word(0x7D07)
        assert link.ask(f"M{names['wanted'] + 1:x},1:00") == "OK"
        assert link.ask("M10,1:00") == "E14"
        assert link.ask("c") == "T05thread:1;"
        # All registers at once: the pc among them, as if the function had returned 42.
        registers = link.ask("g")
        ra = registers[16:32]
        changed = f"{registers[:160]}{word(42)}{registers[176:512]}{ra}"
        assert link.ask(f"G{changed}") == "OK"
        assert link.ask("g") == changed
        assert link.ask(f"z0,{names['add']:x},4") == "OK"
        assert link.ask("c") == "W00"
    result = debugged.ended()
    assert result.console == b"1015\n18\n42\n"
    assert result.cycles > plain.cycles, "halting takes time, so the copy has taken over"


def test_code_that_a_debugger_changes_is_what_runs(tmp_path: Path) -> None:
    """Though the instruction cache has had it, and the pipeline too."""
    compiled = program(tmp_path, COUNTS)
    add = compiled.symbols.addresses["add"]
    debugged = Debugged(compiled)
    with Link(debugged.port()) as link:
        assert link.ask(f"Z0,{add:x},4") == "OK"
        assert link.ask("c") == "T05thread:1;"
        assert link.ask("c") == "T05thread:1;"
        returns = (0x00008067).to_bytes(4, "little").hex()  # ret
        assert link.ask(f"M{add:x},4:{returns}") == "OK"
        assert link.ask("c") == "T05thread:1;"
        assert link.ask("D") == "OK"
    assert debugged.ended().console == b"15\n1\n2\n"


@pytest.mark.parametrize("changes", [False, True])
def test_a_reservation_does_not_survive_a_change(tmp_path: Path, changes: bool) -> None:
    text = """
        long word;
        int main(void) {
          long failed;
          __asm__ volatile("lr.d %0, (%1)\\n\\t.globl between\\nbetween: sc.d %0, %1, (%1)"
                           : "=&r"(failed) : "r"(&word) : "memory");
          return 10 + (int)failed;
        }
        """
    compiled = program(tmp_path, text)
    names = compiled.symbols.addresses
    debugged = Debugged(compiled)
    with Link(debugged.port()) as link:
        assert link.ask(f"Z0,{names['between']:x},4") == "OK"
        assert link.ask("c") == "T05thread:1;"
        if changes:
            assert link.ask(f"M{names['word']:x},1:05") == "OK"
        link.ask("D")
    assert debugged.ended().status == 10 + changes


def test_the_other_hart_is_changed_too_or_it_is_said_that_it_cannot_be(tmp_path: Path) -> None:
    """Where it must end an instruction first, what was seen of it is no longer so."""
    compiled = program(
        tmp_path,
        """
        #include <stdint.h>
        volatile uint64_t seen;
        __attribute__((noinline)) void turn(long each) {
          for (each %= 13; each; each--) __asm__ volatile("nop");
        }
        void hart_main(uint64_t hart) {
          register uint64_t count __asm__("s11") = hart;
          __asm__ volatile("1: addi %0, %0, 1\\n\\tamoor.d t0, x0, (sp)\\n\\t"
                           ".rept 8\\n\\tnop\\n\\t.endr\\n\\tbgez %0, 1b"
                           : "+r"(count) : : "t0");
          seen = count;
        }
        int main(void) {
          for (long each = 0; !seen; each++) turn(each);
          return seen - (1ul << 63);
        }
        """,
    )
    debugged = Debugged(compiled)
    with Link(debugged.port()) as link:
        said: list[str] = []
        assert link.ask(f"Z0,{compiled.symbols.addresses['turn']:x},4") == "OK"
        while not {"OK", "E01"} <= set(said):
            assert len(said) < 200
            assert link.ask("c") == "T05thread:1;"
            assert link.ask("Hg2") == "OK"
            before = link.ask("g")
            said.append(link.ask(f"P1b={word(len(said))}"))
            if said[-1] == "OK":
                assert link.ask("g") == before[:432] + word(len(said) - 1) + before[448:]
        while link.ask(f"P1b={word((1 << 63) + 7)}") != "OK":
            assert link.ask("c") == "T05thread:1;"
            assert link.ask("Hg2") == "OK"
        assert link.ask("D") == "OK"
    # It stood before the addition or behind it.
    assert debugged.ended().status in (7, 8)


def test_memory_as_the_code_sees_it(tmp_path: Path) -> None:
    """A breakpoint in a process with an address space of its own."""
    compiled = example(tmp_path, "register_and_send.c", optimise="0")
    debugged = Debugged(compiled)
    with Link(debugged.port()) as link:
        assert link.ask(f"Z0,{compiled.symbols.addresses['user_interrupt']:x},4") == "OK"
        assert link.ask("c") == "T05thread:1;"
        registers = bytes.fromhex(link.ask("g"))
        sp = int.from_bytes(registers[16:24], "little")
        assert 0x4000_0000 < sp < 0x4000_1000, "the process's own page"
        assert len(link.ask(f"m{sp:x},8")) == 16
        assert link.ask(f"M{sp:x},8:{word(5)}") == "OK"
        assert link.ask(f"m{sp:x},8") == word(5)
        assert link.ask("m50000000,8") == "E14"
        link.ask("vKill;1")
    assert debugged.ended().ending is Ending.DEBUGGER


def test_ctrl_c_and_leaving(tmp_path: Path) -> None:
    loop = "for (int i = 0; i < 30000; i++) mark(1, i); return 0;"
    text = f"#include <mark.h>\nint main(void) {{ {loop} }}\n"
    compiled = program(tmp_path, text)
    plain = run_program(compiled, CONFIG)
    debugged = Debugged(compiled)
    with Link(debugged.port()) as link:
        link.socket.sendall(packet("c"))
        link.socket.sendall(b"\x03")
        assert link.answer().startswith("T05thread:")
        assert link.ask("D") == "OK"
    assert debugged.ended().cycles == plain.cycles


def test_ctrl_c_while_all_harts_wait(tmp_path: Path) -> None:
    """Nothing retires, so there is no instruction to stop behind."""
    text = 'int main(void) { for (;;) __asm__ volatile("wfi"); }\n'
    debugged = Debugged(program(tmp_path, text))
    with Link(debugged.port()) as link:
        link.socket.sendall(packet("c"))
        link.socket.sendall(b"\x03")
        assert link.answer() == "T05thread:1;"
        pc = number(link.ask("p20"))
        # It has to end for the hart to halt, which is then not where gdb has seen it.
        assert link.ask(f"P5={word(7)}") == "E01"
        assert number(link.ask("p20")) != pc
        assert link.ask("vCont;s:1") == "T05thread:1;"  # the jump back
        assert number(link.ask("p20")) == pc
        assert link.ask("vKill;1") == "OK"
    assert debugged.ended().ending is Ending.DEBUGGER


def test_a_debugger_that_is_gone_lets_the_program_go_on(tmp_path: Path) -> None:
    compiled = example(tmp_path, "hello.c")
    debugged = Debugged(compiled)
    Link(debugged.port()).socket.close()
    assert debugged.ended().status == 0


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    compiled = example(tmp_path, "hello.c")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = other.getsockname()[1]
        with pytest.raises(DeviceError, match=f"gdb must be a free port, but {port} is not"):
            run_program(compiled, replace(CONFIG, gdb=port))


def told(debugged: Debugged, compiled: Program, *commands: str) -> str:
    """What gdb prints when it is told so."""
    lines = [f"target remote localhost:{debugged.port()}", *commands]
    done = subprocess.run(
        ["gdb-multiarch", "-q", "-nx", "-batch", *(f"-ex={each}" for each in lines),
         str(compiled.path)],
        capture_output=True,
        text=True,
        timeout=120,
    )  # fmt: skip
    return done.stdout + done.stderr


GDB = shutil.which("gdb-multiarch")
with_gdb = pytest.mark.skipif(GDB is None, reason="gdb-multiarch is not installed")


@with_gdb
def test_gdb_itself_changes_things(tmp_path: Path) -> None:
    compiled = program(tmp_path, COUNTS)
    debugged = Debugged(compiled)
    out = told(
        debugged,
        compiled,
        *(
            "break add",
            "continue",
            "print add(20, 2)",
            "set var wanted = 100",
            "print (long)add(1, 1)",
        ),
        *("continue", "set $a1 = 1000", "delete", "continue"),
    )
    assert "$1 = 27" in out
    assert "$2 = 102" in out
    assert debugged.ended().console == b"110\n1101\n112\n"


@with_gdb
def test_gdb_itself(tmp_path: Path) -> None:
    compiled = example(tmp_path, "scheduler.c", "switch.S")
    plain = run_program(compiled, CONFIG)
    debugged = Debugged(compiled)
    out = told(
        debugged,
        compiled,
        *("info threads", "break next_thread", "continue", "continue", "bt 1", "print current"),
        *("stepi", "print $pc > (void *)next_thread", "finish", "delete", "continue"),
    )
    assert "Thread 2 (hart 1)" in out
    assert out.count("Breakpoint 1, next_thread (sp=") == 2
    assert "$1 = 1" in out
    assert "Value returned is" in out
    assert "exited normally" in out
    assert debugged.ended().cycles == plain.cycles
