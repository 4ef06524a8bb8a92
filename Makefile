# Cove: build, run and test. `make help` lists the targets.

# Where the test tools' Python lives; ignored by git.
VENV := .venv
# Cycles of the crash tests in `make crash`.
CYCLES ?= 200
POWER_CYCLES ?= 50

.DEFAULT_GOAL := build
.PHONY: help build run test check fmt asan libtorrent crash bench-client

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

build: ## build the program with all optimisations
	scripts/setup.sh run
	cargo build --release --locked

run: build ## build, then start the server; ARGS="--set client.download_dir=/path" and the like
	target/release/cove serve $(ARGS)

test: ## everything a change must pass; installs the test tools it needs
	scripts/setup.sh test
	cargo fmt --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
	COVE_TEST_REQUIRE=1 cargo test --locked --workspace

check: ## the quick part of test: format, lints, unit tests, the house test
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo test --locked --lib
	cargo test --locked --test main house

fmt: ## format the Rust code
	cargo fmt

asan: ## run the tests of the bridge with the address and leak sanitizer
	scripts/asan.sh

libtorrent: ## build libtorrent 2.0.11 for machines whose own is older (optional; 10 CPU minutes)
	scripts/libtorrent.sh

crash: ## the long form of the kill and power-loss tests (root for the latter)
	scripts/setup.sh test
	COVE_TEST_REQUIRE=1 COVE_CRASH_CYCLES=$(CYCLES) cargo test --locked --test main crash:: -- --nocapture
	COVE_TEST_REQUIRE=1 COVE_CRASH_CYCLES=$(POWER_CYCLES) cargo test --locked --test main power:: -- --nocapture

bench-client: build ## compare with qBittorrent and bare libtorrent (root; see docs/BENCHMARKS.md)
	scripts/setup.sh test
	bench/client.sh
