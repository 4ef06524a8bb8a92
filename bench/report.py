#!/usr/bin/env python3
"""Benchmark rows (JSON lines) as Markdown tables: medians, and how cove compares.

    bench/report.py bench/results/client-*.jsonl

One table per job, torrent count and label. Every cell is the median over the runs
that completed; a ratio is cove's median over the other's. Runs that failed, were
given up or did not verify are left out of the medians and named below the table.
"""
import json
import sys
from pathlib import Path
from statistics import median

OURS = "cove"
NOT_MEASURED = {"job", "client", "where", "version", "error", "verified", "moved", "count", "calls"}


def main(paths):
    if not paths:
        sys.exit("usage: report.py FILE.jsonl...")
    rows = [row for path in paths for row in read(path)]
    tables = {}
    for row in rows:
        tables.setdefault(table_of(row), []).append(row)
    attach_failed(tables)
    print("# Clients side by side\n")
    for title, members in tables.items():
        print("\n".join(section(title, members)) + "\n")


def read(path):
    lines = Path(path).read_text().splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def table_of(row):
    """What rows of one table share."""
    return row["job"], row.get("count"), row.get("where", "")


def attach_failed(tables):
    """A failed `many` carries no count: it joins the table of its label, if there is one."""
    for lost in [key for key in tables if key[0] == "many" and key[1] is None]:
        homes = [key for key in tables if key[0] == "many" and key[1] and key[2] == lost[2]]
        if len(homes) == 1:
            tables[homes[0]] += tables.pop(lost)


def section(title, rows):
    job, count, where = title
    size = f"{count} torrents" if count else ""
    name = ", ".join(part for part in (job, where, "" if size in where else size) if part)
    good = [row for row in rows if not trouble(row)]
    clients = list(dict.fromkeys(row["client"] for row in good))
    lines = [f"## {name}\n"]
    if good:
        lines += table(good, clients)
    lines.append("")
    for client in clients:
        runs = [row for row in good if row["client"] == client]
        lines.append(f"- {client}: {runs[-1].get('version') or 'no version'}; runs: {len(runs)}")
    bad = [(row["client"], trouble(row)) for row in rows if trouble(row)]
    for client, why in dict.fromkeys(bad):
        lines.append(f"- **{client}: {why}** (runs: {bad.count((client, why))})")
    return lines


def trouble(row):
    """Why a row is not a measurement; empty when it is one."""
    if "error" in row:
        return row["error"]
    if row.get("moved", 1) < 1:
        return f"given up at {row['moved']:.0%}"
    return "" if row.get("verified", True) else "the payload did not verify"


def table(rows, clients):
    others = [client for client in clients if client != OURS] if OURS in clients else []
    yield "| | " + " | ".join(clients + [f"{OURS}/{other}" for other in others]) + " |"
    yield "|---|" + "---:|" * (len(clients) + len(others))
    for figure in dict.fromkeys(key for row in rows for key in row):
        if figure in NOT_MEASURED:
            continue
        medians = {client: middle(rows, client, figure) for client in clients}
        cells = [shown(medians[client]) for client in clients]
        cells += [ratio(medians[OURS], medians[other]) for other in others]
        yield f"| {figure} | " + " | ".join(cells) + " |"


def middle(rows, client, figure):
    values = [row[figure] for row in rows if row["client"] == client and figure in row]
    return median(values) if values else None


def shown(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def ratio(ours, theirs):
    return "-" if ours is None or not theirs else f"{ours / theirs:.2f}"


if __name__ == "__main__":
    main(sys.argv[1:])
