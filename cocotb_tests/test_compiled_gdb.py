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
    return b"$%s#%02x" % (text.encode(), sum(text.encode()) & 0xFF)


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
        # Nothing is there; nothing can be changed; nothing is a number.
        assert link.ask("m10,4") == "E14"
        assert link.ask("P20=00") == "E01"
        assert link.ask("M80000000,1:00") == "E01"
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


@pytest.mark.skipif(shutil.which("gdb-multiarch") is None, reason="gdb-multiarch is not installed")
def test_gdb_itself(tmp_path: Path) -> None:
    compiled = example(tmp_path, "scheduler.c", "switch.S")
    plain = run_program(compiled, CONFIG)
    debugged = Debugged(compiled)
    commands = [
        f"target remote localhost:{debugged.port()}",
        *("info threads", "break next_thread", "continue", "continue", "bt 1", "print current"),
        *("stepi", "print $pc > (void *)next_thread", "finish", "delete", "continue"),
    ]
    done = subprocess.run(
        ["gdb-multiarch", "-q", "-nx", "-batch", *(f"-ex={each}" for each in commands),
         str(compiled.path)],
        capture_output=True,
        text=True,
        timeout=120,
    )  # fmt: skip
    out = done.stdout
    assert "Thread 2 (hart 1)" in out, done.stderr
    assert out.count("Breakpoint 1, next_thread (sp=") == 2
    assert "$1 = 1" in out
    assert "Value returned is" in out
    assert "exited normally" in out
    assert debugged.ended().cycles == plain.cycles
