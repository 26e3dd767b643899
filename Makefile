# The commands of the project. `make lab` opens the first notebook, `make test` runs every test;
# both set up what they need, and do nothing twice.

PYTHON ?= $(shell command -v /usr/bin/python3 python3 | head -n 1)
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: lab test setup engines same notebooks binder release lint types bench lock clean
.DEFAULT_GOAL := lab

lab: setup
	$(BIN)/layerlab lab $(LAYERLAB_LAB_ARGS)

test: setup
	$(BIN)/python -m pytest $(PYTEST_ARGS)

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml binder/apt.txt binder/packages.sh
	binder/packages.sh install < binder/apt.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

# What the tests compare with: a real dockerd, a registry, skopeo, a browser. Needs root.
engines: setup
	binder/packages.sh require < tests/engines/apt.txt
	tests/engines/dockerd.sh start

# Slow comparisons with a real dockerd, entry by entry; run before a release.
same: engines
	LAYERLAB_SLOW=1 $(BIN)/python -m pytest tests/compat tests/engine/build -m slow -s $(PYTEST_ARGS)

# Every notebook on every engine, as found and solved.
notebooks: engines
	LAYERLAB_SLOW=1 $(BIN)/python -m pytest tests/notebooks $(PYTEST_ARGS)

# The pod that the launch links start: its image as repo2docker makes it, run as Binder runs it, driven in a browser.
binder: engines
	LAYERLAB_SLOW=1 $(BIN)/python -m pytest tests/binder -m slow -s $(PYTEST_ARGS)

# The branch `learners`, which the launch links open: the last commit without solutions and hidden tests.
release: setup
	$(BIN)/python binder/release.py

lint: setup
	$(BIN)/ruff check kit graders tests benchmarks binder
	$(BIN)/ruff format --check kit graders tests benchmarks binder

types: setup
	$(BIN)/mypy

bench: engines
	$(BIN)/python -m benchmarks

# Writes requirements.lock anew from what pyproject.toml asks for.
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet '.[dev]'
	build/lock/bin/python -m pip freeze --exclude layerlab |\
		sed 's/^dockerfile==.*/&; platform_machine == "x86_64"/' > requirements.lock

clean:
	-$(BIN)/layerlab engine stop
	-$(BIN)/layerlab registry stop
	-tests/engines/dockerd.sh stop
	rm -rf .venv build
