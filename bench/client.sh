#!/bin/sh
# Cove side by side with qBittorrent and bare libtorrent, in one run: `make bench-client`.
#
# Needs root (the harness makes a network namespace of its own) and the harness itself:
# BENCH_CLIENTS names its directory. Results go to bench/results/, which git ignores.
set -eu
cd "$(dirname "$0")/.."

harness=${BENCH_CLIENTS:-../shared/bench/clients}
clients=${CLIENTS:-cove,qbittorrent,rawlt}
repeat=${REPEAT:-5}
work=${WORK:-/dev/shm/cove-bench}
jobs=${JOBS:-"startup download seed check many many-5000 many-10000"}

if [ ! -e "$harness/bench.py" ]; then
    echo "no benchmark harness in $harness: set BENCH_CLIENTS to its directory" >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "this makes a network namespace and so needs root: sudo -E make bench-client" >&2
    exit 1
fi
if [ ! -x .venv/bench/bin/python ]; then
    python3 -m venv .venv/bench
    .venv/bench/bin/pip install -q --disable-pip-version-check -r bench/requirements.txt
fi

mkdir -p bench/results
results=${RESULTS:-bench/results/$(date +%Y%m%d-%H%M%S).jsonl}
run() {
    # The harness is read-only here: no byte code beside it.
    PYTHONDONTWRITEBYTECODE=1 .venv/bench/bin/python "$harness/bench.py" "$@" \
        --adapter bench/cove_adapter.py --work "$work" --json "$results"
}
for job in $jobs; do
    case $job in
    many-*) run many --count "${job#many-}" --limit 600 --clients "$clients" --repeat 1 ;;
    startup) run startup --clients "$clients" --runs "$repeat" ;;
    *) run "$job" --clients "$clients" --repeat "$repeat" ;;
    esac
done
rm -rf "$work"
.venv/bench/bin/python bench/report.py "$results"
echo "results: $results"
