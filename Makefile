# Every target stands on tools/setup.sh, which installs what is missing (as root, on Debian 12) or says what to install.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
STRESS_SECONDS ?= 60
# Precompiled headers and paths must not defeat the compiler cache.
export CCACHE_BASEDIR ?= $(CURDIR)
export CCACHE_NOHASHDIR ?= 1
export CCACHE_SLOPPINESS ?= pch_defines,time_macros

.PHONY: help build demo model test check world clients bench lint format asan tsan stress fuzz coverage neon avx512 install clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

build: ## Build the program: build/release/quern
	@tools/setup.sh build
	@tools/configure.sh release
	@ninja -C build/release -j $(JOBS) quern

demo: build ## Fetch the demo model once and stream an answer from it
	@tools/demo.sh

model: ## Fetch the demo model into the model store
	@tools/setup.sh python
	@python3 tools/fetch_model.py

test: ## Build everything; unit, parity, golden and world tests; the structure checks
	@tools/setup.sh build python
	@tools/configure.sh release
	@ninja -C build/release -j $(JOBS)
	@$(MAKE) --no-print-directory model check
	@tools/world.sh
	@tools/ctest.sh build/release

check: ## Layer, JSON, OS-call and path rules; no weak symbols in ISA objects (after a build)
	@python3 -m unittest discover -q -s tests/tools -p '*_test.py'
	@python3 tools/check_layers.py
	@python3 tools/check_architecture.py
	@python3 tools/check_isa_symbols.py build/release

world: build model ## Compare with other implementations from PyPI
	@ninja -C build/release -j $(JOBS)
	@tools/world.sh

clients: build ## The real clients of PyPI and npm against the built server
	@tools/setup.sh python
	@command -v npm >/dev/null || tools/setup.sh node || true
	@tools/clients.sh

bench: ## Build and run the micro-benchmarks
	@tools/setup.sh build
	@tools/configure.sh bench
	@ninja -C build/bench -j $(JOBS)
	@tools/bench.sh build/bench

lint: ## clang-format and clang-tidy over every source file
	@tools/setup.sh build lint python
	@tools/venv.sh tools/lint-requirements.txt
	@tools/configure.sh lint
	@ninja -C build/lint --quiet build.ninja  # nothing is built, but new files must be known
	@python3 tools/lint.py --jobs $(JOBS)

format: ## Rewrite the sources as clang-format wants them
	@tools/setup.sh lint
	@python3 tools/lint.py --fix-format

asan: ## Unit and small-model tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/setup.sh build
	@tools/configure.sh asan
	@ninja -C build/asan -j $(JOBS)
	@tools/ctest.sh build/asan -L san

tsan: ## The same tests under ThreadSanitizer
	@tools/setup.sh build
	@tools/configure.sh tsan
	@ninja -C build/tsan -j $(JOBS)
	@tools/ctest.sh build/tsan -L san

stress: ## 64 clients on one engine for STRESS_SECONDS (default 60) under each of tsan and asan
	@tools/setup.sh build
	@for kind in tsan asan; do \
	  tools/configure.sh $$kind && ninja -C build/$$kind -j $(JOBS) test_stress && \
	  QUERN_STRESS_SECONDS=$(STRESS_SECONDS) tools/ctest.sh build/$$kind -L stress --verbose || exit 1; \
	done

fuzz: ## Run each fuzz target for FUZZ_SECONDS (default 60)
	@tools/setup.sh build fuzz
	@tools/configure.sh fuzz
	@tools/fuzz.sh build/fuzz $(FUZZ_SECONDS)

coverage: ## Line coverage of the tests outside apps/; fails under 90%
	@tools/setup.sh build python coverage
	@command -v npm >/dev/null || tools/setup.sh node || true
	@tools/configure.sh coverage
	@ninja -C build/coverage -j $(JOBS)
	@$(MAKE) --no-print-directory model
	@tools/coverage.sh build/coverage 90

neon: ## Build for 64-bit ARM and run the tests of what depends on the machine under qemu
	@tools/setup.sh build neon
	@tools/configure.sh neon
	@ninja -C build/neon -j $(JOBS) quern test_base test_tensor test_text test_gguf test_kernels test_parity
	@python3 tools/check_isa_symbols.py build/neon
	@tools/neon.sh build/neon

avx512: ## Run the kernel and parity tests with the AVX-512 kernels emulated, for machines without AVX-512
	@tools/setup.sh build avx512
	@tools/configure.sh avx512
	@ninja -C build/avx512 -j $(JOBS) test_kernels test_parity
	@python3 tools/check_isa_symbols.py build/avx512
	@tools/ctest.sh build/avx512 -R '^test_(kernels|parity)$$'

install: build ## Install the program and the library under PREFIX (default /usr/local), below DESTDIR if set
	@ninja -C build/release -j $(JOBS) quern_shared
	@DESTDIR="$(DESTDIR)" cmake --install build/release --prefix "$(PREFIX)" --component quern

clean: ## Remove every build folder
	@rm -rf build
