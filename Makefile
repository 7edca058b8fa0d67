# A thin list of commands; what they do is in regionwise/. `make` alone explains itself.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev build demo ingest dbt solve experiment calibrate publish dashboard sql docs export \
        bench doctor test lint check validate clean

# Some machines forbid compiled imports, and every process would then compile them anew.
export PYTHONDONTWRITEBYTECODE :=
# OpenMP threads that spin while they wait make XGBoost fifteen times slower on shared cores.
export OMP_WAIT_POLICY := PASSIVE
export REGIONWISE_DATA ?= $(CURDIR)/data
VENV := $(CURDIR)/.venv
RUN := $(VENV)/bin/regionwise
BUILD_ARGS := $(if $(DATA),--input $(DATA)) $(if $(SERVICES),--services $(SERVICES)) \
              $(if $(REGIONS),--regions $(REGIONS)) $(if $(DAYS),--days $(DAYS)) $(if $(SEED),--seed $(SEED))

# Problems with known optima are no part of the repository: OR-Library publishes them.
ORLIB ?= $(or $(REGIONWISE_SHARED_DATA),$(CURDIR)/../shared/data)/orlib
ORLIB_FILES = $(sort $(wildcard $(ORLIB)/cap*.txt $(ORLIB)/pmed*.txt))

help:  ## Show this list
	@echo "regionwise: where should each service run? Decided on your data, with a proof."
	@echo
	@echo "  make build                 the synthetic demo, from raw tables to a published answer"
	@echo "  make build DATA=folder     the same for your own tables (docs/input.md)"
	@echo "  make dashboard             look at the answer"
	@echo
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{printf "  %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.runtime  ## Make the environment from the lock
$(VENV)/.runtime: requirements.lock pyproject.toml scripts/setup.sh
	@scripts/setup.sh $(VENV) requirements.lock && touch $@
setup-dev: $(VENV)/.dev
$(VENV)/.dev: requirements-dev.lock pyproject.toml scripts/setup.sh
	@scripts/setup.sh $(VENV) requirements-dev.lock && touch $@ $(VENV)/.runtime
build: setup  ## Build everything; DATA=folder for your own tables, SERVICES= REGIONS= DAYS= SEED= for the demo
	@$(RUN) build $(BUILD_ARGS) || { code=$$?; echo "regionwise ended with exit code $$code (README: exit codes)"; exit $$code; }
demo: build dashboard  ## Build the demo and open the dashboard
ingest: setup  ## Fill the raw tables only
	@$(RUN) stage ingest $(if $(DATA),--input $(DATA))
dbt: setup  ## Run both halves of dbt on what is there
	@$(RUN) stage features && $(RUN) stage marts
solve: setup  ## Choose regions again on the features that are there
	@$(RUN) stage solve
experiment: setup  ## Test the plan again
	@$(RUN) stage experiment
calibrate: setup  ## Calibrate the statistics (two minutes), print every goal, publish the rates
	@$(RUN) experiment calibrate && $(RUN) stage marts && $(RUN) stage publish
publish: setup  ## Publish the marts that are there
	@$(RUN) stage publish
dashboard: setup  ## Serve the dashboard on this machine
	@$(RUN) dashboard
sql: setup  ## Open a read-only SQL shell on the answer
	@$(RUN) sql
docs: setup  ## Write the warehouse's documentation as one offline page
	@$(RUN) docs
export: setup  ## Write every mart as CSV and Parquet, with a data dictionary
	@$(RUN) export
validate: setup  ## Check a folder of raw tables: DATA=folder
	@$(RUN) validate $(DATA)
doctor: setup  ## Look at this machine and this data folder
	@$(RUN) doctor
bench: setup  ## Measure builds, placement, and problems with known answers: ORLIB=folder
	@$(RUN) bench build
	@$(RUN) bench placement
	@$(if $(ORLIB_FILES),$(RUN) bench orlib $(ORLIB_FILES),echo "no published problems: ORLIB=folder with cap*.txt, pmed*.txt")
test: setup-dev  ## Everything that decides whether a change lands
	@scripts/test.sh
lint: setup-dev  ## Lint, types and import rules only
	@scripts/lint.sh
check: test  ## The same as test
clean:  ## Remove what builds wrote, but not what people decided
	rm -rf $(REGIONWISE_DATA)/{raw,truth,build,predictions,models,serving,runs,export} dbt_project/target
