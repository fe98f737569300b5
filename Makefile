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

.PHONY: help setup demo up test check lint types contracts bench clean

help: ## Print the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.synced ## Install everything that the project needs into .venv

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'

.venv/.synced: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	$(UV) sync --frozen
	@touch $@

demo: setup ## Turn the loop on real flights: start all, serve, label, watch, retrain, swap (EXIT=1: end afterwards)
	bin/keepfit demo $(if $(EXIT),--exit)

up: setup ## Start every process and stay until Ctrl-C
	bin/keepfit up

test: setup ## Run the tests, end-to-end tests with real servers included
	$(RUN) pytest -n 2 --dist loadgroup

check: setup lint types contracts test ## All that CI checks: lint, format, types, import contracts, tests

lint: setup
	$(RUN) ruff check .
	$(RUN) ruff format --check .

types: setup
	$(RUN) basedpyright

contracts: setup
	$(RUN) lint-imports

bench: setup ## Measure: every figure in README comes from here
	$(RUN) python -m benchmarks

clean: ## Remove the environment and the run-time state
	rm -rf .venv .uv var
