#!/usr/bin/env python3
"""Turns the harness's JSON lines into the tables of docs/BENCHMARKS.md.

    bench/report.py RESULTS.jsonl [...]

Each figure is the median of its repeats with the range behind it; a ratio is Cove's median over
the other client's, so it says whether a target is met even on a machine that is slow today.
"""

import json
import statistics
import sys
from collections import defaultdict

OURS = "cove"
# job -> (column, heading, digits)
COLUMNS = {
    "download": [("mb_s", "MB/s", 0), ("cpu_s_per_gib", "CPU s/GiB", 2),
                 ("peak_rss_mib", "peak RSS MiB", 0), ("peak_anon_mib", "anonymous MiB", 0)],
    "seed": [("mb_s", "MB/s", 0), ("cpu_s_per_gib", "CPU s/GiB", 2),
             ("peak_rss_mib", "peak RSS MiB", 0), ("peak_anon_mib", "anonymous MiB", 0)],
    "check": [("wall_s", "seconds", 2), ("mb_s", "MB/s", 0), ("cpu_s_per_gib", "CPU s/GiB", 2),
              ("peak_rss_mib", "peak RSS MiB", 0)],
    "many": [("add_seeding_s", "add to seeding s", 2), ("list_p50_ms", "list p50 ms", 2),
             ("list_p99_ms", "list p99 ms", 2), ("idle_cpu_pct", "idle CPU %", 2),
             ("kib_per_torrent", "KiB each", 1), ("restart_listed_s", "restart to list s", 3),
             ("rss_mib", "RSS MiB", 0)],
    "startup": [("first_s", "first s", 3), ("median_s", "median s", 3), ("rss_mib", "RSS MiB", 1),
                ("anon_mib", "anonymous MiB", 1), ("idle_cpu_pct", "idle CPU %", 2)],
}
# job, column, other client, the ratio to stay at (or above, for MB/s)
RATIO_TARGETS = [
    ("download", "mb_s", "qbittorrent", ">=", 1.0),
    ("download", "cpu_s_per_gib", "qbittorrent", "<=", 0.9),
    ("seed", "cpu_s_per_gib", "qbittorrent", "<=", 0.9),
    ("check", "wall_s", "rawlt", "<=", 0.6),
]
# job, torrents (None: any), column, limit
LIMITS = [
    ("download", None, "peak_rss_mib", 100), ("download", None, "peak_anon_mib", 64),
    ("many", 1000, "add_seeding_s", 0.6), ("many", 1000, "list_p50_ms", 3),
    ("many", 1000, "idle_cpu_pct", 0.5), ("many", 1000, "kib_per_torrent", 16),
    ("many", 1000, "restart_listed_s", 0.3), ("many", 5000, "list_p50_ms", 18),
    ("many", 5000, "restart_listed_s", 1.2), ("startup", None, "median_s", 0.06),
    ("startup", None, "rss_mib", 22),
]


def read(paths):
    """(job, count, client) -> column -> values"""
    rows = defaultdict(lambda: defaultdict(list))
    for path in paths:
        with open(path) as lines:
            for line in lines:
                row = json.loads(line)
                values = rows[row["job"], row.get("count"), row["client"]]
                for column, value in row.items():
                    if isinstance(value, (int, float)) and not isinstance(value, bool):
                        values[column].append(value)
                if "error" in row:
                    values["errors"].append(row["error"])
    return rows


def show(values, digits):
    if not values:
        return ""
    middle = f"{statistics.median(values):,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def table(rows, job, count):
    clients = [client for one, many, client in rows if (one, many) == (job, count)]
    headings = ["client", *(heading for _, heading, _ in COLUMNS[job])]
    print(f"\n### {job}" + (f", {count:,} torrents" if count else "") + "\n")
    print("| " + " | ".join(headings) + " |")
    print("|" + "---|" * len(headings))
    for client in clients:
        values = rows[job, count, client]
        cells = [show(values.get(column, []), digits) for column, _, digits in COLUMNS[job]]
        if values.get("errors"):
            cells[0] = f"failed: {values['errors'][0]}"
        print(f"| {client} | " + " | ".join(cells) + " |")


def median(rows, job, count, client, column):
    values = rows.get((job, count, client), {}).get(column)
    return statistics.median(values) if values else None


def verdicts(rows):
    print("\n### Targets\n\n| target | measured | met |\n|---|---|---|")
    for job, column, other, sign, limit in RATIO_TARGETS:
        ours, theirs = (median(rows, job, None, who, column) for who in (OURS, other))
        if ours is None or not theirs:
            continue
        ratio = ours / theirs
        met = ratio >= limit if sign == ">=" else ratio <= limit
        print(f"| {job} {column} {sign} {limit} of {other} | {ratio:.2f} | {'yes' if met else 'no'} |")
    for job, count, column, limit in LIMITS:
        ours = median(rows, job, count, OURS, column)
        if ours is not None:
            what = f"{job} {count:,}" if count else job
            print(f"| {what} {column} < {limit} | {ours:.3g} | {'yes' if ours < limit else 'no'} |")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    rows = read(sys.argv[1:])
    for job, count in dict.fromkeys((job, count) for job, count, _ in rows):
        table(rows, job, count)
    verdicts(rows)


if __name__ == "__main__":
    main()
