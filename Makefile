# `make help` prints the targets. Python, make and git are all that a machine needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
# uv of this machine, or one of our own in .uv/ (it finds a Python 3.11 or 3.12, or fetches one).
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := $(UV) run --frozen --no-sync
export UV_FROZEN := 1
# Several processes import the same large libraries: let the first one keep what it compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup browser compiler screenshots demo up test check lint types contracts chaos bench clean

help: ## Print the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.synced ## Install everything that the project needs into .venv

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'

.venv/.synced: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	$(UV) sync --frozen
	@touch $@

# As root, or where sudo asks for no password, Debian's Chromium comes by itself.
browser: ## Install a Chromium for the tests of the console, where none is there
	@if command -v chromium chromium-browser google-chrome google-chrome-stable >/dev/null; then exit 0; fi; \
	as=; [ "$$(id -u)" = 0 ] || as="sudo -n"; \
	if command -v apt-get >/dev/null && $$as true 2>/dev/null; then \
	  echo "installing Chromium, for the tests of the console"; \
	  $$as apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$as apt-get install -y -qq --no-install-recommends chromium >/dev/null \
	    || echo "Chromium could not be installed; the tests of the console will fail until one is there" >&2; \
	else \
	  echo "no Chromium is on the PATH: install the package chromium (Debian), or Google Chrome; the tests of the console need one" >&2; \
	fi

compiler: ## Install a C compiler for the tests of a failing disk, where none is there
	@if command -v cc >/dev/null; then exit 0; fi; \
	as=; [ "$$(id -u)" = 0 ] || as="sudo -n"; \
	if command -v apt-get >/dev/null && $$as true 2>/dev/null; then \
	  echo "installing a C compiler, for the tests of a failing disk"; \
	  $$as apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$as apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null \
	    || echo "no C compiler could be installed; the tests of a failing disk are skipped without one" >&2; \
	fi

screenshots: setup browser ## Take the pictures of docs/console.md from a home (HOME_OF=var/demo)
	$(RUN) python -m docs.screenshots $(if $(HOME_OF),--home $(HOME_OF))

demo: setup ## Turn the loop on a year of real flights (EXIT=1: end afterwards; FULL=1: take every flight)
	bin/keepfit demo $(if $(EXIT),--exit) $(if $(FULL),--full)

up: setup ## Start every process and stay until Ctrl-C
	bin/keepfit up

test: setup browser compiler ## Run the tests, with real servers (LONG=1: also those that take minutes)
	$(RUN) pytest -n 2 --dist loadfile $(if $(LONG),,-m "not long")

check: setup lint types contracts test ## All that CI checks: lint, format, types, import contracts, tests

lint: setup
	$(RUN) ruff check .
	$(RUN) ruff format --check .

types: setup
	$(RUN) basedpyright

contracts: setup
	$(RUN) lint-imports

chaos: setup ## Kill everything for MINUTES (10), and say what was lost (SEED=1; BUGS=1: is each planted bug caught?)
	$(RUN) python -m tests.chaos $(if $(BUGS),--bugs) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

bench: setup ## Measure: every figure in README comes from here
	$(RUN) python -m benchmarks

clean: ## Remove the environment and the run-time state
	rm -rf .venv .uv .torch var
