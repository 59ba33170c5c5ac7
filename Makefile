# Everything a developer does with Blueno. `make help` lists it; only Python >= 3.11 and make are assumed.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made-from

.PHONY: help demo demo-down test test-fast check bench e2e soak dev golden lock venv FORCE

help: ## show this list
	@awk -F':.*## ' '/^[a-z][a-z0-9-]*:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: venv ## a cluster, Blueno and the examples, made Ready before your eyes, and the gallery's address
	@hack/demo up

demo-down: ## remove everything that `make demo` made
	@hack/demo down

test: venv ## all tests, end to end with real pods included (the first time: about 30 minutes of building)
	@$(BIN)/python hack/runtests all

test-fast: venv ## unit, loop, database and web tests: no cluster, a few minutes
	@$(BIN)/python hack/runtests fast

e2e: venv ## contract, browser and end-to-end tests only, on the cluster of hack/cluster
	@$(BIN)/python hack/runtests e2e

check: venv ## format, lint, types, imports, sizes, CRD rules
	@$(BIN)/python hack/check

bench: venv ## benchmarks into bench/results/, table into docs/benchmarks.md
	@$(BIN)/python bench/run.py

soak: venv ## random kills for as long as BLUENO_SOAK_MINUTES says (default 30)
	@$(BIN)/python hack/runtests soak

dev: venv ## run the operator from this checkout against the cluster of hack/cluster
	@hack/dev

golden: venv ## rewrite docs/api.md, docs/cli.md, docs/reliability.md and the golden files that tests compare with
	@$(BIN)/python hack/api_docs.py
	@$(BIN)/python hack/cli_docs.py
	@$(BIN)/python hack/reliability.py
	@$(BIN)/python -m pytest -q tests/unit tests/contract --update-golden

lock: venv ## rewrite requirements/*.lock from pyproject.toml
	@$(BIN)/python hack/lock

venv: $(STAMP)

# Made anew when the lock file's contents change, not when a checkout touches its date.
$(STAMP): requirements/dev.lock
	@if ! cmp -s requirements/dev.lock $@; then \
	  echo "installing the developer's packages into $(VENV) (about half a minute)"; \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")' && \
	  { [ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV); } && \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.lock; \
	fi && cp requirements/dev.lock $@
