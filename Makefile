# Every target installs what it needs, once. A new machine needs Python 3.11 or newer, with venv, and make.

PYTHON ?= python3
# The build and the template use the same values: they determine wheels and parameters.
PENSTOCK_RUNTIME ?= python3.14
PENSTOCK_ARCHITECTURE ?= x86_64

VENV := .venv/bin
INSTALLED := .venv/installed
COMPILED := .venv/compiled-tests
BENCH := .venv/installed-bench
DOCS := .tools/docs/installed
# --quiet twice: pip prints errors, but no line for each index of a pip.conf that does not have a package.
PIP_INSTALL := $(VENV)/python -m pip install --quiet --quiet --no-compile
# The SAM CLI is called by its path. `tools` installs it and updates it when its pins change.
SAM := .tools/sam/bin/sam

export SAM_CLI_TELEMETRY := 0
# Some containers set it. Without bytecode, each of the thousand processes that tests start compiles all its imports.
unexport PYTHONDONTWRITEBYTECODE
export PENSTOCK_RUNTIME PENSTOCK_ARCHITECTURE
export PENSTOCK_PYTHON := $(CURDIR)/$(VENV)/python

.DEFAULT_GOAL := help
.PHONY: simulate-long help setup tools demo local sam-local check checks test tests verify contract-localstack lint types validate build docs bench release faults simulate permission-removal audit fuzz night clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(INSTALLED): pyproject.toml requirements/dev.txt requirements/dev.lock layers/penstock/requirements.txt layers/lake/requirements.txt requirements/iceberg.txt cli/requirements.txt | $(VENV)/python
	@echo "Installing Penstock and its development tools into .venv (once)"
	@$(PIP_INSTALL) --editable . --requirement requirements/dev.txt --constraint requirements/dev.lock
	@touch $@

# With pip of its later version, so that pip is not replaced while the tools are installed with it.
$(VENV)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Penstock needs Python 3.11 or newer, found " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv
	@$(PIP_INSTALL) $$(grep '^pip==' requirements/local.txt)

# The tools need only the interpreter, so `make --jobs` installs them and Penstock at the same time.
.PHONY: sam-and-ministack
sam-and-ministack: | $(VENV)/python
	@PYTHONPATH=local:layers/penstock $(VENV)/python -m penstock_local.tools

tools: $(INSTALLED) sam-and-ministack

setup: tools ## Install everything that the other targets need

# The first of four processes would compile every module of the tests while the others do the same.
$(COMPILED): $(INSTALLED)
	@$(VENV)/python -m pytest --collect-only > /dev/null 2>&1 || true
	@touch $@

demo: tools ## Start the local stack, decode real files, check every byte, and stop the stack
	@$(VENV)/python -m penstock_local.demo

local: tools ## Start the local stack and print its endpoint and names
	@$(VENV)/penstock local up

sam-local: tools ## Send every event to its function with `sam local invoke` and check the answers; needs Docker on Linux
	@$(VENV)/python -m penstock_local.sam_local

# Four processes on two cores, because many tests wait.
test: ## Run all checks, and the tests in their short form, in less than ten minutes
	@$(MAKE) --no-print-directory --jobs 2 tests checks

# The checks use one core, so they run one after another beside the tests. A busy machine starts no second process of
# mypy within the three seconds that mypy waits for it.
checks: MYPY_PROCESSES :=
checks: lint types validate

# Tests start make, whose output must not speak of this one's jobs.
tests: tools $(COMPILED)
	@MAKEFLAGS= $(VENV)/python -m pytest --numprocesses 4 --dist loadgroup --no-loadscope-reorder

verify: lint types validate build docs ## Run all checks, and all tests in their long form, in an hour
	@TESTS=long $(VENV)/python -m pytest --numprocesses 4 --dist loadgroup --no-loadscope-reorder

check: lint types ## Check style and types and run the unit tests, in a minute; for every change
	@$(VENV)/python -m pytest --numprocesses 2 tests/unit

