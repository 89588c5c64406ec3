# `make help` lists every target. Everything runs in a virtual environment of the project's own.
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help

.PHONY: help
help: ## List every target
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: java
java:
	@$(PYTHON) bcrlsp/java.py

$(STAMP): setup.py
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' \
		|| { echo "bcrlsp needs Python 3.11 or 3.12; name one: make PYTHON=python3.11 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[all,docs,dev]'
	@touch $@

.PHONY: setup
setup: java $(STAMP) ## Virtual environment with all dependencies (about 7 GB)

.PHONY: demo
demo: setup ## The whole pipeline on a small simulated market (10 minutes at most)
	$(BIN)/bcrlsp demo

.PHONY: real-data
real-data: setup ## The same pipeline on dunnhumby's The Complete Journey
	$(BIN)/bcrlsp demo --config conf/complete-journey.yaml

.PHONY: experiment
experiment: setup ## Policies compared on the simulated market (hours; resumes; QUICK=1: minutes)
	$(BIN)/bcrlsp experiment --page docs/results.md $(if $(QUICK),--quick)

PYTEST := $(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder

.PHONY: test
test: setup ## All tests but the long ones, in two processes: one for Spark, one for the rest
	$(PYTEST) -m 'not long'

.PHONY: test-all
test-all: setup ## All tests, the long ones too: ingestion on Connect, a killed control loop, further inputs
	$(PYTEST)

.PHONY: test-fast
test-fast: setup ## The tests that need neither Spark nor Ray, for the everyday loop
	$(PYTEST) -m 'not spark and not ray'

.PHONY: lint
lint: setup ## ruff, mypy, and the floors of the house (import-linter)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

.PHONY: docs
docs: setup ## The documentation site, into site/
	$(BIN)/mkdocs build --quiet --strict

.PHONY: coverage
coverage: setup ## All tests, with the lines that they do not reach
	$(PYTEST) --cov=bcrlsp --cov-report=term-missing:skip-covered

.PHONY: format
format: setup ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.bench: $(STAMP)
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@

.PHONY: bench-lp
bench-lp: setup $(VENV)/.bench ## The budget LP against HiGHS and PDLP (QUICK=1: smaller)
	$(BIN)/python benchmarks/bench_lp.py $(if $(QUICK),--quick)

.PHONY: bench-trajectories
bench-trajectories: setup $(VENV)/.bench ## Trajectories on Spark against DuckDB (QUICK=1: smaller)
	$(BIN)/python benchmarks/bench_trajectories.py $(if $(QUICK),--quick)

.PHONY: bench-layout
bench-layout: setup $(VENV)/.bench ## Layouts of the table trajectories (QUICK=1: smaller)
	$(BIN)/python benchmarks/bench_trajectories.py --layout $(if $(QUICK),--quick)

.PHONY: bench-train
bench-train: setup ## The learner against a plain torch loop and d3rlpy (QUICK=1: smaller)
	$(BIN)/python benchmarks/bench_train.py $(if $(QUICK),--quick)

.PHONY: bench-quality
bench-quality: setup ## Algorithms against known optima and d3rlpy (QUICK=1: smaller)
	$(BIN)/python benchmarks/bench_quality.py $(if $(QUICK),--quick)

.PHONY: bench-control
bench-control: setup ## Cost control on simulated days, its speed (QUICK=1: smaller, writes nothing)
	$(BIN)/python benchmarks/bench_control.py $(if $(QUICK),--quick)

.PHONY: bench-control-stream
bench-control-stream: setup ## Latency of the cost control stream, and where it falls behind
	$(BIN)/python benchmarks/control_stream.py

.PHONY: check-kafka
check-kafka: setup ## The cost control stream against a real Kafka broker on this machine
	$(BIN)/python benchmarks/check_kafka.py

.PHONY: clean
clean: ## Remove tables, artefacts and caches (not the virtual environment)
	rm -rf lake artifacts lakes site .pytest_cache .mypy_cache .ruff_cache .hypothesis spark-warehouse
