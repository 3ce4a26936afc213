# Everything a developer runs. `make help` lists it. Python 3.11 or newer is all that is needed.

PYTHON ?= python3
PORT ?= 8000
ARGS ?=
COVERED ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BROWSER := build/browser
HAS_CHROMIUM := command -v chromium >/dev/null && command -v npm >/dev/null
HAPI := build/hapi/classpath
HAS_JAVA := command -v javac >/dev/null && command -v mvn >/dev/null
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.PHONY: help run test abuse check format coverage package hapi integration browser bench lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY) ## Start the service with made-up patients on this machine (PORT=8000)
	@CDS_SERVICE_DEMO_PATIENTS=fhir_fixtures/patients $(BIN)/cds-service serve --port $(PORT)

test: $(READY) ## Run the whole test suite; needs no network (ARGS="-k dose")
	@$(BIN)/python $(COVERED) -m pytest $(ARGS)

abuse: $(READY) ## Send the started service what it should never get (part of the suite)
	@$(BIN)/python -m pytest tests/abuse $(ARGS)

check: $(READY) ## Check format, lint, types, knowledge and cards
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/cds-service check

format: $(READY) ## Put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

coverage: $(READY) ## Report what `make test COVERED="-m coverage run"` left out; the clinical core must have all
	@$(BIN)/coverage report --skip-covered --sort=cover
	@$(BIN)/coverage report --include 'cds_service/clinical/*' --fail-under 100

package: $(READY) ## Build the wheel and exercise every step of the Dockerfile (needs the package index)
	@$(BIN)/python -m pytest -m packaging $(ARGS)

lock: ## Resolve the locked requirements anew (fetches uv into build/)
	@$(PYTHON) -m venv build/uv
	@build/uv/bin/python -m pip install --quiet --disable-pip-version-check uv
	@set -e; compile() { build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links "$$@"; }; \
	compile pyproject.toml --extra postgresql --extra tracing --output-file requirements.lock; \
	compile pyproject.toml --extra postgresql --extra tracing --group dev \
	    --output-file requirements-dev.lock; \
	compile --group build --output-file requirements-build.lock; \
	compile tests/browser/requirements.in --output-file tests/browser/requirements.lock

hapi: PORT = 8090
hapi: $(HAPI) $(READY) ## Start a real FHIR server with the made-up patients (PORT=8090)
	@$(BIN)/python -m tests.integration.hapi --port $(PORT)

integration: PORT = 8090
integration: $(READY) ## Call the service back to a real FHIR server; skipped without Java 17 and Maven
	@if $(HAS_JAVA); then $(MAKE) --no-print-directory $(HAPI) && HAPI_PORT=$(PORT) \
	    $(BIN)/python -m pytest -m integration tests/integration $(ARGS); \
	else echo 'Skipped: Java 17 and Maven are needed for make integration'; fi

browser: $(READY) ## Try the try-it page in a real browser; skipped without Chromium and npm
	@if $(HAS_CHROMIUM); then $(MAKE) -s $(BROWSER)/.ready && CHROMIUM="$$(command -v chromium)" \
	    AXE=$(BROWSER)/node_modules/axe-core/axe.min.js $(BROWSER)/bin/python -m pytest \
	    --confcutdir tests/browser $(ARGS) tests/browser; \
	else echo 'Skipped: Chromium and npm are needed for make browser'; fi

bench: $(READY) ## Hold the service against a bare Flask, on two idle cores (ARGS=--quick); needs wrk
	@$(BIN)/python -m bench $(ARGS)

clean: ## Remove what can be made again; the database under var/ stays
	@rm -rf $(VENV) build dist .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(HAPI): integration/pom.xml $(wildcard integration/src/main/*/* integration/src/main/*/*/*.java)
	@$(HAS_JAVA) || { echo 'Java 17 and Maven are needed for the FHIR server' >&2; exit 2; }
	@echo 'Building the FHIR server; the first time 300 MB of libraries are fetched ...'
	@mvn -B -q -ntp -f integration/pom.xml process-classes

$(BROWSER)/.ready: tests/browser/requirements.lock
	@echo 'Preparing $(BROWSER), once ...'
	@$(PYTHON) -m venv $(BROWSER)
	@$(BROWSER)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	    --requirement tests/browser/requirements.lock
	@npm install --silent --no-save --ignore-scripts --prefix $(BROWSER) axe-core@4.14.1
	@touch $@

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo 'Python 3.11 or newer is needed; name it: make PYTHON=python3.12 ...' >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	    echo 'Python has no ensurepip here; on Debian: apt install python3-venv' >&2; exit 2; }
	@echo 'Preparing $(VENV), once ...'
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
