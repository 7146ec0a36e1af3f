# `make device` on a fresh clone makes a device; `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# Passed on to the command as they are, e.g. make device ARGS='--device-id 4711'.
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help device dry-run rehearse test test-versions lint docs bench clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' '$(firstword $(MAKEFILE_LIST))' | expand -t 22
	@echo "  variables: SERVER_NAME=, DEVICE_UUID=, DEVICE_ID=, ARGS="

# SERVER_NAME, DEVICE_UUID and DEVICE_ID reach both commands through the environment, where make puts them; ARGS= is
# for the second alone.
device: $(VENV)/.run ## make a device: a fleet root CA first where there is none, then a device certificate
	@$(if $(filter -n --dry-run,$(ARGS)),:,$(BIN)/python -m otaopenssl root --if-missing >/dev/null)
	@$(BIN)/python -m otaopenssl device $(ARGS)

dry-run: $(VENV)/.run ## print the commands that `make device` would run
	@$(BIN)/python -m otaopenssl device --dry-run $(ARGS)

rehearse: $(VENV)/.run ## rehearse the whole guide on this machine, with a gateway that demands certificates
	@$(BIN)/python -m otaopenssl rehearse $(ARGS)

test: $(VENV)/.dev ## run the tests, a process a core
	@$(BIN)/python -m pytest -n auto --dist loadgroup $(ARGS)

test-versions: $(VENV)/.dev ## run what must hold with every OpenSSL, on programs of 1.1.1 to 4.0 from Debian
	@.ci/test-versions .openssl $(BIN)/python -m pytest -q $(ARGS)

lint: $(VENV)/.dev ## check style and types
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy

docs: $(VENV)/.dev ## write docs/commands.md anew from the help texts
	@$(BIN)/python -m tests.help_pages

bench: $(VENV)/.dev ## measure the tool against the guide's own script, side by side
	@$(BIN)/python tests/bench.py $(ARGS)

clean: ## remove the virtual environment, the openssl programs of the tests and caches
	rm -rf $(VENV) .openssl dist build .mypy_cache .pytest_cache .ruff_cache

# Byte code is written here, once, since a device takes hardly longer than compiling the program would.
$(VENV)/.run: pyproject.toml
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --editable .
	@$(BIN)/python -m compileall -q otaopenssl
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@$(PIP) install --editable '.[test,lint]'
	@touch $@
