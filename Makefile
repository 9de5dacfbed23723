# A fresh machine needs Python >= 3.11 and make. Every target installs what constraints.txt pins
# into .venv first, once, and again when it or pyproject.toml changes.
#
#   make run                    the baseline campaign and its report
#   make run CAMPAIGN=my.yaml   another one; ARGS="--paths 4096" is handed on
#   make test                   what has to pass; ARGS="-k margin" is handed on
#   make test-slow              the heavier studies
#   make bench                  speed against peers; BENCH_DIR=folder for its JSON and figure
#   make check                  lint, format, types
#   make test PYTHON=python3.12 another interpreter; .venv is made anew when it differs

CAMPAIGN ?= configs/campaigns/baseline.yaml
ARGS ?=
BENCH_DIR ?= runs/bench

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
RELEASE := import sys; print(*sys.version_info[:2])

.PHONY: run test test-slow bench check clean FORCE

run: $(STAMP)
	$(BIN)/hyperstress run $(CAMPAIGN) $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest -m "not slow and not gpu" $(ARGS)

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m "slow and not gpu" $(ARGS)

bench: $(STAMP)
	@$(PIP) install -c constraints.txt --no-build-isolation -e ".[bench]"
	$(BIN)/python -m tests.bench $(BENCH_DIR)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

clean:
	rm -rf $(VENV)

ifneq ($(PYTHON),)
ifneq ($(shell $(PYTHON) -c '$(RELEASE)' 2>&1),$(shell $(BIN)/python -c '$(RELEASE)' 2>&1))
$(STAMP): FORCE
endif
endif

# The stamp is removed before anything changes and written last: an interrupted installation
# leaves none. What is there is updated where its pip works and the interpreter is the one asked.
$(STAMP): pyproject.toml constraints.txt
	@for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python) ""; do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	done; \
	test -n "$$python" || { echo "Python 3.11 or newer is needed: make PYTHON=..." >&2; exit 1; }; \
	rm -f $@; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1 || \
	  test -n "$(PYTHON)" -a "$$($(BIN)/python -c '$(RELEASE)' 2>/dev/null)" != "$$("$$python" -c '$(RELEASE)')"; \
	then "$$python" -m venv --clear $(VENV); fi
	@echo "Installing the pinned packages into $(VENV) ..."
	@$(PIP) install -c constraints.txt hatchling
	@$(PIP) install -c constraints.txt --no-build-isolation -e ".[dev]"
	@touch $@
