# `make demo` and `make test` need nothing but make and Python 3.11 or newer; everything else goes into .venv.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint types pytest lit slow bench docs clean

demo: $(VENV)/.ready
	@$(BIN)/imcflow demo

test: lint types pytest lit

lint: $(VENV)/.ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready-test
	$(BIN)/basedpyright

pytest: $(VENV)/.ready-test
	$(BIN)/python -m pytest -q -n $(WORKERS) -m "not slow and not memory"

# The FileCheck tests once more, through the installed commands.
lit: $(VENV)/.ready-test
	$(BIN)/lit -j $(WORKERS) --quiet tests/filecheck

slow: $(VENV)/.ready-test
	$(BIN)/python -m pytest -q -n $(WORKERS) -m "slow or memory"

bench: $(VENV)/.ready-test
	@status=0; for script in benchmarks/[a-z]*.py; do $(BIN)/python $$script --check || status=1; done; exit $$status

# Rewrites the pages that are generated from the code.
docs: $(VENV)/.ready
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
	find imc_dialect passes lowering runtime targets src \( -name "*.loop" -o -name "*.kernel" \) -delete

$(VENV)/.ready: pyproject.toml | $(VENV)/bin/python
	@echo "Installing imcflow and its dependencies into $(VENV) ..."
	@$(PIP) --editable .
	@touch $@

$(VENV)/.ready-test: pyproject.toml | $(VENV)/bin/python
	@echo "Installing imcflow, its dependencies and the test tools into $(VENV) ..."
	@$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/.ready

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "imcflow needs Python 3.11 or newer; none was found (set PYTHON=...)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot create environments: install its venv module" >&2; exit 1; }
