# Every target does all its own set-up. `make help` lists them.
#
# CLUSTER=native|kind|existing chooses the cluster; left out, it is chosen, and said (ci/cluster kind-of).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
IMAGE := testrun-operator:dev
RELEASE := testrun
NAMESPACE := testrun-system
UNIT := tests/unit
PYTEST := $(BIN)/pytest
export KUBECONFIG = $(shell ci/cluster kubeconfig 2>/dev/null)

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

# --- what people type ------------------------------------------------------------------------------------------------

.PHONY: demo
demo: install ## a cluster, the image, the chart, a NoETL and two TestRuns, with their results (NOETL=no: one, without it)
	@NOETL=$(NOETL) ci/demo $(NAMESPACE) $(RELEASE)

.PHONY: test
test: check test-unit databases cluster ## every check and every test
	@ci/side-by-side test-noetl-here test-integration
	@$(MAKE) --no-print-directory test-e2e
	@ci/noetl python > /dev/null 2>&1 || echo "$(LEFT_OUT)"

.PHONY: bench
bench: install bench-sql ## measure the operator against Jobs made by hand (N=50, PARALLELISM=8, ROUNDS=3), and bench-sql
	@$(BIN)/python bench/bench.py $(if $(N),--cases $(N)) $(if $(PARALLELISM),--parallelism $(PARALLELISM)) \
		$(if $(ROUNDS),--rounds $(ROUNDS))

.PHONY: bench-sql
bench-sql: $(VENV)/installed ## measure database tests against a loop that sends the same statements
	@ci/tools postgresql
	@$(BIN)/python bench/sql.py

.PHONY: bench-playbook
bench-playbook: $(VENV)/installed ## measure playbook cases on real NoETLs, which need Python 3.12 or later (EXECUTIONS=60)
	@ci/tools postgresql
	@$(BIN)/python bench/playbook.py $(if $(EXECUTIONS),--executions $(EXECUTIONS))

.PHONY: clean-cluster
clean-cluster: ## take the cluster down and leave nothing of it behind but caches
	@ci/tools
	@ci/cluster down

# --- checks ----------------------------------------------------------------------------------------------------------

.PHONY: check
check: venv ## lint, types, layers and generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy operator tools ci bench
	$(BIN)/lint-imports --no-cache > /tmp/lint-imports.$$$$ || { cat /tmp/lint-imports.$$$$; rm /tmp/lint-imports.$$$$; exit 1; }; \
		tail -n 3 /tmp/lint-imports.$$$$; rm /tmp/lint-imports.$$$$
	$(BIN)/python tools/generate.py --check

.PHONY: format
format: venv ## format the code, and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: generate
generate: venv ## write the generated files: CRDs, chart, manifests, reference pages
	$(BIN)/python tools/generate.py

.PHONY: lock
lock: venv ## bring the lock files up to date with pyproject.toml
	$(BIN)/python tools/lock.py

# --- tests -----------------------------------------------------------------------------------------------------------

.PHONY: test-unit
test-unit: venv ## tests that need nothing but Python
	$(PYTEST) $(UNIT)

.PHONY: test-integration
test-integration: venv databases cluster ## tests against a real API server, PostgreSQL and MariaDB
	ci/cluster crd-server up
	$(PYTEST) tests/integration --ignore tests/integration/noetl

.PHONY: test-noetl
test-noetl: venv databases ## tests against real NoETL servers; needs a Python of 3.12 or later beside the project's own
	$(PYTEST) tests/integration/noetl

.PHONY: test-noetl-rust
test-noetl-rust: venv databases ## tests against the NoETL that is written in Rust; builds it with cargo first, once
	TESTRUN_NOETL_RELEASES=rust-3.54.0 $(PYTEST) tests/integration/noetl

LEFT_OUT := LEFT OUT: tests/integration/noetl, as there is no Python of 3.12 or later here. The recorded executions of \
	NoETL were tested (test-unit), and so is NoETL in the cluster (test-e2e).

.PHONY: test-noetl-here
test-noetl-here: venv databases # one release of them where there is such a Python; elsewhere it says that they are left out
	@if python=$$(ci/noetl python 2> /dev/null); then \
		echo "NoETL 4.26.0 runs on $$python; make test-noetl tests the other releases, too"; \
		TESTRUN_NOETL_RELEASES=4.26.0 $(PYTEST) tests/integration/noetl; \
	else \
		echo "$(LEFT_OUT)"; \
	fi

.PHONY: test-e2e
test-e2e: install noetl ## tests of the installed chart on the cluster
	$(PYTEST) tests/e2e

# --- set-up ----------------------------------------------------------------------------------------------------------

.PHONY: venv
venv: $(VENV)/installed ## the virtual environment with everything from requirements/dev.lock

$(VENV)/installed: requirements/dev.lock pyproject.toml ci/tools
	@ci/tools
	@echo "making the virtual environment (a minute; more without a cache)"
	@[ -x $(BIN)/python ] || python3 -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: databases
databases:
	@ci/tools postgresql mariadb-server-core mariadb-client-core

.PHONY: cluster
cluster: ## bring the cluster up
	@ci/tools
	@ci/cluster up
	@ci/cluster images

.PHONY: image
image: cluster ## build the image and load it into the cluster
	@ci/build-image --tag $(IMAGE)

.PHONY: install
install: venv image ## install the chart, or upgrade it
	@$(BIN)/python ci/install --namespace $(NAMESPACE) --release $(RELEASE) --image $(IMAGE)

.PHONY: noetl
noetl: cluster ## deploy a NoETL of each release that playbook cases are tested with
	@ci/noetl deploy 4.26.0 1.8.0 2.5.5

.PHONY: clean-noetl
clean-noetl: ## take the NoETLs away; clean-cluster does so, too, with the cluster
	@ci/noetl delete 4.26.0 1.8.0 2.5.5

.PHONY: uninstall
uninstall: venv ## uninstall the chart; CustomResourceDefinitions and the database's volume stay
	@$(BIN)/python tools/helm.py uninstall $(RELEASE) -n $(NAMESPACE)
