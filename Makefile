# rel4-uintr: everything a reader of the README types. `make help` lists it.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
OUT ?= build/sweep
BENCH_OUT ?= build/bench
BENCH_DEVICE ?= rtl
BENCH_SEEDS ?= 1,2,3,4,5
BOARDS ?= icebreaker ulx3s tangnano9k
BIN := $(VENV)/bin

# Amaranth uses the Yosys of its wheel, whatever else is installed.
export AMARANTH_USE_YOSYS = builtin

.DELETE_ON_ERROR:
.PHONY: explore-kernel help env run test quick lint format formal bench bench-hw bench-model random hostile coverage coverage-hart mutate mutate-hart stored claims costs readme flavours docs clean \
  env-fpga bitstreams test-litex test-package test-blocks test-gates test-long test-oracle check-tools

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

env: $(VENV)/.stamp-run ## make the Python environment in .venv
	@echo "env: ready. Next: . $(BIN)/activate, then rel4 --help; or make run"

run: $(VENV)/.stamp-run ## the published experiment on RTL: table, results, figures, in build/sweep
	@echo "run: 27 points on the simulated gateware; the simulator is built first, once. Minutes on two cores"
	@$(BIN)/rel4 sweep --device rtl --jobs $(JOBS) --out $(OUT)

test: $(VENV)/.stamp-test ## all tests: gateware, software model, co-simulation
	@echo "test: seven minutes or so on two cores; make quick takes a fraction"
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "not oracle and not long" && echo "test: passed" || { echo "test: FAILED"; exit 1; }

quick: $(VENV)/.stamp-test ## what needs no simulator, no solver and no browser
	@$(BIN)/python -m pytest -n $(JOBS) -m "not sim and not formal and not browser and not long and not oracle" && \
	  echo "quick: passed" || { echo "quick: FAILED"; exit 1; }

