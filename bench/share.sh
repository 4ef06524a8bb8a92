#!/usr/bin/env bash
# From a folder to the first byte at a waiting foreign leecher: `make bench-share`.
#
# `cove share`, `cove friend add` and `cove friend invite`, beside the same through libtorrent's own
# way of making torrents and qbittorrent-nox with its embedded tracker, and beside `rqbit share` with
# aquatic_http as its tracker, where they are installed. All on loopback. Results go to bench/results/
# as JSON and Markdown.
#
#   COVE      program to measure (default: a fresh release build)
#   SIZE_MIB  size of the folder (default 1024)
#   REPEAT    repeats of each (default 5)
#   WAYS      names with commas (default cove,qbittorrent,rqbit)
#   WORK      folder for payload and state (default: a new one in the temporary directory)
set -euo pipefail

cd "$(dirname "$0")/.."
if [ -z "${COVE:-}" ]; then
    cargo build --release --locked
    COVE=${CARGO_TARGET_DIR:-target}/release/cove
fi
scripts/setup.sh bench-share
python=$PWD/.venv/bin/python
if ! "$python" -c 'import libtorrent' 2>/dev/null; then
    python3 -m venv .venv
    "$python" -m pip install --quiet --upgrade libtorrent
fi
work=${WORK:-$(mktemp -d)}
mkdir -p "$work" bench/results
results=$PWD/bench/results/share-$(date -u +%Y%m%dT%H%M%SZ)
COVE=$(readlink -f "$COVE") PYTHONDONTWRITEBYTECODE=1 "$python" bench/share.py "$work" \
    "$results.json" >"$results.md"
[ -n "${WORK:-}" ] || rm -rf "$work"
cat "$results.md"
echo "share.sh: wrote $results.json and $results.md"
