# Needs Python 3.11 or newer and make, nothing else: the rest is installed into .venv here.

PYTHON ?= python3

VENV   := .venv
BIN    := $(VENV)/bin
# A stamp says what is installed in .venv, and is older than a pyproject.toml that asks for more.
RUNTIME := $(VENV)/.runtime-installed
DEV     := $(VENV)/.dev-installed
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run test check test-parts test-whole test-long format man screenshots matrix bench bench-docs clean

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

run: $(RUNTIME) ## start the daemon on examples/jobs.toml; Ctrl-C ends it
	@mkdir -p .run
	@echo 'From another terminal, here: TASKD_SOCKET=.run/taskd.sock $(BIN)/taskd status'
	@exec $(BIN)/taskd run examples/jobs.toml --socket .run/taskd.sock --store sqlite:///.run/taskd.db

# The tests of the parts mostly compute, those of the whole mostly wait: they run side by side.
PARTS := tests/unit tests/stores tests/simulation

test: $(DEV) ## run the tests
	@$(MAKE) --no-print-directory --jobs=2 --output-sync test-parts test-whole

test-parts: $(DEV)
	$(BIN)/pytest -m 'not long' $(PARTS)

test-whole: $(DEV)
	$(BIN)/pytest -m 'not long' $(PARTS:%=--ignore=%)

check: $(DEV) ## everything that CI checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

test-long: $(DEV) ## run all tests, the long campaigns too
	$(BIN)/pytest

format: $(DEV) ## bring the code into its standard form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

man: $(DEV) ## write man/taskd.1 anew from the command line
	$(BIN)/python man/generate.py

screenshots: $(DEV) ## take docs/status.svg and docs/top.svg anew, of a real daemon
	$(BIN)/python -m docs.screenshots

matrix: $(DEV) ## measure the table of docs/executors.md anew
	$(BIN)/python -m tests.matrix

bench: $(RUNTIME) ## measure taskd beside its peers, in an hour; QUICK=1: 10 minutes; CASE=NAME
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(if $(CASE),--case $(CASE)) \
	  $(if $(KEEP),--keep $(KEEP))

bench-docs: $(RUNTIME) ## write what bench kept as FILE=... into docs/performance.md
	@$(BIN)/python -m benchmarks --write-docs $(FILE)

clean: ## remove .venv, .run and every cache
	rm -rf $(VENV) .run dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("taskd needs Python 3.11 or newer: make PYTHON=python3.11 ..." if sys.version_info < (3, 11) else 0)'
	@echo 'Setting up $(VENV)'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --editable .
	@touch $@

$(DEV): $(RUNTIME)
	@$(PIP) --editable '.[dev]'
	@touch $@