lint: $(VENV)/.stamp-dev ## ruff and mypy
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/mypy --allow-subclassing-any --allow-untyped-calls --allow-untyped-decorators \
	  --no-warn-return-any hw/tests
	@$(BIN)/mypy sw_model/tests/*.py
	@$(BIN)/mypy sw_model/tests/sel4
	@$(BIN)/mypy sw_model/tests/compiled
	@$(BIN)/mypy cocotb_tests/*.py
	@echo "lint: passed"

format: $(VENV)/.stamp-dev ## let ruff put the source in order
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: $(VENV)/.stamp-run ## the same with several seeds: mean and spread, in build/bench
	@$(BIN)/rel4 sweep --device $(BENCH_DEVICE) --seed $(BENCH_SEEDS) --jobs $(JOBS) --no-log \
	  --out $(BENCH_OUT)

formal: $(VENV)/.stamp-formal ## the proofs: property, engine, depth, seconds, result
	@$(BIN)/python -m uintr_formal --store docs/data/formal.jsonl
	@$(BIN)/python -m uintr_formal --bugs
	@$(BIN)/python -m rv64_formal --store docs/data/rv64_formal.jsonl
	@$(BIN)/python -m rv64_formal --bugs --store docs/data/rv64_formal.jsonl

bench-hw: $(VENV)/.stamp-fpga-ecp5 $(VENV)/.stamp-fpga-ice40 ## area, speed and latency on FPGAs, in build/bench_hw.json (BENCH=quick)
	@$(BIN)/python -m uintr_fpga.bench_hw $(if $(filter quick,$(BENCH)),--quick)

hostile: $(VENV)/.stamp-run ## ten thousand hostile programs against the kernel, into docs/data; resumable
	@$(BIN)/rel4 explore --hostile 10000 --jobs $(JOBS) --store docs/data/hostile.jsonl

bench-model: $(VENV)/.stamp-run ## how fast the model runs, and in what memory, into docs/data (three minutes)
	@$(BIN)/python docs/model_speed.py

random: $(VENV)/.stamp-test ## four million random operations against the reference, into docs/data
	@$(BIN)/python -m uintr_verify random --seeds 8 --operations 4_000_000 --jobs $(JOBS)

explore-kernel: $(VENV)/.stamp-run ## kernel operations that meet, random runs, registrations given back (long)
	@$(BIN)/rel4 explore --kernel --jobs $(JOBS) --store docs/data/kernel_meetings.jsonl
	@$(BIN)/rel4 explore --kernel --random 10000 --jobs $(JOBS) --store docs/data/kernel_random.jsonl
	@$(BIN)/rel4 explore --kernel --pairs 100000

coverage: $(VENV)/.stamp-test ## line, branch, expression and toggle coverage, into docs/data
	@$(BIN)/python -m uintr_verify coverage --jobs $(JOBS)

stored: $(VENV)/.stamp-test ## how old the data in docs/data is; fails unless all is current
	@$(BIN)/python -m uintr_verify stored

mutate: $(VENV)/.stamp-test $(VENV)/.stamp-formal ## mutants of the gateware, into docs/data; resumable
	@$(BIN)/python -m uintr_verify mutate --jobs $(JOBS)

coverage-hart: $(VENV)/.stamp-test $(VENV)/.stamp-oracle ## line, branch, expression and toggle coverage of the hart, into docs/data
	@$(BIN)/python -m rv64_verify coverage

mutate-hart: $(VENV)/.stamp-test $(VENV)/.stamp-formal $(VENV)/.stamp-oracle ## mutants of the hart, into docs/data; resumable
	@$(BIN)/python -m rv64_verify mutate --jobs $(JOBS)

MINUTES ?= 60
claims: $(VENV)/.stamp-run ## what is better than published, on RTL, with bounds and sensitivity (long)
	@mkdir -p docs/data
	@$(BIN)/rel4 claims --device rtl --sensitivity --jobs $(JOBS) --resume --minutes $(MINUTES) --out docs/data/claims.json
	@$(BIN)/python docs/claims_page.py

costs: $(VENV)/.stamp-test ## what software costs on the compiled system, for docs/when.md (wants gcc)
	@$(BIN)/python -m rel4.bench.measure
	@$(BIN)/python -m rel4.bench.when_page
	@$(BIN)/python docs/when_figures.py

readme: $(VENV)/.stamp-run ## take the README's measured tables and figures from build/sweep
	@mkdir -p docs/data
	@cp $(OUT)/results.jsonl docs/data/sweep.jsonl
	@$(BIN)/python docs/readme_page.py
	@$(BIN)/python docs/flavours_page.py
	@echo "readme: README.md, docs/published.md, docs/data/sweep.jsonl and docs/img/ hold the sweep of $(OUT)"

flavours: $(VENV)/.stamp-run ## RISC-V and Intel side by side, for docs/intel_software.md
	@for flavour in riscv intel; do $(BIN)/rel4 sweep --flavour $$flavour --jobs $(JOBS) --no-log \
	  --policy sync,tick,ipi,inline,uipi,poll,spread,adaptive --concurrency 2,16,128 \
	  --out build/flavours/$$flavour || exit; done
	@$(BIN)/rel4 pingpong --out build/flavours/pingpong
	@cat build/flavours/riscv/results.jsonl build/flavours/intel/results.jsonl > docs/data/flavours.jsonl
	@cp build/flavours/pingpong/pingpong.jsonl docs/data/pingpong.jsonl
	@$(BIN)/python docs/flavours_page.py

env-fpga: $(VENV)/.stamp-fpga-ice40 $(VENV)/.stamp-fpga-ecp5 $(VENV)/.stamp-fpga-gowin ## the tools that make bitstreams

# A board that fails does not keep the others from being built; what is complete is not built again.
bitstreams: env-fpga ## every board with three seeds, reports into docs/data and docs/boards.md
	@status=0; for board in $(BOARDS); do \
	  $(BIN)/uintr-fpga build --board $$board --seed 1,2,3 --store || status=$$?; \
	done; \
	$(BIN)/uintr-fpga report --write docs/boards.md && exit $$status

test-long: $(VENV)/.stamp-test ## more random cases of what make test tries, four minutes
	@$(BIN)/python -m pytest -n $(JOBS) -m "long and not oracle"

test-litex: $(VENV)/.stamp-test $(VENV)/.stamp-litex ## LiteX's client at an emulated board and at a LiteX SoC
	@$(BIN)/python -m pytest fpga/tests/test_litex.py fpga/tests/test_litex_soc.py

test-blocks: $(VENV)/.stamp-test $(VENV)/.stamp-blocks ## AXI4-Lite and register files, with other people's tools
	@$(BIN)/python -m pytest cocotb_tests/test_axi_lite.py hw/tests/test_register_files.py hw/tests/test_integration.py

test-gates: $(VENV)/.stamp-test $(VENV)/.stamp-fpga-ice40 ## netlists for iCE40 and ECP5, against the reference
	@UINTR_GATES=docs/data/gates.json $(BIN)/python -m pytest fpga/tests/test_gates.py fpga/tests/test_netlist_ecp5.py

test-oracle: $(VENV)/.stamp-test $(VENV)/.stamp-oracle ## the hart in lock-step with Spike, and litmus tests (ORACLE=quick: less)
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile cocotb_tests/test_spike.py cocotb_tests/test_rv64_*.py -k $(if $(filter quick,$(ORACLE)),"not four_harts and not debugger_halts","not two_harts and not four_harts")
	@$(if $(filter quick,$(ORACLE)),true,$(BIN)/python -m rv64_verify litmus)
	@$(BIN)/python -m rv64_verify lockstep --jobs $(JOBS) $(if $(filter quick,$(ORACLE)),--instructions 300_000 --shapes 4 --out build/oracle.jsonl)

test-package: $(BIN)/python ## wheel and sdist, alone in a clean environment, without any HDL tool
	@rm -rf build/package && mkdir -p build/package
	@$(BIN)/python -m venv build/package/builder && $(BIN)/python -m venv build/package/clean
	@build/package/builder/bin/python -m pip install --quiet --disable-pip-version-check build
	@build/package/builder/bin/python -m build --outdir build/package/dist . >build/package/build.log || \
	  { cat build/package/build.log; exit 1; }
	@build/package/clean/bin/python -m pip install --quiet --disable-pip-version-check build/package/dist/*.whl
	@build/package/clean/bin/python -P .ci/check_package.py
	@echo "test-package: passed"

docs: $(VENV)/.stamp-docs ## the documentation as a site in build/docs, its programs run
	@$(BIN)/python -m sphinx -q -W --keep-going -b doctest docs build/doctest >/dev/null || \
	  { cat build/doctest/output.txt; exit 1; }
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs
	@echo "docs: build/docs/index.html, and every program in it ran"

clean: ## remove what was built, keep .venv
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find hw sw_model cocotb_tests fpga -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment -----------------------------------------------------------------------------

# Runs every time and never makes a stamp stale: a missing tool is said at once and in one sentence,
# rather than by a simulator build minutes later.
check-tools:
	@for tool in g++ make perl; do \
	  command -v $$tool >/dev/null || \
	    { echo "$$tool must be installed (the RTL simulator is built with it), but it is not in PATH" >&2; exit 2; }; \
	done
	@test -x $(BIN)/python || command -v $(PYTHON) >/dev/null || \
	  { echo "PYTHON must be a Python 3.11 or later, but $(PYTHON) is not in PATH" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "PYTHON must be a Python 3.11 or later, not $$($(PYTHON) --version)" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python's venv module must be installed (Debian: python3-venv), but $(PYTHON) has none" >&2; exit 2; }

$(BIN)/python: | check-tools
	@test -x $@ || $(PYTHON) -m venv $(VENV)

$(VENV)/.stamp-run: pyproject.toml | check-tools $(BIN)/python
	@echo "env: installing into $(VENV) (a minute the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[rtl]'
	@touch $@

$(VENV)/.stamp-%: pyproject.toml $(VENV)/.stamp-run
	@echo "env: installing what '$*' needs"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[rtl,$*]'
	@touch $@
