# Every target does all its own set-up. `make help` lists them.
#
# CLUSTER=native|kind|existing chooses the cluster; left out, it is chosen, and said (ci/cluster kind-of).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

COMMA := ,
EMPTY :=
SPACE := $(EMPTY) $(EMPTY)
VENV := .venv
BIN := $(VENV)/bin
IMAGE := testrun-operator:dev
RELEASE := testrun
ALL_NOETL_RELEASES := 4.26.0 2.5.5 1.8.0
# With which releases of NoETL to test; each takes minutes, so one is the default.
NOETL_RELEASES := $(firstword $(ALL_NOETL_RELEASES))
EARLIER_NOETL = $(filter-out $(firstword $(ALL_NOETL_RELEASES)),$(NOETL_RELEASES))
# End-to-end tests mostly wait: several share the cluster, those of one file one after another.
E2E_AT_ONCE := -n 3 --dist loadfile
NAMESPACE := testrun-system
UNIT := tests/unit
PYTEST := $(BIN)/pytest
# Which cluster and which release of Kubernetes, for the shell below too: it does not see what follows `make`.
CHOICE = $(if $(CLUSTER),CLUSTER=$(CLUSTER)) $(if $(KUBERNETES),KUBERNETES=$(KUBERNETES))
export KUBECONFIG := $(shell $(CHOICE) ci/cluster kubeconfig 2>/dev/null)
# The kubectl of the cluster's own release before the machine's, which may be none or years older.
export PATH := $(patsubst %/kubectl,%:,$(shell $(CHOICE) ci/cluster kubectl-path 2>/dev/null))$(PATH)

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

# --- what people type ------------------------------------------------------------------------------------------------

.PHONY: demo
demo: ## a cluster, the image, the chart, a NoETL and two TestRuns, with their results (NOETL=no: one, without it)
	@ci/stages venv programs images -- install
	@NOETL=$(NOETL) ci/demo $(NAMESPACE) $(RELEASE)

.PHONY: test
test: ## every check and every test (NOETL_RELEASES="4.26.0 2.5.5 1.8.0": NoETL's earlier releases, too)
	@ci/stages venv databases -- programs images check test-unit -- cluster -- test-integration test-noetl-here -- test-e2e

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

.PHONY: bench-memory
bench-memory: $(VENV)/installed ## measure what finished runs cost the operator's memory (HISTORIES="1000x100 100x1000", runs and cases)
	@$(BIN)/python bench/memory.py $(HISTORIES)

.PHONY: release
release: venv ## every file of a release into dist/ (IMAGE_REPOSITORY=registry.example.com/team/testrun-operator VERSION=0.1.0)
	@$(BIN)/python tools/release.py --image-repository "$(IMAGE_REPOSITORY)" $(if $(VERSION),--version $(VERSION))

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
test-unit: venv ## tests that need nothing but Python, in as many processes as there are cores (PROCESSES=0: in one)
	$(PYTEST) $(UNIT) --numprocesses $(or $(PROCESSES),auto)

.PHONY: search
search: venv ## look for what no fixed example shows: random, an hour or more (SEARCH=tests/unit/engine, some of the tests)
	HYPOTHESIS_PROFILE=search nice $(PYTEST) -m hypothesis --timeout 0 --numprocesses $(or $(PROCESSES),auto) $(or $(SEARCH),$(UNIT))

.PHONY: soak
soak: venv ## the whole operator over a simulated cluster, with whatever happens there (SEEDS=10000, or SEED=n for one)
	@PYTHONPATH=tests $(BIN)/python -m soak $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000)) \
		$(if $(FIRST),--first $(FIRST)) $(if $(ONLY),--only $(ONLY)) $(if $(PROCESSES),--processes $(PROCESSES))

