#!/usr/bin/env bash
# Measures the API beside those of other clients: `make bench-api`.
#
# Lists of small torrents, whole and by pages, in turn with qbittorrent-nox where it is installed
# and transmission-daemon, which scripts/setup.sh unpacks; answers while announces run at half of the
# measured maximum and a download runs; memory while event streams are open. Everything is on
# loopback, without DHT or any other way out. Results go to bench/results/ as JSON and Markdown.
#
#   BENCH_TRACKER  folder of the announce load (default ../shared/bench/tracker)
#   COVE           program to measure (default: a fresh release build)
#   COUNTS         torrents in the lists (default "1000 10000")
#   CLIENTS        whose lists (default cove,qbittorrent-nox,transmission-daemon); adding 10,000
#                  torrents takes qBittorrent minutes
#   CALLS          calls of each list (default 100)
#   SIZE_MIB       size of the download under way (default 2048)
#   WORK           folder for payload and state (default: a new one in the temporary directory)
set -euo pipefail

repo=$(cd "$(dirname "$0")/.." && pwd)
cd "$repo"
peers=${XDG_CACHE_HOME:-$HOME/.cache}/cove/peers

if [ -z "${COVE:-}" ]; then
    cargo build --release --locked
    COVE=${CARGO_TARGET_DIR:-target}/release/cove
fi
load=
if tools=$(cd "${BENCH_TRACKER:-../shared/bench/tracker}" 2>/dev/null && pwd); then
    mkdir -p "$peers/load-source"
    cp -R "$tools/Cargo.toml" "$tools/src" "$peers/load-source/"
    chmod -R u+w "$peers/load-source"
    CARGO_TARGET_DIR=$peers/load cargo build --quiet --release \
        --manifest-path "$peers/load-source/Cargo.toml"
    load=$peers/load/release/udpload
else
    echo "api.sh: no load tools, so nothing is measured under announces; see BENCH_TRACKER" >&2
fi
scripts/setup.sh bench-api
work=${WORK:-$(mktemp -d)}
mkdir -p "$work" bench/results
results=$repo/bench/results/api-$(date -u +%Y%m%dT%H%M%SZ)
COVE=$(readlink -f "$COVE") UDPLOAD=$load python3 bench/api.py "$work" "$results.json" \
    >"$results.md"
[ -n "${WORK:-}" ] || rm -rf "$work"
cat "$results.md"
echo "api.sh: wrote $results.json and $results.md"
