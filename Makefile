# Every target makes what it needs: a virtual environment of its own, named after the extra of pyproject.toml
# that it installs, and made again when pyproject.toml changes. Nothing but Python 3.11 or newer has to be there.

PYTHON ?= python3
TESTS ?= tests
PYTEST_ARGS ?= -n auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test lint types docs bench clean
.PRECIOUS: .venv-%/installed

help:
	@echo "make demo    train a network on handwritten digits, then evaluate it on Dask clusters"
	@echo "make test    run the tests"
	@echo "make lint    check style and formatting (ruff)"
	@echo "make types   check types (mypy)"
	@echo "make docs    build the documentation into build/docs"
	@echo "make bench   compare the speed with other libraries (downloads PyTorch)"
	@echo "make clean   remove what the targets above made"

demo: .venv-demo/installed
	.venv-demo/bin/tl-arrayapi train digits

test: .venv-test/installed
	.venv-test/bin/python -m pytest $(PYTEST_ARGS) $(TESTS)

lint: .venv-dev/installed
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .

types: .venv-dev/installed
	.venv-dev/bin/mypy

docs: .venv-docs/installed
	.venv-docs/bin/sphinx-build --fail-on-warning --keep-going --fresh-env -q -b html docs build/docs

bench: .venv-bench/installed
	.venv-bench/bin/python -m benchmarks.compiled
	.venv-bench/bin/python -m benchmarks.eager
	.venv-bench/bin/python -m benchmarks.transforms
	.venv-bench/bin/python -m benchmarks.fills
	.venv-bench/bin/python -m benchmarks.checkpoints
	.venv-bench/bin/python -m benchmarks.cluster

clean:
	rm -rf .venv-demo .venv-test .venv-dev .venv-docs .venv-bench build dist

.venv-%/installed: pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not installed: install Python 3.11 or newer, or name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: $(PYTHON) is Python %d.%d, and 3.11 or newer is needed: name one, as in make PYTHON=python3.12" % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: $(PYTHON) cannot make virtual environments: install its venv module (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "Setting up .venv-$* (once; it is kept until pyproject.toml changes)"
	@$(PYTHON) -m venv --clear .venv-$*
	@.venv-$*/bin/python -m pip install -qq --disable-pip-version-check --editable '.[$*]'
	@touch $@
