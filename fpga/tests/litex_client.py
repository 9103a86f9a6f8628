"""LiteX's own server and client at a serial port."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emulated_board import BAUD

__all__ = ["litex_client"]


@contextmanager
def litex_client(terminal: str, table: Path) -> Iterator[Any]:
    """A RemoteClient of a litex_server that has ``terminal``; ``table`` is its csr.csv."""
    from litex.tools.litex_client import RemoteClient

    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "litex.tools.litex_server", "--uart"]
    command += ["--uart-port", terminal, "--uart-baudrate", str(BAUD), "--bind-port", str(port)]
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        made = RemoteClient(host="localhost", port=port, csr_csv=str(table))
        for _ in range(200):
            try:
                made.open()
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        made.socket.settimeout(60)
        yield made
        made.close()
    finally:
        server.kill()
        server.wait(10)