contract-localstack: tools ## Run the contracts of S3 and SQS on LocalStack, which was validated against AWS
	@$(VENV)/python -m penstock_local.tools localstack
	@$(VENV)/python -m pytest tests/contract -m localstack --localstack

lint: $(INSTALLED) ## Check style
	@$(VENV)/ruff check
	@$(VENV)/ruff format --check

# The first run checks every file and takes half the time in two processes; later runs check what changed, quicker in one.
MYPY_PROCESSES = $(if $(wildcard .mypy_cache),,--num-workers 2)
types: $(INSTALLED) ## Check types
	@$(VENV)/mypy $(MYPY_PROCESSES)

validate: tools ## Check the template
	@$(SAM) validate --lint

build: tools ## Build functions and layers for PENSTOCK_RUNTIME and PENSTOCK_ARCHITECTURE
	@$(SAM) build --parameter-overrides Runtime=$(PENSTOCK_RUNTIME) Architecture=$(PENSTOCK_ARCHITECTURE)

$(BENCH): $(INSTALLED) requirements/bench.txt
	@echo "Installing the tools that benchmarks compare Penstock with into .venv (once)"
	@$(PIP_INSTALL) --requirement requirements/bench.txt --constraint requirements/dev.lock
	@touch $@

$(DOCS): requirements/docs.txt requirements/docs.lock
	@echo "Installing MkDocs into .tools/docs (once)"
	@$(PYTHON) -m venv .tools/docs
	@.tools/docs/bin/python -m pip install --quiet --quiet --requirement requirements/docs.txt --constraint requirements/docs.lock
	@touch $@

docs: $(DOCS) ## Build the documentation site into site/; broken links are errors
	@NO_MKDOCS_2_WARNING=1 .tools/docs/bin/mkdocs build --strict --quiet

# An hour: make bench. Minutes: make bench BENCH_FORM=--short. One workload: make bench BENCH_FORM=gunzip
BENCH_FORM ?=
release: tools ## Build wheel, source, stack and layers for both architectures, bill of materials and checksums into dist/
	@$(VENV)/python -m penstock_local.release

bench: tools $(BENCH) ## Measure time, CPU, memory and dollars, compared with other tools, at Lambda's sizes
	@$(VENV)/python -m benchmarks $(BENCH_FORM)

# Some kinds of jobs only: make faults FAULTS="--runs 50 --kinds zip,tar-gzip --profile kill"
FAULTS ?= --runs 500 --seed 1
faults: tools ## Run 500 jobs with failing connections, services and processes, by seed, and check every result
	@$(VENV)/python -m faults $(FAULTS)

# One history: make simulate SEED=20887
SIMULATE ?= --runs 2000
simulate: $(INSTALLED) ## Run 2,000 histories of whole jobs in one process, with everything that can go wrong, by seed
	@$(VENV)/python -m simulation $(if $(SEED),--seed $(SEED),$(SIMULATE))

simulate-long: SIMULATE := --runs 100000
simulate-long: simulate

audit: tools ## Check packages that ship for vulnerabilities and licences, and scan the template; needs the network
	@$(SAM) validate --lint
	@$(VENV)/python -m penstock_local.audit

# Some targets only: make fuzz FUZZ="--seconds 60 --seed 7 xlsx json"
FUZZ ?= --seconds 600
fuzz: $(INSTALLED) ## Read damaged input of every kind and check that it is rejected; run property tests with random examples
	@PYTHONPATH=tests $(VENV)/python -m fuzz $(FUZZ)
	@$(VENV)/python -m pytest --numprocesses 2 -m hypothesis --hypothesis-profile=drawn

permission-removal: tools ## Take every right of every role away, one by one, and check that a job notices
	@$(VENV)/python -m faults.permission_removal

night: fuzz faults simulate-long permission-removal ## Run what takes hours: fuzzing, 500 jobs with faults, 100,000 histories, every role with one right less

clean: ## Remove everything that was built or installed
	rm -rf .venv .tools site .aws-sam .penstock build dist penstock.egg-info .mypy_cache .ruff_cache .hypothesis .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
