#!/bin/sh
# Runs the side-by-side benchmark of BitTorrent clients: `make bench-client`.
#
# Needs Linux, root (or sudo) and the harness. Clients that are not installed are
# reported as such. Results go to bench/results/ as JSON lines and as a Markdown report.
#
#   BENCH_CLIENTS  folder of the harness (default ../shared/bench/clients)
#   COVE           program to measure (default: a fresh release build)
#   CLIENTS        names with commas (default cove,qbittorrent,rawlt)
#   JOBS           which of "download seed check many startup" (default: all)
#   REPEAT         runs per client and job (default 5)
#   SIZE           GiB of the big torrent (default 2)
#   COUNTS         sizes of the torrent library (default "1000 5000 10000")
#   WORK           folder for payload and state (default: a new tmpfs; not under /dev,
#                  where cove takes no downloads)
#   LABEL          free text kept in each row, such as the file system
#   LOCK           file held exclusively around each measurement
set -eu

repo=$(cd "$(dirname "$0")/.." && pwd)
cd "$repo"
harness=$(cd "${BENCH_CLIENTS:-../shared/bench/clients}" 2>/dev/null && pwd) || {
    echo "client.sh: no harness at ${BENCH_CLIENTS:-../shared/bench/clients}; see BENCH_CLIENTS" >&2
    exit 2
}
as_root=
if [ "$(id -u)" -ne 0 ]; then
    as_root="sudo"
fi

if [ -z "${COVE:-}" ]; then
    cargo build --release --locked
    COVE=${CARGO_TARGET_DIR:-target}/release/cove
fi
COVE=$(readlink -f "$COVE")
python=$repo/.venv/bin/python
if ! "$python" -c 'import libtorrent, requests' 2>/dev/null; then
    python3 -m venv .venv
    "$python" -m pip install --quiet --upgrade requests libtorrent
fi

mkdir -p bench/results
results=$repo/bench/results/client-$(date -u +%Y%m%dT%H%M%SZ).jsonl
: >"$results"

if [ -z "${WORK:-}" ]; then
    WORK=$(mktemp -d)
    $as_root mount -t tmpfs -o mode=0755 tmpfs "$WORK"
    trap '$as_root umount "$WORK" && rmdir "$WORK"' EXIT
    trap 'exit 130' INT TERM
fi

clients=$(echo "${CLIENTS:-cove,qbittorrent,rawlt}" | tr ',' ' ')
size=${SIZE:-2}

# The first to write to memory that the host of a virtual machine has taken back waits for it: up to
# twice the CPU for a download, of whoever comes after a pause. So all of it is written to before.
warm() {
    [ "$(stat -f -c %T "$WORK")" = tmpfs ] || return 0
    $as_root sh -c 'head -c "$1G" /dev/zero >"$2/warm"; rm -f "$2/warm"' sh $((size * 2)) "$WORK"
}

# One client that fails does not end the comparison; the harness writes it into its row. Clients take
# turns, since a machine that is slow for a minute must be so for all of them.
run() {
    job=$1 label=$2
    shift 2
    turn=0
    while [ "$turn" -lt "${REPEAT:-5}" ]; do
        turn=$((turn + 1))
        # Another is the first each time.
        case $clients in *' '*) clients="${clients#* } ${clients%% *}" ;; esac
        for client in $clients; do
            case $job in download | seed | check) warm ;; esac
            $as_root env COVE="$COVE" PYTHONDONTWRITEBYTECODE=1 "$python" "$harness/bench.py" \
                "$job" "$@" --adapter "$repo/bench/cove_adapter.py" --clients "$client" --repeat 1 \
                --json "$results" --label "$label" --work "$WORK" ${LOCK:+--lock "$LOCK"}
        done
    done
}

for job in ${JOBS:-download seed check many startup}; do
    case $job in
        many)
            for count in ${COUNTS:-1000 5000 10000}; do
                # A failed row names no count, but it carries the label.
                run many "${LABEL:+$LABEL, }$count torrents" --count "$count" --limit 600
            done
            ;;
        startup) run startup "${LABEL:-}" ;;
        *) run "$job" "${LABEL:-}" --size "$size" ;;
    esac
done

"$python" bench/report.py "$results" >"${results%.jsonl}.md"
echo "client.sh: wrote $results and ${results%.jsonl}.md"
