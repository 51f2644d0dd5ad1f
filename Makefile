# One command per verb; `make help` lists them. Every target that needs it does the set-up itself.
.DEFAULT_GOAL := help
.PHONY: help setup demo test-tools test test-console check lint-deploy test-scale sizing \
  try-images chaos drill bench-streaming bench-counters bench-training bench-state bench-scorer \
  fuzz-scorer bench-ranking bench-retrain client-go exploration-study delay-study up down status \
  clean

python := .venv/bin/python
SOURCE ?= world
ARGS ?=

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing: system tools (as root), .venv, Kafka and Flink jars; again: nothing
	@bash deploy/setup.sh

demo: setup ## run the whole loop for a few minutes; SOURCE=world (default), criteo or open-bandit
	@$(python) -m deploy.demo $(SOURCE) $(ARGS)

test-tools: setup
	@bash deploy/setup.sh --test-tools

test: test-tools check ## run the checks and every test; ARGS='tests/schemas -x' narrows the Python ones
	@mvn -q -B -f streaming/java/pom.xml test
	@$(python) -m pytest $(ARGS)

test-console: test-tools ## the operator's console in a real browser, with savepoints of a real job
	@$(python) -m pytest -m 'slow or not slow' tests/deploy/console $(ARGS)

check: setup ## lint, format, types, direction of imports, generated files up to date
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .
	@$(python) -m mypy
	@.venv/bin/lint-imports
	@$(python) -m schemas check

lint-deploy: setup ## Dockerfiles, compose file and Kubernetes resources by the tools made for them
	@bash deploy/lint.sh

test-scale: setup ## two TaskManagers and two scorers, a rescale in between (minutes)
	@$(python) -m pytest -q tests/deploy/scale_trial.py $(ARGS)

sizing: setup ## measure one core, and say what 10 k, 100 k and 1 M requests/s need (minutes)
	@$(python) -m tests.benchmarks.sizing $(ARGS)

try-images: setup ## the build steps of the images, in clean environments outside of Docker (minutes)
	@bash deploy/docker/try_build.sh

chaos: setup ## half a million impressions while every process is killed with -9; accounts to the last one
	@$(python) -m tests.chaos $(ARGS)

drill: test-tools ## break a real stack five ways; real alerts of a real Prometheus fire and clear
	@$(python) -m deploy.drill $(ARGS)

bench-streaming: setup ## the join against plain SQL and a Python function on one core; ARGS='--sweep rocksdb': by state
	@$(python) -m tests.benchmarks.bench_streaming $(ARGS)

bench-counters: setup ## counters to a real Redis on one core: engagements/s, and how fresh the rows are
	@$(python) -m tests.benchmarks.bench_counters $(ARGS)

bench-training: setup ## rows/s of our trainer and of deepctr-torch; ARGS=--learner: the online learner
	@$(python) -m pip -q show deepctr-torch 2>/dev/null || $(python) -m pip install -q -c constraints.txt deepctr-torch
	@OMP_NUM_THREADS=1 $(python) -m tests.benchmarks.bench_training $(ARGS)

bench-state: setup ## bytes that a checkpoint of the learner writes, for tables of 0.1 M to 10 M rows
	@$(python) -m tests.benchmarks.bench_state $(ARGS)

bench-scorer: setup ## a scorer under load while model, counters and ads change
	@$(python) -m tests.benchmarks.bench_scorer $(ARGS)

fuzz-scorer: setup ## 10,000 requests made from the descriptors of all methods: none ends as INTERNAL
	@SCORER_FUZZ_CASES=10000 $(python) -m pytest -q tests/scorer/test_any_client.py $(ARGS)

bench-ranking: setup ## retrieval and ranking alone over 10 M ads, against numpy with ONNX Runtime and torch eager
	@$(python) -m tests.benchmarks.bench_ranking $(ARGS)

bench-retrain: setup ## retraining from lakes of one and ten sizes, by one process and by two
	@$(python) -m tests.benchmarks.bench_retrain $(ARGS)

client-go: setup ## generate Go stubs and build the example of a client in Go: .build/go/rank
	@bash scorer/client/go/build.sh

exploration-study: setup ## curves of policies that explore and of a greedy one, in the simulated world
	@$(python) -m deploy.exploration $(ARGS)

delay-study: setup ## late clicks of real rows through the real jobs, by method; ARGS='--files FILE --methods es_dfm wait'
	@$(python) -m deploy.delay_study $(ARGS)

up: setup ## start the local stack in the background: Kafka, Redis, both Flink jobs, a scorer, the console
	@$(python) -m deploy.local up

down: ## stop the local stack; its data stay in .local
	@$(python) -m deploy.local down

status: ## show every part of the local stack; fails unless all are healthy
	@$(python) -m deploy.local status

clean: ## stop the local stack, delete its data (.local), built jars (.build) and caches; keeps .venv
	@[ ! -x $(python) ] || $(python) -m deploy.local down
	@rm -rf .local .build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@rm -rf streaming/java/target deploy/local/kafka/target demo.json demo.png
	@find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
