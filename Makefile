# Each target works as the first command on a fresh machine: it makes .venv, or reuses it.
#   make demo    the main job on the shipped case -> out/demo
#   make test    all tests
#   make env     core only, so that .venv/bin/s2f works
#   make check   ruff and mypy

VENV := .venv
BIN := $(VENV)/bin
# setuptools warns at every editable install, which pip passes on even when quiet; errors are still shown.
PIP_INSTALL := PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test env check figures

demo: env
	$(BIN)/s2f demo --overwrite --out out/demo

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest --shapes

env: $(VENV)/core.stamp

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/made.stamp: scripts/system-packages scripts/make-venv
	scripts/system-packages
	scripts/make-venv $(VENV)
	@touch $@

$(VENV)/core.stamp: $(VENV)/made.stamp pyproject.toml constraints.txt
	@echo "Installing s2f into $(VENV); the first time takes some minutes."
	$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/core.stamp
	@echo "Installing what the tests need into $(VENV)."
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $@

# The README's pictures, drawn anew.
figures: env
	$(BIN)/python scripts/draw_figures.py
	$(BIN)/python scripts/draw_cohort.py
