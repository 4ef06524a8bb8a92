#!/bin/sh
# Fuzzes every parser of fuzz/ for FUZZ_SECONDS each (default 30); a finding ends it.
#
# The sanitizer and the coverage hooks are options of the nightly compiler; RUSTC_BOOTSTRAP lets the
# stable one take them. Seeds are in fuzz/corpus; what is found beyond them stays out of git.
set -eu
cd "$(dirname "$0")/../fuzz"

export RUSTC_BOOTSTRAP=1
for target in ${FUZZ_TARGETS:-udp_packet http_query bep41_options}; do
    mkdir -p "found/$target"
    cargo fuzz run "$target" "found/$target" "corpus/$target" -- \
        -max_total_time="${FUZZ_SECONDS:-30}" -max_len=2048 -timeout=5 -print_final_stats=1
done
