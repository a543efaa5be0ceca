# Works from any folder: make -C path/to/liyu run
# The system's own Python is built with profile-guided optimisation, which makes it up to half as fast again as others.
PYTHON ?= $(shell /usr/bin/python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo /usr/bin/python3 || echo python3)
BIN := .venv/bin
# Without its bytecode a start takes twice as long.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup dev run test prove check format bench paint imports live

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

setup: ## install everything that Liyu needs into .venv; starts nothing
	@$(PYTHON) -m scripts.setup

dev: ## the same, and what the tests and checks need
	@$(PYTHON) -m scripts.setup --dev

run: setup ## start Liyu with its demo program and show the addresses (Ctrl-C stops it)
	@exec $(BIN)/liyu run

test: dev ## all tests; ARGS="tests/core -k ledger" picks some
	@exec $(BIN)/python -m pytest -n 2 $(ARGS)

prove: dev ## the long proofs at full size: faults, histories, imports, everything by Hypothesis
	@LIYU_TEST_PROOF=full LIYU_TEST_STEPS=10000 exec $(BIN)/python -m pytest -n 2 -m "proof or hypothesis" --timeout 3600 $(ARGS)

check: dev ## format, lint, types, templates, import rules, locks
	@exec $(BIN)/python -m scripts.check

format: dev ## put the code into its format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: dev ## measure the speed against ceilings of the same run
	@exec $(BIN)/python -m bench $(ARGS)

imports: dev ## import a file of 100,000 members: how long it takes
	@exec $(BIN)/python -m bench.imports $(ARGS)

live: dev ## 2,000 open streams of stock on one process: how soon all see a change while redemptions go on
	@exec $(BIN)/python -m bench.live

paint: dev ## measure a first visit with a slow phone: largest paint, layout shift, bytes
	@exec $(BIN)/python -m bench.paint
