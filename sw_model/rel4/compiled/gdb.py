"""A debugger at a running program: gdb's remote protocol, with each hart as a thread.

The protocol is small and its layer of packets smaller; no maintained library for the side of the
target was found. What is debugged is behind `Target`. The whole system stands still while gdb
looks: what it sees is what has retired, and looking changes nothing, not even a cycle. Changing
something halts the harts first, which takes cycles.
"""

import re
import select
import socket
from collections.abc import Iterator
from typing import Protocol

from rel4.compiled.runner import Listener, RunResult
from rel4.machine.device import DeviceError

__all__ = ["Target", "readable", "serve"]

_INTERRUPT = b"\x03"
_CHUNK = 0x1000

_FEATURES = (
    '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">'
    "<architecture>riscv:rv64</architecture>"
    '<feature name="org.gnu.gdb.riscv.cpu">'
    + "".join(f'<reg name="x{n}" bitsize="64" type="int" regnum="{n}"/>' for n in range(32))
    + '<reg name="pc" bitsize="64" type="code_ptr" regnum="32"/></feature></target>'
)


class Target(Protocol):
    """A program that can be stopped, seen from its debugger. It begins stopped."""

    harts: int

    def registers(self, hart: int) -> list[int]:
        """x0 to x31, and the pc of what comes next."""
        ...

    def read(self, hart: int, address: int, count: int) -> bytes:
        """Memory as code of ``hart`` would see it now; shorter where there is none."""
        ...

    def set_register(self, hart: int, number: int, value: int) -> bool:
        """Change x1 to x31, or the pc (32). False if that cannot be: a hart, other than the one
        that stopped, that had to go on to the end of an instruction in order to halt."""
        ...

    def write(self, hart: int, address: int, data: bytes) -> bool:
        """Change memory, as `read` names it. False, and nothing is changed, where there is none."""
        ...

    def set_breakpoint(self, address: int, wanted: bool) -> None:
        """Stop before the instruction at ``address``, on any hart; or no longer."""
        ...

    def start(self, step: int | None) -> None:
        """Let all harts go on; with ``step`` until that hart has retired one instruction."""
        ...

    def wait(self, file: int) -> int | None:
        """Until a hart has stopped (answers which), or there is something to read from ``file``
        (None), or the program is over (then `result` has something)."""
        ...

    def halt(self) -> None:
        """Stop soon; `wait` says when."""
        ...

    def detach(self) -> None:
        """Go on to the end without a debugger."""
        ...

    def end(self) -> None:
        """End the run."""
        ...

    @property
    def result(self) -> RunResult | None:
        """What came of the run, once it is over."""
        ...


