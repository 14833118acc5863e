# `make run` sets up, makes a sample and runs everything on it. `make test` sets up and tests. `make dev` opens the UI.

PYTHON ?= python3.11
BIN := .venv/bin
UV := 0.13.9
EVENTS := 1000000

export DAGSTER_HOME := $(CURDIR)/.dagster
export DAGSTER_DISABLE_TELEMETRY := yes

.DEFAULT_GOAL := help
.PHONY: help run dev test check docs lambda bench bench-orchestration bench-scale bench-scale-out bench-reads bench-live lock clean

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 21

run: .venv/.run ## Set up, generate 200,000 sample events of the last three days, run everything, show the totals
	@test -e data/ground_truth.json || $(BIN)/event-platform generate --events 200000 --days 3
	@$(BIN)/event-platform run
	@echo "Open the UI with: make dev    Query with: $(BIN)/event-platform query \"select count(*) n from events.lesson_started\""

dev: .venv/.dev ## Open the Dagster UI on http://127.0.0.1:3000
	$(BIN)/dg dev --host 127.0.0.1 --port 3000

# Compiled once, for the hundreds of processes that tests start: where PYTHONDONTWRITEBYTECODE is set, as in many images,
# each would compile all of the package.
test: .venv/.dev ## Set up and run the tests; those with a live Dagster mostly wait, so there are more workers than cores
	$(BIN)/python -m compileall -q event_platform
	$(BIN)/python -m pytest -q -n 5 --dist loadgroup --no-loadscope-reorder --max-worker-restart 0

check: .venv/.dev ## Lint, types and import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/.dev ## Build the documentation into site/; a broken link or anchor is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# For the runtime and the processor that deploy/terraform names. Of its libraries the runtime has boto3.
lambda: .venv/.dev ## Package the filter of the stream for Terraform, with the envelope of CATALOG (a folder; default: the sample's)
	rm -rf build/lambda
	$(BIN)/uv pip install -q --target build/lambda --python-platform aarch64-manylinux_2_28 --python-version 3.13 --only-binary :all: --no-deps -c requirements.lock msgspec \
		|| $(BIN)/pip install -q --target build/lambda --platform manylinux_2_17_aarch64 --platform manylinux_2_28_aarch64 --python-version 3.13 --only-binary :all: --no-deps $$($(BIN)/pip freeze | grep ^msgspec=)
	$(BIN)/python deploy/lambda/package.py --libraries build/lambda $(if $(CATALOG),--catalog $(CATALOG)) deploy/terraform/stream_filter.zip

bench: .venv/.dev .venv-peers/.tried ## Measure what the job costs, here and with other means, for some minutes; EVENTS=1000000
	$(BIN)/python -m bench --events $(EVENTS)

bench-orchestration: .venv/.dev ## Measure what orchestration costs, for some minutes
	$(BIN)/python -m bench.orchestration

bench-scale: .venv/.dev ## How the cost grows: with events, objects, types, partitions and the window; most of an hour, 15 GB
	$(BIN)/python -m bench.scale

bench-scale-out: .venv/.dev ## Measure the same work with the local pool and on a Dask cluster
	$(BIN)/python -m bench.scale_out

bench-reads: .venv/.dev .venv-peers/.tried ## Measure what queries touch of a lake, with polars and DuckDB, for some minutes
	$(BIN)/python -m bench.reads

bench-live: .venv/.dev ## Measure a live platform: an object a minute, how long its rows take and what that costs, for half an hour
	$(BIN)/python -m bench.live

lock: .venv/.dev ## Write the lock files from pyproject.toml, with the newest versions in its ranges
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-strip-extras --upgrade pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-strip-extras --extra postgres --extra metrics --extra iceberg -c requirements.lock pyproject.toml -o requirements-image.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-strip-extras --extra dev -c requirements-image.lock pyproject.toml -o requirements-dev.lock

clean: ## Remove the sample, the lake, Dagster's records and the built documentation
	rm -rf data site
	find .dagster -mindepth 1 ! -name dagster.yaml -delete

.venv/bin/uv:
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q uv==$(UV)

# uv installs in seconds; where it cannot reach the index that pip is set up for, pip does it.
.venv/.run: requirements.lock pyproject.toml | .venv/bin/uv
	$(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python -r requirements.lock || $(BIN)/pip install -q -r requirements.lock
	$(BIN)/pip install -q --no-deps --no-build-isolation -e . 2>/dev/null || $(BIN)/pip install -q --no-deps -e .
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.run
	$(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python -r requirements-dev.lock || $(BIN)/pip install -q -r requirements-dev.lock
	@touch $@

# Readers of the tables whose dependencies do not go together with the platform's: tests start them, and skip without them.
.venv-readers/.tried: event_platform_tests/readers/requirements.txt | .venv/.dev
	$(PYTHON) -m venv --clear .venv-readers
	$(BIN)/uv pip install -q --compile-bytecode --python .venv-readers/bin/python -r $< \
		|| .venv-readers/bin/pip install -q -r $< || echo "no readers of the tables could be installed"
	@touch $@

# What others do the job with, in an environment of its own. A peer that cannot be installed is missing in the table, and
# stops nothing; the others are installed one by one then.
.venv-peers/.tried: bench/peers/requirements.txt | .venv/.dev
	$(PYTHON) -m venv --clear .venv-peers
	$(BIN)/uv pip install -q --compile-bytecode --python .venv-peers/bin/python -r $< \
		|| .venv-peers/bin/pip install -q -r $< \
		|| grep -v '^#' $< | while read -r peer; do .venv-peers/bin/pip install -q "$$peer" || echo "bench: no $$peer here"; done
	@touch $@
