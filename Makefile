PYTHON ?= python3
REQUIREMENTS ?= requirements.txt
BIN := .venv/bin
READY := .venv/ready
PEERS := _build/peers
SHIPPED := _build/shipped
DETECTORS := _build/detectors
FUZZ := _build/fuzz
MUTMUT := _build/mutmut
PUBLISH := _build/publish
OLDEST := _build/oldest
NBGRADER := _build/nbgrader
NOTEBOOKS := $(wildcard chapters/*.ipynb chapters/*/*.ipynb)
PYTEST := $(BIN)/pytest -n logical --dist worksteal --nbmake --doctest-modules chapters tests vaelib
OUT ?= _build/gpu
CARRY := _build/carry
export JUPYTER_PATH := $(CURDIR)/.venv/share/jupyter

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s%s\n", $$1, $$2 }' Makefile

book: $(READY) ## build the site, running every chapter
	$(BIN)/jupyter-book build . -W --keep-going
	@echo "Open $(CURDIR)/_build/html/index.html"

test: $(if $(K),$(READY),book) $(PUBLISH)/ready $(NBGRADER)/ready ## check style, library, chapters and site; with K=WORD what belongs to a word
	$(BIN)/nbstripout --keep-id --verify $(NOTEBOOKS)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(PYTEST) $(if $(K),-k "$(K)" -m "not long and not site")

long: book $(PUBLISH)/ready $(NBGRADER)/ready ## run the tests that take more than half a minute
	$(PYTEST) -m long

pdf: book $(PUBLISH)/ready ## print the book as one PDF (five minutes; needs Chromium)
	PYTHONPATH=$(PUBLISH) $(BIN)/python -m publish.pdf

slides: book $(PUBLISH)/ready ## make a deck of slides for each chapter (two minutes; needs Chromium)
	PYTHONPATH=$(PUBLISH) $(BIN)/python -m publish.slides

lighthouse: book ## say what Lighthouse thinks of the built site (needs Node and Chromium)
	$(BIN)/python benchmarks/lighthouse.py

bench: $(READY) $(PEERS)/ready ## measure speed against peers and the machine (a quarter of an hour)
	PYTHONPATH=$(PEERS) $(BIN)/python -m benchmarks $(OPTIONS)

shipped: $(READY) $(SHIPPED)/ready ## audit losses as well-known packages ship them (a minute)
	PYTHONPATH=$(CURDIR)/$(SHIPPED) $(BIN)/python -m benchmarks.shipped

detectors: $(READY) $(DETECTORS)/ready ## find odd rows with a VAE and with well-known detectors (half an hour)
	PYTHONPATH=$(DETECTORS) $(BIN)/python -m benchmarks.detectors

gpu: ## check and measure on a GPU, with a Python that has torch (nine minutes; OUT=folder)
	PYTHONPATH=$(CURDIR) $(PYTHON) -m benchmarks.gpu --out $(OUT) $(OPTIONS)

carry: $(READY) ## bring together what `make gpu` needs on a machine without a network
	rm -rf $(CARRY) && mkdir -p $(CARRY)/mnist
	$(BIN)/python -m pip freeze --exclude-editable > $(CARRY)/versions
	for python in 3.11 3.12; do $(BIN)/python -m pip download --quiet --only-binary=:all: \
		--python-version $$python --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 \
		--constraint $(CARRY)/versions --dest $(CARRY)/wheels pytest tqdm pooch pillow || exit; done
	[ -z "$$VAELIB_DATA_DIR" ] || cp "$$VAELIB_DATA_DIR"/*-ubyte* $(CARRY)/mnist
	VAELIB_DATA_DIR=$(CARRY)/mnist $(BIN)/python -m vaelib data mnist
	[ "$$(du -sm $(CARRY) | cut -f1)" -le 64 ] || { echo "$(CARRY) is larger than 64 MiB"; exit 1; }
	@du -sm $(CARRY) | sed 's|\t| MiB to be copied along: |'

fuzz: $(READY) $(FUZZ)/ready ## feed the reader of MNIST's files a million inputs that coverage guides (some seconds)
	PYTHONPATH=$(FUZZ) $(BIN)/python tests/fuzz/idx.py -runs=1000000 -max_len=64 -timeout=5 \
		-rss_limit_mb=512 -artifact_prefix=$(FUZZ)/ $(FUZZ)/corpus tests/fuzz/seeds

mutants: $(READY) $(MUTMUT)/ready ## break library and chapters on purpose, and see who notices (hours; OPTIONS=room...)
	PYTHONPATH=$(CURDIR)/$(MUTMUT) $(BIN)/python tests/mutants $(OPTIONS)

tested: $(READY) $(FUZZ)/ready ## record what guards data, checkpoints and numbers (two minutes)
	$(BIN)/python tests/project/tested.py

oldest: $(READY) $(OLDEST)/ready ## test the library with the oldest torch (twenty minutes), and record it
	$(BIN)/python tests/project/tested.py $(OLDEST)

teach: $(READY) $(NBGRADER)/ready ## write a class's copies, and assignments for nbgrader (SEED=7 for other numbers)
	$(BIN)/python -m publish.teach $(if $(SEED),--seed $(SEED)) $(OPTIONS)

lab: $(READY) ## open the chapters in JupyterLab
	$(BIN)/jupyter lab chapters

notebooks: $(READY) ## make the branch of notebooks that know their repository and commit
	$(BIN)/python _ext/address.py

release: begun book pdf ## make the files of an edition (VERSION=1.2.0)
	PYTHONPATH=_ext $(BIN)/python -m publish.release pack "$(VERSION)"

begun: $(READY)
	PYTHONPATH=_ext $(BIN)/python -m publish.release begin "$(VERSION)"

clean: ## remove the built site and every cache
	rm -rf _build .pytest_cache .ruff_cache

$(READY): requirements.txt pyproject.toml $(REQUIREMENTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "This book needs Python 3.11 or newer; name one: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "Python's venv module is missing; install it: sudo apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement $(REQUIREMENTS)
	@touch $@

$(PEERS)/ready: benchmarks/requirements.txt $(READY)
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(PEERS) --requirement $<
	@touch $@

$(SHIPPED)/ready: benchmarks/shipped/requirements.txt $(READY)
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(SHIPPED) --requirement $<
	@touch $@

$(DETECTORS)/ready: benchmarks/detectors/requirements.txt $(READY)
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(DETECTORS) --requirement $<
	@touch $@

$(FUZZ)/ready: tests/fuzz/requirements.txt $(READY)
	mkdir -p $(FUZZ)/corpus
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(FUZZ) --requirement $<
	@touch $@

$(PUBLISH)/ready: publish/requirements.txt $(READY)
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(PUBLISH) --requirement $<
	@touch $@

$(OLDEST)/ready: pyproject.toml $(READY)
	$(BIN)/python -m pip install --quiet --upgrade --target $(OLDEST) \
		--extra-index-url https://download.pytorch.org/whl/cpu \
		"torch==$$(sed -n 's/.*"torch>=\([0-9.]*\)".*/\1.0/p' pyproject.toml)"
	@touch $@

$(MUTMUT)/ready: tests/mutants/requirements.txt $(READY)
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(MUTMUT) --requirement $<
	@touch $@

$(NBGRADER)/ready: publish/teach/requirements.txt $(READY)
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(NBGRADER) --requirement $<
	@touch $@

.PHONY: help book test long pdf slides lighthouse bench shipped detectors gpu carry fuzz mutants tested oldest teach lab notebooks release begun clean
