# `make device` on a fresh clone makes a device; `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# Passed on to the command as they are, e.g. make device ARGS='--device-id 4711'.
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help device dry-run test lint bench clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20
	@echo "  variables: SERVER_NAME=, DEVICE_UUID=, DEVICE_ID=, ARGS="

# SERVER_NAME, DEVICE_UUID and DEVICE_ID reach the commands through the environment, where make puts them.
device: $(VENV)/.run ## make a device: a fleet root CA first where there is none, then a device certificate
	@$(BIN)/otaopenssl root --if-missing >/dev/null
	@$(BIN)/otaopenssl device $(ARGS)

dry-run: $(VENV)/.run ## print the commands that `make device` would run
	@$(BIN)/otaopenssl device --dry-run $(ARGS)

test: $(VENV)/.dev ## run the tests
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev ## check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/.dev ## measure the tool against the guide's own script, side by side
	@$(BIN)/python tests/bench.py $(ARGS)

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache

# Byte code is written here, once, since a device takes hardly longer than compiling the program would.
$(VENV)/.run: pyproject.toml
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --editable .
	@$(BIN)/python -m compileall -q otaopenssl
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@$(PIP) install --editable '.[test,lint]'
	@touch $@
