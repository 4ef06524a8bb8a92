#!/bin/sh
# The tests of the bridge with the address sanitizer (and its leak check) in C++ and at the
# allocator; a report makes the test fail. In a target directory of its own.
#
#   scripts/asan.sh [TEST FILTER]
#
# Rust stays as it is, on the stable compiler. It links with -nodefaultlibs, so the run-time library
# is named, for the one binary that is run; it must be loaded first, hence LD_PRELOAD.
set -eu
cd "$(dirname "$0")/.."

library=$("${CXX:-c++}" -print-file-name=libasan.so)
if [ ! -e "$library" ]; then
    echo "the compiler has no libasan; install libgcc-12-dev or that of your compiler" >&2
    exit 1
fi
target=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/asan"
export CXXFLAGS="-fsanitize=address -fno-omit-frame-pointer -g"
binary=$(cargo rustc --locked --target "$target" --lib --profile test \
    --message-format=json-render-diagnostics -- -C link-arg="-l:$(basename "$library")" |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
[ -n "$binary" ]
export ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1:halt_on_error=1"
export LSAN_OPTIONS="suppressions=$PWD/scripts/lsan.supp"
LD_PRELOAD=$library exec "$binary" "engine::${1:-}" --test-threads=1
