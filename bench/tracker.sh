#!/usr/bin/env bash
# Runs the side-by-side benchmark of trackers: `make bench-tracker`.
#
# Needs Linux and the load tools' source. The other trackers come from scripts/setup.sh; one that
# is not there is reported as such. One server at a time, alone on a core, the load on another.
# Results go to bench/results/ as JSON lines and as a Markdown report.
#
#   BENCH_TRACKER  folder of the load tools (default ../shared/bench/tracker)
#   COVE           program to measure (default: a fresh release build)
#   COVE_ARGS      more arguments for it, such as "--set KEY=VALUE"
#   SERVERS        names with commas (default cove,aquatic_udp,aquatic_http,opentracker,static_warp)
#   JOBS           names with commas (default udp,udp6,http,swarm,load_test,conform,fakes)
#   REPEAT         runs per server and job (default 5)
#   PEERS          peers of the udp jobs (default 1000000)
#   TORRENTS       torrents of the udp jobs (default 100000)
#   SEEDERS        share of seeders in percent (default 75); they get leechers only from some
#                  trackers and everybody from others, so 0 makes all answers equally long
#   HTTP_PEERS     peers of the http job, 20 a torrent (default 200000)
#   SWARM_PEERS    peers of the big swarm (default 100000)
#   FAKES          announces of hashes that nobody has (default 1000000)
#   MEMORY_MIB     what the program's memory must stay under after them (default 256)
#   SECONDS_EACH   measured seconds of one load (default 5)
#   SERVER_CORE, LOAD_CORE  cores of the two (default 0 and 1)
set -euo pipefail

repo=$(cd "$(dirname "$0")/.." && pwd)
cd "$repo"
tools=$(cd "${BENCH_TRACKER:-../shared/bench/tracker}" 2>/dev/null && pwd) || {
    echo "tracker.sh: no load tools at ${BENCH_TRACKER:-../shared/bench/tracker};" \
        "see BENCH_TRACKER" >&2
    exit 2
}
peers=${XDG_CACHE_HOME:-$HOME/.cache}/cove/peers

scripts/setup.sh bench

if [ -z "${COVE:-}" ]; then
    cargo build --release --locked
    COVE=${CARGO_TARGET_DIR:-target}/release/cove
fi
# Built from a copy: the folder of the tools may be for reading only.
mkdir -p "$peers/load-source"
cp -R "$tools/Cargo.toml" "$tools/src" "$peers/load-source/"
chmod -R u+w "$peers/load-source"
CARGO_TARGET_DIR=$peers/load cargo build --quiet --release --manifest-path "$peers/load-source/Cargo.toml"
CARGO_TARGET_DIR=$peers/static_warp \
    cargo build --quiet --release --locked --manifest-path bench/static_warp/Cargo.toml

mkdir -p bench/results
results=$repo/bench/results/tracker-$(date -u +%Y%m%dT%H%M%SZ).jsonl
COVE=$(readlink -f "$COVE") PEER_PROGRAMS=$peers LOAD_TOOLS=$peers/load/release \
    STATIC_WARP=$peers/static_warp/release/static_warp CONFORM=$tools/conform.py \
    python3 bench/tracker_run.py "$results"
python3 bench/tracker_report.py "$results" >"${results%.jsonl}.md"
cat "${results%.jsonl}.md"
echo "tracker.sh: wrote $results and ${results%.jsonl}.md"
