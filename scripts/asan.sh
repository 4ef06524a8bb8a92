#!/bin/sh
# Builds the bridge with a sanitizer and runs its tests: memory errors, leaks, undefined lifetimes.
#
#   scripts/asan.sh [TEST FILTER]
#
# The C++ side is instrumented by COVE_SANITIZE; Rust stays as it is, on the stable compiler. The
# run-time library must be the first that is loaded, hence LD_PRELOAD. libtorrent itself is not
# instrumented, but whatever it allocates and frees passes the sanitizer's allocator.
set -eu
cd "$(dirname "$0")/.."

kind=address
library=$("${CXX:-c++}" -print-file-name=libasan.so)
if [ ! -e "$library" ]; then
    echo "the compiler has no libasan; install libgcc-12-dev or that of your compiler" >&2
    exit 1
fi
# A target directory of its own, so that the ordinary build stays as it is.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/sanitize-$kind"
export COVE_SANITIZE=$kind
export RUSTFLAGS="${RUSTFLAGS:-} -C link-arg=-l:$(basename "$library")"

binary=$(cargo test --lib --no-run --message-format=json-render-diagnostics |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
[ -n "$binary" ]

# detect_stack_use_after_return costs little here; one definition rule checks are on by default.
export ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:\
check_initialization_order=1:halt_on_error=1"
LD_PRELOAD=$library exec "$binary" "engine::bridge_tests::${1:-}"
