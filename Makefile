# The tasks of lab-alert; `make` lists them. Each brings what it needs and says what it downloads.

PYTHON ?= python3
DURATION ?= 45
N ?= 200000
FAULTS ?= 204
RATE ?= 500
EVERY ?= 20
MODULES ?=
SEED ?= 1
VENV := .venv
RUN := $(VENV)/bin
STORIES := $(wildcard ../shared/stories/check.py)
LOCK := $(RUN)/uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --quiet --upgrade
TESTS := tests/unit tests/property rules consumer

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install kafka-jars demo check lint test test-ops test-deep test-faults test-faults-mutants soak fuzz coverage bench bench-backlog bench-quick kafka lock clean

help: ## list the tasks
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(RUN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed: make PYTHON=python3.11 ..." >&2; exit 1; }
	@echo "Making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Debian keeps venv apart: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.installed: requirements-dev.txt pyproject.toml | $(RUN)/python
	@echo "Installing the locked packages into $(VENV) (about 60 MB to download the first time)"
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.txt
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

install: $(VENV)/.installed ## the virtual environment with everything for running and developing

kafka-jars: install
	@$(RUN)/python -m consumer.kafka.brokers --prepare

demo: install kafka-jars ## a simulated ward through a real local Kafka, alerts as they come; DURATION=45 seconds
	@$(RUN)/lab-alert demo --duration $(DURATION)

lint: install
	$(RUN)/ruff format --check --quiet .
	$(RUN)/ruff check --quiet .
	$(RUN)/mypy
	$(RUN)/lint-imports --no-cache

check: lint ## format, lint, types, import directions, unit and property tests (under a minute)
	HYPOTHESIS_PROFILE=check $(RUN)/pytest --quiet $(TESTS)

test: lint kafka-jars ## everything but what needs Debian packages: check, and the service on a real Kafka
	$(RUN)/pytest --numprocesses=auto tests/property
	$(RUN)/pytest --ignore=tests/ops --ignore=tests/property $(if $(STORIES),,--ignore=tests/stories)

test-ops: install .build/promtool ## Prometheus rules and /metrics, tried by Prometheus' own promtool
	PATH="$(CURDIR)/.build:$$PATH" $(RUN)/pytest tests/ops

# Unpacked, not installed: no root is needed and no Prometheus is started.
.build/promtool:
	@mkdir -p .build
	@if command -v promtool >/dev/null; then ln -sf "$$(command -v promtool)" $@; else \
		echo "Fetching Debian's package prometheus (19 MB) for promtool, into .build"; \
		cd .build && { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; } 2>/dev/null; \
		dpkg-deb --extract prometheus_*.deb prometheus-deb && ln -sf prometheus-deb/usr/bin/promtool promtool; fi

test-deep: install ## properties with 50,000 examples each; ONLY=who_notifies tries those alone (an hour or more in all)
	HYPOTHESIS_PROFILE=deep $(RUN)/pytest --numprocesses=auto $(if $(ONLY),-k "$(ONLY)") tests/property

fuzz: install ## the HL7 decoder against N=200000 mutated messages, from SEED=1 on (resume with the SEED that it names)
	$(RUN)/python -m tests.fuzz.hl7 --count $(N) --seed $(SEED)

test-faults: install kafka-jars ## members and a broker killed, frozen, cut off, FAULTS=204 times over three seeds from SEED=1; every invariant
	$(RUN)/python -m tests.fault --seed $(SEED) --seeds 3 --faults $(FAULTS)

test-faults-mutants: install kafka-jars ## short fault runs with a rule of KAFKA.md switched off each; every one must be noticed (15 min)
	$(RUN)/python -m tests.fault --seed $(SEED) --mutants

soak: DURATION = 1800
soak: install kafka-jars ## DURATION=1800 seconds at RATE=500 messages/s with a fault every EVERY=20 s; what everybody holds, before and after
	$(RUN)/python -m tests.fault.soak --seed $(SEED) --duration $(DURATION) --rate $(RATE) --every $(EVERY)

mutants: install ## rules/ changed in every function, one change at a time: the unit tests must notice 92 % (half an hour or more)
	$(RUN)/python -m tests.mutation $(MODULES)

coverage: install ## which lines and branches unit and property tests reach; of rules/ all of them, or it fails
	HYPOTHESIS_PROFILE=check $(RUN)/coverage run -m pytest --quiet $(TESTS)
	$(RUN)/coverage combine --quiet
	$(RUN)/coverage report
	$(RUN)/coverage report --include='rules/*' --fail-under=100

bench-quick: install kafka-jars ## messages a second beside a bare consumer of the same topic (under two minutes)
	$(RUN)/python -m bench.throughput

bench-backlog: install kafka-jars ## memory while a million messages are worked off, also behind a slow broker (COUNT=)
	$(RUN)/python -m bench.backlog $(COUNT)

bench: bench-quick ## that, and the parts one by one
	$(RUN)/python -m bench.parts

kafka: install kafka-jars ## a real Kafka on a loopback port, until Ctrl-C
	@$(RUN)/python -m consumer.kafka.brokers

lock: install ## compile pyproject.toml to the lock files, newest versions that it allows
	@echo "Asking the package index for versions and hashes"
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check uv
	$(LOCK) pyproject.toml --output-file requirements.txt
	$(LOCK) pyproject.toml --group dev --output-file requirements-dev.txt
	$(LOCK) --group build --output-file requirements-build.txt

clean: ## remove what was built or installed here (the jars in the user's cache stay)
	rm -rf $(VENV) .build .mypy_cache .ruff_cache .hypothesis .coverage* htmlcov dist
