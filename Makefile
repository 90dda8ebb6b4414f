# `make help` lists what can be made. Everything is made inside this folder: .venv/, .matcher/, dist/.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
WORKERS ?= 2
# A wheel that is built twice from the same commit has the same bytes.
export SOURCE_DATE_EPOCH := $(shell git log -1 --format=%ct 2>/dev/null || echo 315532800)

.DEFAULT_GOAL := help
.PHONY: help install preflight demo serve test soak check bench bench-retail bench-nights bench-market wheel-check lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(INSTALLED)  ## .venv with the locked packages and ours; done once, and again when the lock changes

$(INSTALLED): requirements.lock pyproject.toml
	@$(MAKE) --no-print-directory preflight
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@echo "compiling the loops once, on a tiny market"
	@$(BIN)/matcher demo --tiny --database sqlite:///$(VENV)/tiny/tiny.db --home $(VENV)/tiny >/dev/null
	@rm -rf $(VENV)/tiny
	@touch $@

preflight:
	@command -v $(PYTHON) >/dev/null || { echo "missing: $(PYTHON); on Debian: apt-get install python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "too old: $$($(PYTHON) --version), 3.11 or newer is needed; name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "missing: Python's venv module; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null || \
	  { echo "missing: libgomp.so.1, which LightGBM needs; on Debian: apt-get install libgomp1" >&2; exit 1; }

demo: install  ## a simulated market from nothing: ingest, train, lists, printed
	$(BIN)/matcher demo

serve: install  ## the site over what `make demo` left: http://127.0.0.1:8000, with a key for each role
	$(BIN)/matcher serve --demo-keys

test: install  ## every test but the slow ones
	$(BIN)/pytest -n $(WORKERS) -m "not slow"

soak: install  ## the slow tests
	$(BIN)/pytest -n $(WORKERS) -m slow

check: install  ## format, lint, types, import contracts
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install  ## speed, each figure beside its floor in the same run
	$(BIN)/pytest -s -n 0 $(filter-out tests/bench_retail.py tests/bench_retail_nights.py tests/bench_market.py tests/bench_night.py,$(wildcard tests/bench_*.py))

bench-retail: install  ## whole nights on the Online Retail set beside this checkout, half an hour
	$(BIN)/pytest -s -n 0 tests/bench_retail.py

bench-nights: install  ## an autumn of nights on the Online Retail set, half an hour
	$(BIN)/pytest -s -n 0 tests/bench_retail_nights.py

bench-market: install  ## five pretend markets with known truth: share of the attainable GMV, about ten minutes
	$(BIN)/pytest -s -n 0 tests/bench_market.py

wheel-check: install  ## builds the wheel and runs it in a new venv, far from this folder
	rm -rf dist
	$(BIN)/python -m build --quiet --wheel --no-isolation
	@set -eu; away=$$(mktemp -d); trap 'rm -rf "$$away"' EXIT; \
	  $(PYTHON) -m venv "$$away/venv"; \
	  "$$away/venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; \
	  "$$away/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps dist/*.whl; \
	  cd "$$away"; venv/bin/matcher --help >/dev/null; \
	  venv/bin/python -c 'import api, matcher, training; from api.stores import open_store; \
	    from features.settings import read_settings; print("the wheel runs:", open_store(read_settings()), api.__file__)'

lock:  ## requirements.lock anew from pyproject.toml: names, versions and hashes, no addresses
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check 'pip-tools>=7.4'
	build/lock/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --extra dev --no-header --no-annotate \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options -o build/lock/pins pyproject.toml
	(echo "# Every package of a working installation, pinned to its files. Made by \`make lock\`; not edited by hand."; \
	  cat build/lock/pins) > requirements.lock

clean:  ## removes what was made, but neither the installation nor your data
	rm -rf build dist bench-out .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find api features matcher training tests -name __pycache__ -type d -prune -exec rm -rf {} +
