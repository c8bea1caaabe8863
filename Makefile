# Works with the make that macOS has (3.81) and a plain sh.
MAKEFLAGS += --no-builtin-rules --no-print-directory

PORT ?= 8000
BENTOML_HOST ?= 127.0.0.1
# BentoML reports each build and serve to its makers unless told not to.
export BENTOML_DO_NOT_TRACK := True

PYTHON_HERE := .venv/bin/python
INSTALLED := .venv/.installed
# Stamps outlive the interpreter they were made with: Homebrew removes it with the next release.
GONE := $(shell test -x $(PYTHON_HERE) || echo always)

.PHONY: help serve train demo test console-test bench check fix docs bento image image-test secrets fuzz chaos silence clients-test base-image lock clean always

help: ## list what make can do here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s  %s\n", $$1, $$2 }' Makefile

serve: $(INSTALLED)-train ## serve clf at PORT (8000), after training it where there is none
	@BENTOML_HOST="$(BENTOML_HOST)" PORT="$(PORT)" $(PYTHON_HERE) -m scripts.preflight
	@$(PYTHON_HERE) -m models show clf >/dev/null 2>&1 || $(PYTHON_HERE) -m train
	@echo "Serving on http://$(BENTOML_HOST):$(PORT) (Ctrl-C stops it). In another terminal:"
	@echo "  curl -d '@$(CURDIR)/tests/data/predict_digit8.json' http://$(BENTOML_HOST):$(PORT)/predict/"
	@exec .venv/bin/bentoml serve . --host "$(BENTOML_HOST)" --port "$(PORT)"

train: $(INSTALLED)-train ## train a new version of clf; ARGS="--help" tells what else there is
	@$(PYTHON_HERE) -m train $(ARGS)

demo: $(INSTALLED)-train ## production in fast-forward: a model goes wrong and comes right again, with a picture of it
	@$(PYTHON_HERE) -m demo $(ARGS)

test: $(INSTALLED)-dev ## run every test, on a model store of their own
	@unset PORT $(filter-out BENTOML_DO_NOT_TRACK,$(filter BENTOML_% PUPILA_%,$(.VARIABLES))); \
	exec $(PYTHON_HERE) -m pytest --quiet -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

console-test: $(INSTALLED)-dev ## use the console in Chromium as people do, for minutes, with new pictures in docs/images/console
	@unset PORT $(filter-out BENTOML_DO_NOT_TRACK,$(filter BENTOML_% PUPILA_%,$(.VARIABLES))); \
	CONSOLE_LABELS=200 CONSOLE_PICTURES=1 REQUIRE_BROWSER=1 \
	exec $(PYTHON_HERE) -m pytest --quiet tests/console $(ARGS)

bench: $(INSTALLED)-dev ## compare with other servers, into bench/results.md; ARGS="--help" tells what is compared
	@$(PYTHON_HERE) -m bench.serving $(ARGS)

check: $(INSTALLED)-dev ## lint, formatting, types, documentation
	@.venv/bin/ruff check --quiet
	@.venv/bin/ruff format --check --diff --quiet
	@.venv/bin/mypy --no-error-summary
	@$(PYTHON_HERE) -m scripts.check_docs

fix: $(INSTALLED)-dev ## fix what can be fixed automatically: lint, formatting, docs/settings.md, docs/commands.md
	@.venv/bin/ruff check --fix --quiet --exit-zero
	@.venv/bin/ruff format --quiet
	@$(PYTHON_HERE) -m scripts.rules
	@$(PYTHON_HERE) -m scripts.check_docs --write

docs: $(INSTALLED)-dev ## run the examples in the documentation and write down what they print now
	@$(MAKE) fix
	@$(PYTHON_HERE) -m bench.figure
	@unset PORT $(filter-out BENTOML_DO_NOT_TRACK,$(filter BENTOML_% PUPILA_%,$(.VARIABLES))); \
	WRITE_DOCS=1 exec $(PYTHON_HERE) -m pytest --quiet tests/live/test_docs.py $(ARGS)

# BentoML would fetch a uv of any version if the path had none.
bento: $(INSTALLED)-dev ## build a Bento of the service and the champion of every model
	@PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/bentoml build

image: $(INSTALLED)-dev .env ## build the container image pupila:latest, after training clf where there is none
	@$(PYTHON_HERE) -m models show clf >/dev/null 2>&1 || $(PYTHON_HERE) -m train
	@scripts/image "pupila:$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)" pupila:latest

# For Compose: the example, readable by its user only.
.env: secrets
	@umask 077; test -f $@ || { cp .env.example $@.part && chmod 600 $@.part && mv $@.part $@; }

# Passwords, each a file in a folder that nobody else can enter. An older .env had one in it.
secrets: ## create the passwords of Compose in .secrets, where they are missing
	@umask 077; mkdir -p .secrets; chmod 700 .secrets; \
	for name in owner server grafana; do \
		file=.secrets/$$name; test -s $$file && continue; \
		password=; \
		if test $$name = owner && test -f .env; then \
			password=$$(sed -n "s/^POSTGRES_PASSWORD=//p" .env | tr -d "'\""); fi; \
		test "$$password" || password=$$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n'); \
		printf %s "$$password" >$$file.part && chmod 444 $$file.part && mv $$file.part $$file; \
		echo "Wrote $$file, a password for Compose."; \
	done; \
	if test -f .env && ! grep -q '^SECRETS=' .env; then echo SECRETS=./.secrets >>.env; fi

image-test: $(INSTALLED)-dev ## build an image of the tests' own models, run it and attack it
	@unset PORT $(filter-out BENTOML_DO_NOT_TRACK,$(filter BENTOML_% PUPILA_%,$(.VARIABLES))); \
	exec scripts/image-test $(ARGS)

fuzz: $(INSTALLED)-dev ## send 20,000 broken images, bodies and conversations; CASES=100 SEED=2 for others
	@FUZZ_CASES=$(or $(CASES),20000) FUZZ_SEED=$(or $(SEED),1) \
	$(PYTHON_HERE) -m pytest --quiet tests/fuzz tests/live/test_document.py \
	tests/live/test_hostile_bodies.py

chaos: $(INSTALLED)-dev ## break everything under load for ten minutes, into bench/chaos.md; ARGS="--seed 2"
	@$(PYTHON_HERE) -m bench.chaos $(ARGS)

silence: $(INSTALLED)-dev ## listen for a minute whether any command, or a server, opens a connection by itself
	@SILENCE_SECONDS=60 REQUIRE_NETNS=1 $(PYTHON_HERE) -m pytest --quiet tests/live/test_silence.py

clients-test: $(INSTALLED)-dev ## install other people's clients, each by itself, and print all their calls and answers
	@CLIENTS=1 $(PYTHON_HERE) -m pytest --quiet tests/clients $(ARGS)

base-image: $(INSTALLED)-dev ## ask the registry for the digest of the base image, into deploy/image/base
	@$(PYTHON_HERE) -m scripts.base_image

lock: $(INSTALLED)-dev ## compile requirements/ from pyproject.toml; ARGS=--upgrade takes newer releases
	@scripts/lock $(ARGS)

clean: ## remove .venv, caches and build/; models stay
	@rm -rf .venv build .mypy_cache .pytest_cache .ruff_cache .hypothesis .schemathesis
	@find . -name __pycache__ -prune -exec rm -rf {} +

$(INSTALLED)-%: requirements/%.txt $(GONE)
	@scripts/install $*
