#!/usr/bin/env python3
"""Rows of `bench/tracker_run.py` (JSON lines) as Markdown: medians, and what was to be reached.

    bench/tracker_report.py bench/results/tracker-*.jsonl

Every cell is the median over the runs that completed, and below a table stand the runs that did
not. A ratio is cove's median over the other's, so both were measured in the same session.
"""
import json
import sys
from pathlib import Path
from statistics import median

OURS = "cove"
NOT_MEASURED = {"job", "server", "repeat", "error", "which"}
# A job, a figure, whose median divides ours (or none), and what the result must not pass.
TARGETS = [
    ("udp", "announces_per_s", "aquatic_udp", ">=", 1.25),
    ("udp", "announces_per_cpu_s", "aquatic_udp", ">=", 1.25),
    ("udp", "announces_per_s", "opentracker", ">=", 1.6),
    ("udp", "announces_per_cpu_s", "opentracker", ">=", 1.6),
    ("udp", "p99_us", "aquatic_udp", "<=", 1),
    ("udp", "rss_bytes_per_peer", None, "<=", 95),
    ("udp6", "rss_bytes_per_peer", None, "<=", 110),
    ("http", "announces_per_s", "aquatic_http", ">=", 4),
    ("http", "announces_per_s", "static_warp", ">=", 0.85),
    ("swarm", "p99_ratio", None, "<=", 3),
    ("load_test", "responses_per_s", "aquatic_udp", None, None),
    ("conform", "differing", None, "<=", 0),
    ("fakes", "rss_mib", "ceiling_mib", "<=", 1),
    ("fakes", "p99_ratio", None, "<=", 2),
]


def main(paths):
    if not paths:
        sys.exit("usage: tracker_report.py FILE.jsonl...")
    rows = [row for path in paths for row in read(path)]
    print("# Trackers side by side\n")
    print("\n".join(targets(rows)) + "\n")
    for job in dict.fromkeys(row["job"] for row in rows):
        print("\n".join(section(job, [row for row in rows if row["job"] == job])) + "\n")


def read(path):
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def targets(rows):
    yield "| job | figure | against | result | target | met |"
    yield "|---|---|---|---:|---:|---|"
    for job, figure, other, sign, bound in TARGETS:
        value = result(rows, job, figure, other)
        wanted = f"{sign} {bound}" if sign else ""
        yield (f"| {job} | {figure} | {other or ''} | {shown(value)} | {wanted} "
               f"| {verdict(value, sign, bound)} |")


def result(rows, job, figure, other):
    """Our median; as a ratio where it is compared with another server or figure."""
    ours = middle(rows, job, OURS, figure)
    if ours is None or other is None:
        return ours
    is_server = not any(other in row for row in rows)
    theirs = middle(rows, job, other, figure) if is_server else middle(rows, job, OURS, other)
    return ours / theirs if theirs else None


def verdict(value, sign, bound):
    if value is None:
        return "not measured"
    if sign is None:
        return ""
    return "yes" if (value >= bound if sign == ">=" else value <= bound) else "**no**"


def section(job, rows):
    good = [row for row in rows if "error" not in row]
    servers = list(dict.fromkeys(row["server"] for row in good))
    figures = [key for key in dict.fromkeys(key for row in good for key in row)
               if key not in NOT_MEASURED]
    yield f"## {job}\n"
    if good:
        yield "| | " + " | ".join(servers) + " |"
        yield "|---|" + "---:|" * len(servers)
    for figure in figures:
        cells = [spread(values(good, job, server, figure)) for server in servers]
        yield f"| {figure} | " + " | ".join(cells) + " |"
    yield ""
    for server in servers:
        yield f"- {server}: runs: {sum(row['server'] == server for row in good)}"
    bad = [(row["server"], row["error"]) for row in rows if "error" in row]
    for server, why in dict.fromkeys(bad):
        yield f"- **{server}: {why}** (runs: {bad.count((server, why))})"
    for rule in dict.fromkeys(row["which"] for row in good if row.get("which")):
        yield f"- differing: {rule}"


def values(rows, job, server, figure):
    return [row[figure] for row in rows
            if (row["job"], row["server"]) == (job, server) and row.get(figure) is not None]


def middle(rows, job, server, figure):
    found = values(rows, job, server, figure)
    return median(found) if found else None


def spread(found):
    """The median, and the extremes where they differ."""
    if not found:
        return "-"
    if min(found) == max(found):
        return shown(found[0])
    return f"{shown(median(found))} ({shown(min(found))} to {shown(max(found))})"


def shown(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    main(sys.argv[1:])
