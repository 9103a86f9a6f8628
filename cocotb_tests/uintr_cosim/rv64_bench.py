"""The simulation of the system with real harts: its top, and building it.

The top has main memory, reset and settings inside, as calls of ``run.cpp``, so that almost nothing
but the clock comes from outside: what depends on an input is computed anew at every call.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rel4.compiled.runner import Listener, RunConfig
from rv64.memory_map import RAM_BASE
from uintr_cosim.harness import build_harness
from uintr_cosim.simulator import build_root, source_digest

__all__ = ["build"]

_MAIN = Path(__file__).with_name("run.cpp")
_DEBUGGER = Path(__file__).with_name("debugger.h")

_SETTINGS = ("memory_words", "memory_latency", "memory_jitter", "memory_seed", "tohost_address")
"""Inputs that stand for the whole run, in the order in which ``run.cpp`` has them."""
_NEVER = ("halt_step",)
_RESET_CYCLES = 4


def build(config: RunConfig, listener: Listener | None = None) -> Path:
    """The program that simulates a system of this shape, built if it is not there yet.

    Raises
    ------
    SimulationError : the build failed; the sentence names the log.
    """
    shape = f"{config.harts} hart{'s' if config.harts > 1 else ''}, {config.cache_kib} KiB caches"
    # Whether there is a program is known without making Verilog, which takes long.
    known = build_root() / f"run-{_digest(config)}"
    if known.is_file():
        program = Path(known.read_text())
        if program.is_file():
            return program
    if listener is not None:
        listener.progress(f"building the simulation of {shape}; a minute or two, once")
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    from rv64.soc import Soc
    from uintr.generate import verilog_text

    soc = Soc(harts=config.harts, cache_bytes=config.cache_kib << 10)
    program = build_harness(
        f"rv64-{config.harts}x{config.cache_kib}",
        {
            "soc.v": verilog_text(soc, name="soc"),
            "bench.sv": _top(soc, config),
            "ports.h": _ports(config),
            _DEBUGGER.name: _DEBUGGER.read_text(),
        },
        _MAIN,
        top="bench",
        options=("-Wno-MULTIDRIVEN",),  # what a debugger changes
    )
    part = known.with_name(f"{known.name}.{os.getpid()}")
    part.write_text(str(program))
    part.replace(known)
    return program


def _digest(config: RunConfig) -> str:
    """Of all that the program of `build` depends on."""
    here = "".join(each.read_text() for each in (Path(__file__), _MAIN, _DEBUGGER))
    text = f"{source_digest('uintr', 'rv64')} {config.harts} {config.cache_kib} {here}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _ports(config: RunConfig) -> str:
    """What ``run.cpp`` must know of the shape."""
    return (
        f"#define HARTS {config.harts}\n#define RAM_BASE {RAM_BASE:#x}ull\n"
        f"#define RESET_CYCLES {_RESET_CYCLES}\n"
        f"#define EACH_HART(X) {' '.join(f'X({hart})' for hart in range(config.harts))}\n"
    )


def _signals(soc: Any) -> Iterator[tuple[str, int, bool]]:
    """Name, width and whether it is an input, of each port."""
    from amaranth.lib.wiring import In

    for path, member, value in soc.signature.flatten(soc):
        yield "__".join(map(str, path)), len(value), member.flow is In


def _top(soc: Any, config: RunConfig) -> str:
    """The Verilog around ``soc``."""
    from rv64.access import work

    inside = {*_SETTINGS, *_NEVER, *(f"memory__{name}" for name in _MEMORY)}
    outside, wires, connections = [], [], ["    .clk(clk)", "    .rst(rst)"]
    for name, width, is_input in _signals(soc):
        connections.append(f"    .{name}({name})")
        span = f"[{width - 1}:0] {name}"
        if name in inside:
            wires.append(f"  {_DECLARED.get(name, 'wire')} {span}{_INITIAL.get(name, '')};")
        else:
            outside.append(f"  {'input' if is_input else 'output'} {span}")
    seen = range(config.harts)
    outside += [f"  output [{config.harts - 1}:0] retiring"]
    outside += [f"  output [63:0] {name}_{hart}" for hart in seen for name in _LOOKED]
    last = work(config.cache_kib // 4).size - 1  # its top is the address of what comes next
    return _TOP.format(
        debugger="".join(_DEBUGGED.format(hart=hart, last=last) for hart in seen),
        ports=",\n".join(["  input clk", *outside]),
        wires="\n".join(wires),
        connections=",\n".join(connections),
        reset=_RESET_CYCLES,
    )


_MEMORY = ("enable", "address", "write_mask", "write_data", "read_data")
_DECLARED = {**dict.fromkeys(_SETTINGS, "reg"), "memory__read_data": "reg"}
_INITIAL = {
    **{name: f" = setting({number})" for number, name in enumerate(_SETTINGS)},
    **dict.fromkeys(_NEVER, " = 0"),
}

_LOOKED = ("following", "resumes")
"""Of each hart, for a debugger: where it goes on after what retires; where it does after a halt."""

_DEBUGGED = """
  assign retiring[{hart}] = soc.hart_{hart}.trace.retire
    | (soc.hart_{hart}.trace.entered & ~soc.hart_{hart}.trace.cause[63]);
  assign following_{hart} = soc.hart_{hart}.trace.redirect
    ? soc.hart_{hart}.trace.target : soc.hart_{hart}.trace.last[{last} -: 64];
  assign resumes_{hart} = soc.hart_{hart}.commit.resume_pc;
  always @(negedge clk)
    if (change && change_hart == {hart}) begin
      if (change_number == 0) begin
        soc.hart_{hart}.fetch.cache.sweeping <= 1;
        soc.hart_{hart}.access.cache.sweeping <= 1;
        soc.hart_{hart}.memory_unit.reserved <= 0;
      end else if (change_number == 32)
        soc.hart_{hart}.commit.resume_pc <= change_value;
      else
        soc.hart_{hart}.execute.registers.words[change_number[4:0]] <= change_value;
    end
"""

_TOP = """import "DPI-C" function longint unsigned setting(input int unsigned which);
import "DPI-C" function longint unsigned main_memory(
  input longint unsigned address, input byte unsigned mask, input longint unsigned data);

module bench(
  input change, input [7:0] change_hart, input [5:0] change_number, input [63:0] change_value,
{ports}
);
{wires}
  reg [7:0] left = {reset};
  wire rst = left != 0;
  always @(posedge clk) begin
    if (memory__enable)
      memory__read_data <=
        main_memory(64'(memory__address), memory__write_mask, memory__write_data);
    left <= rst ? left - 1 : 0;
  end
  soc soc(
{connections}
  );
{debugger}endmodule
"""
