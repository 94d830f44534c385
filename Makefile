# Two commands for everybody: `make demo` and `make test`. Each sets itself up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Else every process compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE
PYTEST_ARGS ?= -n 2 --dist worksteal

.PHONY: help demo test check format install sim sim-mutants bench lock clean

help:
	@echo "make demo     a real fleet, killed part by part under load (ARGS=--once ends it)"
	@echo "make test     checks and every test"
	@echo "make check    format, lint, types, tidy"
	@echo "make install  .venv/bin/interrex"
	@echo "make sim      simulated fleets under every fault (ARGS='--minutes 60' runs longer)"
	@echo "make sim-mutants  is every planted bug caught? (ARGS=--all counts over all seeds)"
	@echo "make bench    the figures in README (ARGS='failover replicas' picks some)"

$(VENV)/.made:
	@tools/venv $(PYTHON) $(VENV)
	@touch $@

$(VENV)/.run: requirements.lock pyproject.toml $(VENV)/.made
	@tools/install $(VENV) requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock requirements.lock pyproject.toml $(VENV)/.made
	@tools/install $(VENV) requirements-dev.lock
	@touch $@ $(VENV)/.run

install: $(VENV)/.run

demo: $(VENV)/.run
	@$(BIN)/interrex demo $(ARGS)

check: $(VENV)/.dev
	@$(BIN)/ruff format --check -q . || { echo "make format mends this"; exit 1; }
	@$(BIN)/ruff check -q .
	@$(BIN)/mypy
	@$(BIN)/pytest tests/test_tidy.py

format: $(VENV)/.dev
	@$(BIN)/ruff format -q .
	@$(BIN)/ruff check -q --fix .

test: $(VENV)/.dev check
	@tools/system-packages
	@tools/as-root $(BIN)/pytest $(PYTEST_ARGS) $(ARGS)
	@$(BIN)/interrex sim --seeds 300
	@for election in paxos bully etcd zookeeper; do \
	  $(BIN)/interrex sim --seeds 16 --election $$election || exit; done

sim: $(VENV)/.dev
	@$(BIN)/interrex sim $(or $(ARGS),--minutes 2)

sim-mutants: $(VENV)/.dev
	@$(BIN)/python -m interrex.cli.mutants $(ARGS)

bench: $(VENV)/.dev
	@$(BIN)/python -m bench $(ARGS)

# Hashes without addresses: the committed locks work with any package index.
lock:
	uv export -q --format requirements-txt --no-emit-project --no-annotate --no-header --extra demo --extra build -o requirements.lock
	uv export -q --format requirements-txt --no-emit-project --no-annotate --no-header --all-extras -o requirements-dev.lock
	rm -f uv.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
