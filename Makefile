# Each target works by itself on a new clone with nothing but Python 3.11 or newer and its venv module.
# PYTHON chooses the interpreter; each has an environment of its own: make test PYTHON=python3.12

PYTHON ?= python3
VENV := .venv/$(notdir $(PYTHON))
BIN := $(VENV)/bin
TYPING := build/typing/mltracker

.PHONY: demo test test-torch test-torchsystem test-long check bench clean

demo: $(VENV)/examples.installed  ## train two models on real data, log everything, check every answer
	$(BIN)/python examples/digits.py

test: $(VENV)/test.installed  ## the tests, on two processes
	$(BIN)/pytest -n 2 -m "not long" $(ARGS)

test-torch: $(VENV)/test-torch.installed  ## the tests with PyTorch there, for what needs it is skipped elsewhere
	$(BIN)/pytest -n 2 -m "not long" $(ARGS)

test-torchsystem: $(VENV)/test-torchsystem.installed  ## what needs torchsystem and mlregistry, and so Python 3.12
	$(BIN)/pytest -n 2 -m "not long" -k "torchsystem or mlregistry" $(ARGS)

test-long: $(VENV)/test.installed  ## the tests that take minutes
	$(BIN)/pytest -m long $(ARGS)

check: $(VENV)/check.installed  ## style, types, import arrows, wheel contents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@rm -rf build/typing && mkdir -p $(TYPING)
	@ln -s $(CURDIR)/mltracker/* $(CURDIR)/events $(CURDIR)/projections $(TYPING)
	$(BIN)/mypy -p mltracker
	$(BIN)/mypy examples benchmarks
	$(BIN)/pytest -q tests/test_architecture.py tests/test_packaging.py

bench: $(VENV)/test.installed  ## measure the figures this release holds
	$(BIN)/python -m benchmarks

clean:  ## remove everything that make made
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/%.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("mltracker needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@
