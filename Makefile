# Predictor for PostgreSQL: everything is run from here, `make help` lists it. Nothing is written outside build/.
#   PG_CONFIG=/path/to/pg_config   the PostgreSQL to build for (default: the newest installed with its headers)
#   TORCH_DIR=/path/to/libtorch    train with that LibTorch (CUDA, for one) instead of the system's
#   DESTDIR=/some/root             stage `make install` there
.DEFAULT_GOAL := all
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

BUILD := build
PG_CONFIG ?= $(shell scripts/pg-config)
pg_major = $(shell $(PG_CONFIG) --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/')
extension_build = $(BUILD)/extension-$(pg_major)
stage = $(CURDIR)/$(BUILD)/stage-$(pg_major)
bindir = $(shell $(PG_CONFIG) --bindir)
JOBS ?= $(shell scripts/jobs)
make_extension = mkdir -p $(extension_build) && $(MAKE) -s -j $(JOBS) -C $(extension_build) \
	-f $(CURDIR)/extension/Makefile PG_CONFIG=$(PG_CONFIG) PLAN_LIB=$(CURDIR)/$(BUILD)/cmake/plan/libplan.a

.PHONY: help deps all configure plan engine tests extension install uninstall stage check installcheck demo bench bench-accuracy bench-capture bench-engine bench-gpu check-sanitize fuzz lint clean needs-postgresql

help: ## this list
	@sed -n -E 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' Makefile | expand -t 20

deps: ## install what is missing from Debian's packages (root or sudo)
	@scripts/deps

all: engine extension certs ## build predictor.so and predictord (default)

# CMake remembers where it stood and where it found LibTorch, so a moved tree or another LibTorch starts afresh.
configured_for = $(CURDIR) $(TORCH_DIR)
configure:
	@[ "$$(cat $(BUILD)/cmake/configured_for 2>/dev/null)" = "$(configured_for)" ] || rm -rf $(BUILD)/cmake
	@mkdir -p $(BUILD)/cmake && echo "$(configured_for)" >$(BUILD)/cmake/configured_for
	@cmake -S . -B $(BUILD)/cmake -DTORCH_DIR="$(TORCH_DIR)" >$(BUILD)/cmake.log 2>&1 || \
		{ cat $(BUILD)/cmake.log; echo 'make: configuring failed; is everything there? try: make deps' >&2; exit 1; }

quietly = | { grep -v 'Built target' || true; }
# The sub-build is parallel by itself, so an outer -j is not handed on.
cmake_build = MAKEFLAGS= cmake --build $(BUILD)/cmake --parallel $(JOBS) --target
plan: configure
	@$(cmake_build) plan -- -s $(quietly)

engine: configure
	@$(cmake_build) predictord predictorctl -- -s $(quietly)

tests: configure ## build the unit tests
	@$(cmake_build) all -- -s $(quietly)

extension: needs-postgresql plan
	@$(make_extension) all

# One file for whoever installs it, several for whoever reads it.
.PHONY: certs
certs:
	@mkdir -p $(BUILD) && certs/assemble >$(BUILD)/predictor-certs && chmod 755 $(BUILD)/predictor-certs

needs-postgresql:
	@test -n "$(PG_CONFIG)" || { echo 'make: no PostgreSQL with its server headers found; run: make deps' >&2; exit 1; }

install: all ## install module, SQL, predictord and predictor-certs where pg_config says (DESTDIR works)
	@$(make_extension) install >/dev/null
	@install -d "$(DESTDIR)$(bindir)"
	@install -m 755 $(BUILD)/cmake/engine/predictord $(BUILD)/cmake/engine/predictorctl $(BUILD)/predictor-certs "$(DESTDIR)$(bindir)/"
	@echo "installed for PostgreSQL $(pg_major)$(if $(DESTDIR), under $(DESTDIR))"

uninstall: needs-postgresql ## remove what install put there
	@$(make_extension) uninstall >/dev/null
	@rm -f "$(DESTDIR)$(bindir)/predictord" "$(DESTDIR)$(bindir)/predictorctl" "$(DESTDIR)$(bindir)/predictor-certs"

# What the demo and the tests run: an installation inside build/, so that nothing of the machine is touched.
stage:
	@rm -rf "$(stage)"
	@$(MAKE) install DESTDIR="$(stage)" >/dev/null

# deps may install the PostgreSQL that PG_CONFIG then names, hence the second make.
check: deps ## build, then run every test: lint, unit, regress, TAP; the last line says how it went
	@MAKE="$(MAKE)" PG_CONFIG="$(PG_CONFIG)" scripts/check

demo: deps ## the whole path on a throwaway cluster, with a verdict; KEEP=1 leaves it up, SEED=n changes the draw
	@MAKE="$(MAKE)" PG_CONFIG="$(PG_CONFIG)" bench/demo/run

bench: all ## benchmarks, each with its verdict
	@scripts/bench

bench-accuracy: engine ## how well each model predicts the trace files in TRACES=DIR; RESPLITS=n adds random splits
	@TRACES="$(TRACES)" RESPLITS="$(RESPLITS)" bench/accuracy/run

bench-capture: all stage ## what capture costs, with its verdict; ROUNDS=n
	@bench/capture/run

bench-engine: configure ## the engine's budgets: latency, idle and slow clients, start, memory
	@bench/engine/run

bench-gpu: ## training on a GPU against the CPU; TORCH_DIR names a LibTorch with CUDA; says so where there is no GPU
	@TORCH_DIR="$(TORCH_DIR)" bench/gpu/run

# Without LibTorch, which is not clean under them, hence a build of its own, and without the tests that train with it.
needs_torch = TreeTemplate.*:OpenGaussT*:OpenGaussModels.*:WorkerTest.*:ProcessTest.a_job_*:ProcessTest.a_running_*
check-sanitize: deps ## the unit and service tests of plan/ and engine/ under ASan and UBSan
	@cmake -S . -B $(BUILD)/sanitize -DWITH_TORCH=OFF -DCMAKE_BUILD_TYPE=Debug \
		-DCMAKE_CXX_FLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -Wno-error=maybe-uninitialized" \
		>$(BUILD)/sanitize.log 2>&1 || { cat $(BUILD)/sanitize.log; exit 1; }
	@MAKEFLAGS= cmake --build $(BUILD)/sanitize --parallel $(JOBS) --target plan_tests engine_tests predictord -- -s $(quietly)
	@GTEST_FILTER='-$(needs_torch)' ASAN_OPTIONS=detect_stack_use_after_return=0 UBSAN_OPTIONS=print_stacktrace=1 \
		ctest --test-dir $(BUILD)/sanitize --output-on-failure --no-tests=error && echo 'check-sanitize: ok'

fuzz: ## libFuzzer on the codec, control messages, traces and bundles, 60 s each
	@engine/fuzz/run

bench-predict: all stage ## what predictions cost, against their budgets; ROUNDS=n
	@bench/predict/run

# Without the engine and so without LibTorch: what check-versions tests.
.PHONY: bench-predict stage-extension check-versions
stage-extension: extension
	@rm -rf "$(stage)"
	@$(make_extension) install DESTDIR="$(stage)" >/dev/null

check-versions: ## the SQL tests and the EXPLAIN matrix on PostgreSQL 17 and 18, in chroots; says what it cannot check here
	@scripts/check-versions

installcheck: needs-postgresql ## the SQL regression tests against a running server with Predictor installed and preloaded
	@$(make_extension) installcheck

lint: ## borders between folders, formatting, shell scripts
	@scripts/lint

clean: ## remove build/
	@rm -rf $(BUILD)
