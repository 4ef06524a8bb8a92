# Cove: `make run` and `make test` are all the set-up there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build
PYTHON := .venv/bin/python

.PHONY: help build run test check fmt setup-build setup-test asan libtorrent crash bench-client bench-tracker bench-api bench-share fuzz

help: ## what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

build: setup-build ## the program, optimised: target/release/cove
	cargo build --release --locked

run: build ## install what is missing, build, and serve
	./target/release/cove serve

test: setup-build setup-test ## everything a change must pass
	cargo fmt --all --check
	cargo clippy --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked --document-private-items
	TEST_REQUIRE=1 TEST_PYTHON="$(CURDIR)/$(PYTHON)" cargo test --locked

check: ## the quick part of test: format, lints, unit tests, the house test
	cargo fmt --all --check
	cargo clippy --all-targets --locked -- -D warnings
	cargo test --locked --lib
	cargo test --locked --test main house::

fmt: ## format the source
	cargo fmt --all

setup-build: ## install what building needs, if it is missing
	@scripts/setup.sh build

setup-test: ## install what testing needs, if it is missing
	@scripts/setup.sh test

asan: setup-build ## the bridge's tests under the address sanitizer and its leak check
	scripts/asan.sh

fuzz: setup-build ## the parsers of what strangers send, FUZZ_SECONDS each (default 30)
	@scripts/setup.sh fuzz
	scripts/fuzz.sh

libtorrent: ## optional: libtorrent 2.0.11 from the distribution's source, into the user's cache
	@scripts/setup.sh libtorrent
	scripts/libtorrent.sh

crash: setup-build setup-test ## the long crash tests: 200 kills, 50 power losses
	TEST_REQUIRE=1 CRASH_CYCLES=200 POWER_CYCLES=50 TEST_PYTHON="$(CURDIR)/$(PYTHON)" \
		cargo test --locked --test main -- crash:: power:: tracker_crash:: --nocapture

bench-client: build setup-test ## side by side with other clients (root; see docs/BENCHMARKS.md)
	bench/client.sh

bench-tracker: build ## side by side with other trackers (see bench/tracker.sh for the variables)
	bench/tracker.sh

bench-share: build setup-test ## from a folder to a friend's first byte, beside others
	bench/share.sh

bench-api: build ## the API's answers beside those of other clients (see bench/api.sh)
	bench/api.sh
