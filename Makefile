# Two commands are all a newcomer needs: `make demo` and `make test`. Each makes what it needs.

VENV := .venv
BIN := $(VENV)/bin
RUFF := $(BIN)/ruff
LAION := .venv-laion
ORIGINALS := .venv-extractors

# The first Python >= 3.11 there is, or the one in PYTHON=…; asked only when a recipe needs it.
FIND_PYTHON = for p in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { command -v "$$p"; exit 0; }; done; exit 1

# Tests run on the cores there are, but each of them holds a store and a model of its own.
JOBS ?= $(shell n=$$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN); echo $$(( n < 8 ? n : 8 )))

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-laion test-extractors bench train-ear lint format proto constraints clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/	/' | expand -t 14

# One stamp per set of extras, re-made only when what is to be installed changes, so that a second
# run starts at once. A kernel lock keeps two makes from installing at the same time.
$(VENV)/.installed-%: pyproject.toml constraints.txt
	@python="$$($(FIND_PYTHON))" || { \
		echo "Segue needs Python 3.11 or newer with venv; this machine's python3 is:" \
		     "$$(python3 --version 2>&1). Install one, or say which: make PYTHON=/path/to/python3" >&2; \
		exit 1; }; \
	"$$python" .ci/install.py $(VENV) $* && touch $@

demo: $(VENV)/.installed-base ## render a small library, index it, serve it, query it over gRPC
	@$(BIN)/segue demo --keep .demo

test: $(VENV)/.installed-dev,models lint ## lint, check types and layers, and run the tests
	$(BIN)/pytest -n $(JOBS) -m 'not slow'

test-slow: $(VENV)/.installed-dev,models ## run the tests that take minutes
	$(BIN)/pytest -n $(JOBS) -m slow

# Packages that demand other versions than the rest, and Python 3.11.
.venv-%/.installed: .ci/%.py .ci/apart.py pyproject.toml constraints.txt
	@for p in $(PYTHON) python3.11 python3; do \
		"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' \
			2>/dev/null && { "$$p" .ci/$*.py .venv-$* && touch $@; exit; }; \
	done; \
	echo "test-$* needs Python 3.11 with venv: make test-$* PYTHON=/path/to/python3.11" >&2; \
	exit 1

test-laion: $(LAION)/.installed ## compare CLAP with LAION's own package, in another environment
	$(LAION)/bin/pytest tests/laion

test-extractors: $(ORIGINALS)/.installed ## compare extractors with their originals, in another environment
	$(ORIGINALS)/bin/pytest -rs tests/extractors

bench: $(VENV)/.installed-bench,models,onnx ## print the benchmarks; SECTION=wire|indexing|engines|updates|describe|video|recommender|ear|models for some
	@$(BIN)/python -m tests.bench $(SECTION)

lint: $(VENV)/.installed-dev ## check style, types and layers
	$(RUFF) check .
	$(RUFF) format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.installed-dev ## put the code in its standard form
	$(RUFF) check --fix .
	$(RUFF) format .

train-ear: $(VENV)/.installed-train ## render music and train the built-in ear on it (hours)
	$(BIN)/python -m indexer.training render .ear
	$(BIN)/python -m indexer.training train .ear .ear/ear.pt
	$(BIN)/python -m indexer.training align .ear .ear/ear.pt
	$(BIN)/python -m indexer.training evaluate .ear .ear/ear.pt --recordings ../shared/audio

proto: $(VENV)/.installed-dev ## regenerate the protobuf code
	$(BIN)/python -m grpc_tools.protoc -Iprotos --python_out=. --grpc_python_out=. --pyi_out=. \
		protos/retrieval/api/v1/*.proto

constraints: $(VENV)/.installed-dev ## pin the newest versions that fit pyproject.toml
	$(BIN)/python .ci/constraints.py

clean: ## remove what make created
	rm -rf $(VENV) $(LAION) $(ORIGINALS) $(VENV)*.lock .demo .ear build dist *.egg-info .*_cache .hypothesis
