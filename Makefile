# Everything needs only Python 3.11+, make and the package registries. PYTHON=python3.12 chooses another interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SPREAD := --numprocesses auto --maxprocesses 4 --dist loadfile

.PHONY: setup demo test fast lint types clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sizewise needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[study,train,serve,dev]'
	touch $@

demo: setup
	$(BIN)/sizewise demo

# In two runs, each with new processes: those that load every runtime one after another grow to gigabytes.
test: setup
	$(BIN)/python -m pytest $(SPREAD) -m 'not slow'
	$(BIN)/python -m pytest $(SPREAD) -m slow

fast: setup
	$(BIN)/python -m pytest -m 'not slow'

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
