# The verbs of the project. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
STAMPS := $(VENV)/.stamps

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test chaos check fix bench pictures countries lock migration

help: ## List what make can do here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(STAMPS)/venv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "timpora needs Python 3.11 or newer, this is %d.%d" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/run: requirements.lock pyproject.toml $(STAMPS)/venv
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation --no-index -e .
	@touch $@

$(STAMPS)/dev: requirements-dev.lock $(STAMPS)/run
	$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

setup: $(STAMPS)/run ## Make .venv and install what the lock names

setup-dev: $(STAMPS)/dev ## The same, with what tests and checks need

run: setup ## Start the whole gateway on this machine (Ctrl-C stops it)
	@exec $(BIN)/timpora run

test: setup-dev ## Prove everything: checks, then every test
	@exec $(BIN)/python tests/run_all.py

# How long the random round lasts on each database, and the seed of one to have again.
SECONDS ?= 240
SEED ?=
chaos: setup-dev ## Break everything by lot, and count: SECONDS=240 SEED=
	@CHAOS_SECONDS=$(SECONDS) CHAOS_SEED=$(SEED) $(BIN)/python -m pytest -p support.tally \
		tests/e2e/test_chaos.py tests/e2e/test_clock_steps.py

check: setup-dev ## Format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: setup-dev ## Format and mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup-dev ## Measure (see bench/README.md)
	@exec $(BIN)/python -m bench

pictures: setup-dev ## Take the guides' pictures anew from the simulator (needs Chromium)
	@exec $(BIN)/python tests/browser/pictures.py

countries: setup-dev ## Make parsers/words/countries.csv anew from the CLDR and our overrides
	@exec $(BIN)/python -m parsers.generate_countries

migration: setup-dev ## New migration from the models: make migration m="what changes"
	@$(BIN)/timpora db revision "$(m)"

LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
lock: ## Renew requirements.lock and requirements-dev.lock (needs uv)
	$(LOCK) --group build -o requirements.lock
	$(LOCK) --group dev -c requirements.lock -o requirements-dev.lock
