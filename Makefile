# What a contributor runs, and what .ci/run runs in a new environment. `make PYTHON=.venv/bin/python test` names a Python.
PYTHON ?= python

.PHONY: all check test slow bench docs

all: check test

check:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

test:
	$(PYTHON) -m pytest -q -n auto --dist loadgroup

slow:
	$(PYTHON) -m pytest -q -n auto --dist loadgroup -m slow
	$(PYTHON) -m charrnn gradcheck

# A short run of the benchmarks, to see that they work; benchmarks/README.md has the commands that measure.
bench:
	$(PYTHON) benchmarks/training_step.py --shape 16,50,200,1 --threads 1 --runs 1 --seconds 0.2
	$(PYTHON) benchmarks/generating.py --runs 1 --seconds 0.2

# Everything in docs/ that a program writes: the help of the commands, the map, the outputs shown, the pictures.
docs:
	$(PYTHON) -m tests.commands_page
	$(PYTHON) -m tests.design_map
	$(PYTHON) -m tests.documents
	$(PYTHON) -m docs.screenshots
