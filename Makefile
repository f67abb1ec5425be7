# Everything from a fresh clone with Python 3.11+ and make: `make demo`, `make test`.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
CHECK_PYTHON := import sys; sys.version_info >= (3, 11) or sys.exit('kerasette needs Python 3.11 or newer, but \
$(PYTHON) is %s. Name another: make demo PYTHON=python3.12' % sys.version.split()[0])

.PHONY: help demo test lint examples bench bugs long mutations wheel format clean

help:
	@echo "make demo      train on Iris and MNIST, save, load, show the figures"
	@echo "make test      all tests"
	@echo "make lint      ruff: rules and format"
	@echo "make examples  each example in a short form"
	@echo "make bench     timings against Keras, PyTorch, JAX and scikit-learn; large files against Keras"
	@echo "make bugs      plants numerical bugs one at a time; the tests must catch each"
	@echo "make long      thousands of kills and all random runs that are resumed: some minutes"
	@echo "make mutations 20,000 good files damaged at random: some minutes"
	@echo "make wheel     the wheel, tried alone in an empty environment"

$(VENV)/.base: pyproject.toml
	@test -x $(PY) || $(PYTHON) -c "$(CHECK_PYTHON)"
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PIP) -e ".[examples]"
	touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.base
	$(PIP) -e ".[test]"
	touch $@

$(VENV)/.wheel: pyproject.toml $(VENV)/.base
	$(PIP) "build>=1.2"
	touch $@

$(VENV)/.bench: pyproject.toml $(VENV)/.base
	$(PIP) "torch==2.13.0" -e ".[bench]"
	touch $@

demo: $(VENV)/.base
	$(PY) -m examples.demo

test: $(VENV)/.test
	$(PY) -m pytest -n 2 --dist loadfile

lint: $(VENV)/.test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

format: $(VENV)/.test
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

examples: $(VENV)/.base
	$(PY) -m examples.smoke

bench: $(VENV)/.bench
	$(PY) -m benchmarks.run
	$(PY) -m benchmarks.files

bugs: $(VENV)/.test
	$(PY) tools/plant_bugs.py

long: $(VENV)/.test
	KERASETTE_LONG=1 $(PY) -m pytest tests/test_resume.py tests/test_crash_safety.py

mutations: $(VENV)/.test
	KERASETTE_MUTATIONS=20000 $(PY) -m pytest tests/test_mutations.py -s

wheel: $(VENV)/.wheel
	$(PY) tools/try_wheel.py

clean:
	rm -rf $(VENV) dist build out
