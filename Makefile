# `make run` and `make test` set up everything they need, in .venv beside this file.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SCHEDULES ?= 25
PACKAGES := agent/aimscope_agent collector/aimscope_collector signatures/aimscope_signatures cli/aimscope_cli

.PHONY: run test e2e chaos check format docs bench clean

run: $(VENV)/.ready ## A collector and this machine as its agent: scan, show, end (findings are a result, not a failure)
	@$(BIN)/aimscope up --once; status=$$?; case $$status in 0|3|4) exit 0;; *) exit $$status;; esac

test: $(VENV)/.ready ## The tests a newcomer runs: about seven minutes on two cores
	$(BIN)/python -m pytest -n auto -m "not e2e and not wheel"

e2e: $(VENV)/.ready ## Real tools and real servers; what they need is cached outside the clone
	$(BIN)/python -m pytest -m e2e --timeout 900 -n 2 --dist loadfile tests/end_to_end

chaos: $(VENV)/.ready ## What must survive: killed, full, forged, late. SCHEDULES=1000 for the long run
	AIMSCOPE_CHAOS_SCHEDULES=$(SCHEDULES) $(BIN)/python -m pytest -m e2e --timeout 7200 -n 2 --dist loadfile tests/chaos

check: $(VENV)/.ready ## Everything that is not a test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES) tests deploy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python docs/generate.py --check
	$(BIN)/aimscope signatures verify
	$(BIN)/aimscope signatures lint

format: $(VENV)/.ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.ready ## Write the reference pages anew from the declarations
	$(BIN)/python docs/generate.py

bench: $(VENV)/.ready ## Measure; see benchmarks/README.md
	$(BIN)/python benchmarks/endpoint/run.py

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
