# `make` alone explains the targets. Every target does its own set-up: a clone, make and Python 3.11 are enough.

# The first that runs and is new enough; a version manager may put names on the PATH that only complain.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MUTANTS := $(VENV)/mutants
QUICK := $(addprefix tests/,cron planning profile jobs test_layers.py test_public_names.py)
PEERS := $(foreach peer,apscheduler3 apscheduler4 huey,$(VENV)/peers/$(peer)/.ready)
CLUSTER_PEERS := $(foreach peer,procrastinate pgqueuer apscheduler4pg awa,$(VENV)/peers/$(peer)/.ready)

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-cluster test quick campaign mutants lint format bench bench-full bench-cluster picture lock clean

help: ## explain the targets
	@echo "systemprompt: scheduled jobs that can account for themselves"
	@echo
	@grep -E '^[a-z-]+: .*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18
	@echo
	@echo "  needs: git, make, Python 3.11 or newer (PYTHON=... picks one); everything else goes into $(VENV)/"

setup: $(READY) ## make the virtual environment in .venv

$(READY): pyproject.toml requirements/dev.lock
	@test -n "$(PYTHON)" || { echo "no Python found: install Python 3.11 or newer, or say make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11: say make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "setting up $(VENV) (once, about half a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q src
	@touch $(READY)

demo: $(READY) ## run real jobs on real input, kill the node in mid-run, and read the account
	@$(BIN)/python examples/demo/demo.py

demo-cluster: $(READY) ## three nodes on a real PostgreSQL: kill one, freeze one, restart the server, and read the account
	@$(BIN)/python examples/demo/demo_cluster.py

test: $(READY) ## lint, types, import rules and every test
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m pytest -n 3 --dist worksteal

quick: $(READY) ## the fast folders alone, in under half a minute
	@$(BIN)/python -m pytest -n 2 $(QUICK)

campaign: $(READY) ## kill, storm and fuzz for most of an hour (SEED=, MINUTES=, ONLY=storm3)
	@$(BIN)/python tests/campaign/campaigns.py $(ONLY)

mutants: $(READY) $(MUTANTS)/.ready ## change the rules one place at a time: does a test notice? (ONLY="planning cron", JOBS=)
	@MUTANTS_LIBRARY=$(MUTANTS) JOBS=$(JOBS) $(BIN)/python tests/mutants/mutants.py $(ONLY)

lint: $(READY) ## ruff and mypy, strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY) ## let ruff put the code in order
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(READY) $(PEERS) ## measure against floors and peers in the same run, a quarter of an hour
	@$(BIN)/python -m bench all

bench-full: $(READY) $(PEERS) ## the same with ten million runs, and 10,000 jobs for every peer
	@$(BIN)/python -m bench all --full

bench-cluster: $(READY) $(CLUSTER_PEERS) ## nodes and peers on a real PostgreSQL, half an hour (ONLY="rates lateness", FLAGS=--full)
	@$(BIN)/python -m bench cluster $(ONLY) $(FLAGS)

# Each peer in an environment of its own: APScheduler 3 and 4 have one name.
$(VENV)/peers/%/.ready: requirements/peers-%.lock | $(READY)
	@echo "setting up $* to measure against (once)"
	@rm -rf $(VENV)/peers/$*
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --target $(VENV)/peers/$* -r $<
	@touch $@

$(MUTANTS)/.ready: requirements/mutants.lock | $(READY)
	@echo "setting up what makes the mutants (once)"
	@rm -rf $(MUTANTS)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --target $(MUTANTS) -r $<
	@touch $@

picture: $(READY) ## draw the README's terminal again
	@$(BIN)/python docs/make_picture.py

lock: ## write the lock files in requirements/ again (needs uv)
	uv pip compile --universal --python-version 3.11 --group dev pyproject.toml --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-annotate --no-header --output-file requirements/dev.lock
	for other in requirements/*.in; do \
		uv pip compile --universal --python-version 3.11 $$other --generate-hashes --no-emit-index-url --no-emit-find-links \
			--no-annotate --no-header --output-file $${other%.in}.lock; done

clean: ## remove what the targets made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
