# Two commands: `make demo` draws the first picture, `make test` proves the rest.
PYTHON ?= python3
VENV   ?= .venv
# More flags for pip, such as `PIP_FLAGS="--extra-index-url URL"` to take torch's CPU build.
PIP_FLAGS ?=
# Not quiet: what takes minutes shows that it lives.
PIP     = $(VENV)/bin/python -m pip install --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt

.PHONY: demo docs test test-all coverage fuzz lint types format clean

demo: $(VENV)/.installed
	$(VENV)/bin/redraft run recipes/glasses.redraft

# Many tests start programs; without compiled modules each of them would compile redraft anew.
TESTS = PYTHONDONTWRITEBYTECODE= $(VENV)/bin/python -m pytest -n 2

test: lint types $(VENV)/.tested-with
	$(TESTS) -m "not parts"

# All tests that need a browser: Chromium, by apt or by CHROMIUM=PATH.
test-all: $(VENV)/.tested-with
	REDRAFT_BROWSER=1 $(VENV)/bin/python -m pytest tests/studio -m browser

# The same tests, half as slow again, and what they leave out.
coverage: $(VENV)/.tested-with
	$(TESTS) --cov --cov-report=term:skip-covered --cov-fail-under=97

# Damaged files and killed runs, on from where the last time ended; takes many hours. Some of it:
# `make fuzz FUZZ="masks --most 2000"`.
fuzz: $(VENV)/.tested-with
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m tests.fuzz $(FUZZ)

lint: $(VENV)/.tested-with
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check

types: $(VENV)/.tested-with
	$(VENV)/bin/mypy

format: $(VENV)/.tested-with
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@echo "installing torch, which is large, and then redraft into $(VENV)"
	# torch goes first and alone, so that the pinned build is the one that is taken.
	$(PIP) torch
	$(PIP) -e .
	touch $@

$(VENV)/.tested-with: $(VENV)/.installed
	$(PIP) -e '.[dev]'
	touch $@

# The documentation as a site, in site/; a link that leads nowhere stops it.
docs: $(VENV)/.documents-with
	$(VENV)/bin/mkdocs build --strict

$(VENV)/.documents-with: $(VENV)/.installed
	$(PIP) -e '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) runs site .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*
