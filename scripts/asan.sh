#!/bin/sh
# The tests of the bridge with the address sanitizer (and its leak check) in C++ and at the
# allocator; a report makes the test fail. In a target directory of its own.
set -eu
cd "$(dirname "$0")/.."

target=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/asan"
export CXXFLAGS="-fsanitize=address -fno-omit-frame-pointer -g"
# Only for what is linked for the target: build scripts stay as they are (--target sees to it).
export RUSTFLAGS="-C link-arg=-fsanitize=address"
export ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1:halt_on_error=1"
export LSAN_OPTIONS="suppressions=$PWD/scripts/lsan.supp"
exec cargo test --locked --target "$target" --lib engine:: -- --test-threads=1