.PHONY: soak-mutations
soak-mutations: venv ## undo what was mended, one thing at a time: the soak has to find each (SEEDS=1000)
	@PYTHONPATH=tests $(BIN)/python -m soak.mutations $(if $(SEEDS),--seeds $(SEEDS)) $(if $(ONLY),--only $(ONLY))

.PHONY: test-integration
test-integration: venv databases cluster ## tests against a real API server, PostgreSQL and MariaDB
	$(PYTEST) tests/integration --ignore tests/integration/noetl --numprocesses 2 --dist loadfile

.PHONY: test-noetl
test-noetl: venv databases ## tests against real NoETL servers; needs a Python of 3.12 or later beside the project's own
	$(PYTEST) tests/integration/noetl

.PHONY: test-noetl-rust
test-noetl-rust: venv databases ## tests against the NoETL that is written in Rust; builds it with cargo first, once
	TESTRUN_NOETL_RELEASES=rust-3.54.0 $(PYTEST) tests/integration/noetl

.PHONY: chaos
chaos: install ## faults on the native cluster, and what becomes of verdicts (ROUNDS=50, SEED=…, SHORT=1, FAULTS=quota,drained, OUTPUT=…)
	PYTHONPATH=tests $(BIN)/python -m chaos $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(SHORT),--short) $(if $(FAULTS),--only $(FAULTS)) $(if $(OUTPUT),--output $(OUTPUT))

LEFT_OUT := LEFT OUT: tests/integration/noetl, as there is no Python of 3.12 or later here. The recorded executions of \
	NoETL were tested (test-unit), and so is NoETL in the cluster (test-e2e).

.PHONY: test-noetl-here
test-noetl-here: venv databases # one release of them where there is such a Python; elsewhere it says that they are left out
	@if python=$$(ci/noetl python 2> /dev/null); then \
		echo "NoETL $(NOETL_RELEASES) runs on $$python; make test-noetl tests all releases"; \
		TESTRUN_NOETL_RELEASES=$(subst $(SPACE),$(COMMA),$(NOETL_RELEASES)) $(PYTEST) tests/integration/noetl; \
	else \
		echo "$(LEFT_OUT)"; \
	fi

.PHONY: test-e2e
test-e2e: install noetl ## tests of the installed chart on the cluster, several at once; those that disturb others last
	$(PYTEST) tests/e2e $(E2E_AT_ONCE) -m "not alone $(if $(EARLIER_NOETL),,and not earlier_noetl)"
	$(PYTEST) tests/e2e -m alone

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
cluster: ## bring the cluster up (KUBERNETES=1.34: the oldest release that is supported)
	@ci/tools
	@ci/cluster up
	@ci/cluster images

.PHONY: programs
programs: # what the cluster is made of, as far as it is built here: the first time minutes, then nothing
	@ci/tools
	@ci/cluster build

.PHONY: images
images: # the images that the tests need, into the cache
	@ci/tools
	@ci/build-image --tag $(IMAGE) --no-load
	@$(if $(filter no,$(NOETL)),true,ci/noetl build --no-load $(NOETL_RELEASES))

.PHONY: image
image: cluster ## build the image and load it into the cluster
	@ci/build-image --tag $(IMAGE)

.PHONY: install
install: venv image ## install the chart, or upgrade it
	@$(BIN)/python ci/install --namespace $(NAMESPACE) --release $(RELEASE) --image $(IMAGE)

.PHONY: noetl
noetl: cluster ## deploy a NoETL, or several (NOETL_RELEASES="4.26.0 2.5.5 1.8.0")
	@ci/noetl deploy $(NOETL_RELEASES)

.PHONY: clean-noetl
clean-noetl: ## take the NoETLs away; clean-cluster does so, too, with the cluster
	@ci/noetl delete $(ALL_NOETL_RELEASES)

.PHONY: uninstall
uninstall: venv ## uninstall the chart; CustomResourceDefinitions and the database's volume stay
	@$(BIN)/python tools/helm.py uninstall $(RELEASE) -n $(NAMESPACE)
