# Needs make and a Python 3.10-3.12, nothing else; everything is installed into $(VENV).

VENV ?= .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt
FAST := not ray and not slow
# Two processes, each with whole files; one that dies ends the run, or its test would be tried for ever.
PARALLEL := --ignore=tests/ray -n 2 --dist loadfile --max-worker-restart 0
# pytest's exit status where ARGS chose no test of one part.
NONE_CHOSEN := 5

# The service is some 30 processes. Where PYTHONDONTWRITEBYTECODE is set, as images of containers do, each would compile
# the sources for itself.
COMPILE := $(PY) -m compileall -q $(dir $(wildcard */__init__.py)) $(wildcard *.py)

# The stamps live inside the environment, so that they go with it.
HAS_RUN := $(VENV)/.has-run
HAS_MODELS := $(VENV)/.has-models
HAS_DEV := $(VENV)/.has-dev

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run install models setup test test-weights test-fast lint format typecheck bench accuracy load clean clean-all

help:  ## this list
	@echo "make TARGET; nothing needs to be installed before."
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{printf "  %-11s %s\n", $$1, $$2}'
	@echo
	@echo "  PYTHON=/path/to/python   the Python to use (3.10-3.12)      VENV=.venv   where to install"
	@echo "  ARGS='-k camera'         more arguments for pytest"

run: $(HAS_RUN)  ## start the CPU profile and analyse a sample video, end to end
	$(PY) -m ops.demo

install: $(HAS_RUN)  ## create the environment with what the service needs, no more

models: $(HAS_MODELS)  ## add the libraries of the model-backed analyzers (8 GB); weights come by `models pull`

setup: $(HAS_DEV)  ## create the environment with all tools for development

test: $(HAS_DEV)  ## all tests
	$(PY) -m pytest -m "not ray" $(PARALLEL) $(ARGS) || [ $$? -eq $(NONE_CHOSEN) ]
	$(PY) -m pytest -m ray -o testpaths=tests/ray $(ARGS) || [ $$? -eq $(NONE_CHOSEN) ]

test-weights: $(HAS_DEV)  ## golden tests with real weights: `tiktok-analyzer models pull` first
	$(PY) -m pytest -m weights $(ARGS)

test-fast: $(HAS_DEV)  ## the tests without Ray and without slow ones, under 2 minutes
	$(PY) -m pytest -m "$(FAST)" $(PARALLEL) $(ARGS)

lint: $(HAS_DEV)  ## ruff: rules and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

format: $(HAS_DEV)  ## let ruff mend what it can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

typecheck: $(HAS_DEV)  ## mypy, strict
	$(PY) -m mypy

bench: $(HAS_DEV)  ## speed and memory against bare decoding and against one reader per analyzer
	$(PY) -m benchmarks.bench

accuracy: $(HAS_DEV)  ## precision and recall of the analyzers against known truth
	$(PY) -m benchmarks.accuracy

load: $(HAS_DEV)  ## a batch under load with cancels, lost connections and kills; every count must be right
	$(PY) -m benchmarks.load

clean:  ## remove caches and build products
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

clean-all: clean  ## remove the environment, too
	rm -rf $(VENV) *.egg-info

$(PY):
	@python=$$(PYTHON="$(PYTHON)" sh ops/find_python.sh) || exit 1; \
	echo "Creating $(VENV) with $$python"; \
	"$$python" -m venv $(VENV) || { rm -f $(PY); exit 1; }

$(HAS_RUN): pyproject.toml constraints.txt | $(PY)
	@echo "Installing the service into $(VENV) (1.5 GB; a minute or two) ..."
	@$(PIP) -e .
	@$(COMPILE)
	@touch $@

$(HAS_MODELS): pyproject.toml constraints.txt requirements-models.txt | $(PY)
	@echo "Installing the libraries of the models into $(VENV) (8 GB; some minutes) ..."
	@$(PIP) -e '.[models]'
	@$(PIP) --no-deps -r requirements-models.txt
	@$(COMPILE)
	@touch $(HAS_RUN) $@

$(HAS_DEV): pyproject.toml constraints.txt requirements-models.txt requirements-compare.txt | $(PY)
	@echo "Installing everything that is tested, and the tools for it, into $(VENV) (8 GB; some minutes) ..."
	@$(PIP) -e '.[dev,decord,models,postgres,parquet]'
	@$(PIP) --no-deps -r requirements-models.txt -r requirements-compare.txt
	@$(COMPILE)
	@touch $(HAS_RUN) $(HAS_MODELS) $@