def serve(target: Target, port: int, listener: Listener) -> None:
    """Wait for gdb at ``port`` of this computer and do what it says until the program is over or it
    leaves; a gdb that goes away lets the program go on. Port 0 takes a free one.

    Raises
    ------
    DeviceError : the port is taken.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind(("127.0.0.1", port))
        except OSError as error:
            raise DeviceError(f"gdb must be a free port, but {port} is not: {error}") from None
        door.listen(1)
        number = door.getsockname()[1]
        listener.progress(f"waiting for gdb: target remote localhost:{number}")
        link, _ = door.accept()
    with link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _Server(target, link).run()


class _Server:
    def __init__(self, target: Target, link: socket.socket) -> None:
        self._target = target
        self._link = link
        self._got = b""
        self._acknowledge = True
        self._hart = 0  # that registers and memory are read of
        self._stopped = 0
        self._left = False

    def run(self) -> None:
        for packet in self._packets():
            try:
                answer = self._answer(packet)
            except (ValueError, IndexError):
                answer = "E01"  # not a number where one must be
            self._send(answer)
            if self._left or self._target.result is not None:
                return
        self._target.detach()

    # --- packets: $data#sum, each answered by + ------------------------------------------------

    def _packets(self) -> Iterator[str]:
        while True:
            begin, end = self._got.find(b"$"), self._got.find(b"#")
            if begin >= 0 and begin < end <= len(self._got) - 3:
                data, total = self._got[begin + 1 : end], self._got[end + 1 : end + 3]
                self._got = self._got[end + 3 :]
                good = f"{sum(data) & 0xFF:02x}".encode() == total.lower()
                if self._acknowledge:
                    self._link.sendall(b"+" if good else b"-")
                if good:
                    yield data.decode("latin-1")
                continue
            if not self._receive():
                return

    def _receive(self) -> bool:
        try:
            data = self._link.recv(1 << 16)
        except OSError:
            return False
        self._got += data
        return bool(data)

    def _send(self, text: str | None) -> None:
        if text is None:
            return
        data = text.encode("latin-1")
        try:
            self._link.sendall(b"$%s#%02x" % (data, sum(data) & 0xFF))
        except OSError:
            self._left = True

    # --- commands ------------------------------------------------------------------------

    def _answer(self, packet: str) -> str | None:
        """What is said to a packet; nothing known is answered with nothing in it."""
        kind, rest = packet[:1], packet[1:]
        match kind:
            case "?":
                return self._why()
            case "g":
                words = self._target.registers(self._hart)
                return b"".join(word.to_bytes(8, "little") for word in words).hex()
            case "p":
                number = int(rest, 16)
                if number > 32:
                    return "E01"
                return self._target.registers(self._hart)[number].to_bytes(8, "little").hex()
            case "m":
                address, count = (int(word, 16) for word in rest.split(","))
                return self._target.read(self._hart, address, min(count, _CHUNK)).hex() or "E14"
            case "P":
                which, value = rest.split("=")
                return self._set({int(which, 16): bytes.fromhex(value)})
            case "G":
                data = bytes.fromhex(rest)
                return self._set({n: data[8 * n : 8 * n + 8] for n in range(33)})
            case "M" | "X":
                where, _, text = rest.partition(":")
                address, count = (int(word, 16) for word in where.split(","))
                data = bytes.fromhex(text) if kind == "M" else _unescaped(text)
                if len(data) != count:
                    return "E01"
                return "OK" if self._target.write(self._hart, address, data) else "E14"
            case "Z" | "z" if rest[:2] in ("0,", "1,"):
                self._target.set_breakpoint(int(rest.split(",")[1], 16), kind == "Z")
                return "OK"
            case "H":
                thread = int(rest[1:], 16) if rest[1:] not in ("-1", "0") else 0
                if thread > self._target.harts:
                    return "E01"
                if rest[:1] == "g" and thread > 0:
                    self._hart = thread - 1
                return "OK"
            case "T":
                return "OK" if 1 <= int(rest, 16) <= self._target.harts else "E01"
            case "c":
                return self._go(None)
            case "s":
                return self._go(self._hart)
            case "D":
                self._target.detach()
                self._left = True
                return "OK"
            case "k":
                self._target.end()
                self._left = True
                return None
            case "v":
                return self._long(packet)
            case "q" | "Q":
                return self._query(packet)
        return ""

    def _set(self, wanted: dict[int, bytes]) -> str:
        """Change those registers that are to be others; x0 is 0 whatever is written."""
        have = self._target.registers(self._hart)
        for number, word in wanted.items():
            if number >= len(have) or len(word) != 8:
                return "E01"
            value = int.from_bytes(word, "little")
            differs = number > 0 and value != have[number]
            if differs and not self._target.set_register(self._hart, number, value):
                return "E01"
        return "OK"

    def _long(self, packet: str) -> str:
        if packet == "vCont?":
            return "vCont;c;C;s;S"
        if packet.startswith("vCont;"):
            for action in packet.split(";")[1:]:
                verb, _, thread = action.partition(":")
                if verb[:1] in ("s", "S"):
                    return self._go(int(thread, 16) - 1 if thread else self._hart)
            return self._go(None)
        if packet.startswith("vKill"):
            self._target.end()
            self._left = True
            return "OK"
        return ""

    def _query(self, packet: str) -> str:
        if packet.startswith("qSupported"):
            return (
                f"PacketSize={2 * _CHUNK:x};qXfer:features:read+;QStartNoAckMode+;vContSupported+"
            )
        if packet == "QStartNoAckMode":
            self._acknowledge = False
            return "OK"
        if packet.startswith("qXfer:features:read:target.xml:"):
            offset, count = (int(word, 16) for word in packet.rsplit(":", 1)[1].split(","))
            part = _FEATURES[offset : offset + count]
            return ("m" if offset + count < len(_FEATURES) else "l") + part
        if packet == "qfThreadInfo":
            return "m" + ",".join(f"{hart + 1:x}" for hart in range(self._target.harts))
        if packet.startswith("qThreadExtraInfo,"):
            return f"hart {int(packet.split(',')[1], 16) - 1}".encode().hex()
        answers = {
            "qsThreadInfo": "l",
            "qC": f"QC{self._stopped + 1:x}",
            "qAttached": "1",
            "qSymbol::": "OK",
        }
        return answers.get(packet, "")

    # --- running --------------------------------------------------------------------------------

    def _go(self, step: int | None) -> str:
        self._target.start(step)
        while True:
            if _INTERRUPT in self._got:
                self._got = self._got.replace(_INTERRUPT, b"")
                self._target.halt()
            stopped = self._target.wait(self._link.fileno())
            if self._target.result is not None:
                return self._why()
            if stopped is not None:
                self._stopped = self._hart = stopped
                return self._why()
            if not self._receive():  # gdb is gone: the program goes on
                self._target.halt()
                while self._target.wait(-1) is None and self._target.result is None:
                    pass
                self._left = True
                if self._target.result is None:
                    self._target.detach()
                return ""

    def _why(self) -> str:
        result = self._target.result
        if result is None:
            return f"T05thread:{self._stopped + 1:x};"
        return "X09" if result.status is None else f"W{result.status:02x}"


def _unescaped(text: str) -> bytes:
    """Binary data; a brace stands before a byte that is told with bit 5 inverted."""
    return re.sub(
        b"}(.)", lambda found: bytes([found[1][0] ^ 0x20]), text.encode("latin-1"), flags=re.S
    )


def readable(files: list[int], seconds: float | None = None) -> list[int]:
    """Those of ``files`` that there is something to read from, once there is."""
    return select.select([file for file in files if file >= 0], [], [], seconds)[0]
