# Every target makes its own environment; nothing but git, make and Python is needed before it.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
STAMP := $(VENV)/.ready
RUNS := $(VENV)/.runs
# Most tests wait for a server, so that four at once suit two cores; a real control plane wants a core of its own.
PYTEST := $(BIN)/python -m pytest --dist worksteal

.PHONY: bench demo explore run test test-doors test-postgres test-tools test-cluster test-browser pictures lint clean

$(STAMP): $(RUNS)
	@UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --quiet --frozen --inexact
	@touch $@

$(RUNS): pyproject.toml uv.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
	@UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --quiet --frozen --inexact --no-dev --compile-bytecode
	@touch $@

demo: $(RUNS)  ## a shop, its cluster, Slack and on-call desk on this machine, with the bot at work
	@$(BIN)/gitops-bot demo

run: $(RUNS)  ## the bot, with ./gitops-bot.yaml
	$(BIN)/gitops-bot run

test: $(STAMP)  ## everything that needs nothing but Python
	$(PYTEST) -n 4 -m "not cluster and not postgres and not browser and not tools" $(ARGS)

test-doors: export GITOPS_BOT_OTHER_DOORS := 1
test-doors: $(STAMP)  ## the stories again, where they had Socket Mode by HTTP, where Opsgenie on Jira Service Management
	$(PYTEST) -n 4 -m "not door and not cluster" tests/flow $(ARGS)

test-postgres: $(STAMP)  ## the state store on a real PostgreSQL server
	$(PYTEST) -n 2 -m postgres $(ARGS)

test-tools: $(STAMP)  ## rendering with the real kustomize, helm and sops, built first; Git over real servers
	$(BIN)/python -m tests.tools build
	$(PYTEST) -n 2 -m "tools and not cluster" $(ARGS)

test-cluster: $(STAMP)  ## the suites on the real control plane, built first
	$(BIN)/python -m tests.controlplane build
	$(PYTEST) -n 2 -m cluster $(ARGS)

test-browser: $(STAMP)  ## the demo, played in a headless Chromium (CHROMIUM=/usr/bin/chromium)
	$(BIN)/python -m pytest -m browser $(ARGS)

explore: export GITOPS_BOT_SEED := random
explore: export GITOPS_BOT_EXAMPLES ?= 200
explore: export GITOPS_BOT_LONG_RUN ?= 100
explore: $(STAMP)  ## the generated tests with other seeds and more examples, on the control plane too (ARGS=tests/render)
	$(PYTEST) -n 2 -m "hypothesis or chance" $(ARGS)

pictures: $(STAMP)  ## the screenshots of the documentation, taken again (CHROMIUM=/usr/bin/chromium)
	$(BIN)/python -m tests.browser.pictures

bench: $(STAMP)  ## the measurements of docs/performance.md
	$(BIN)/python -m bench --write

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
