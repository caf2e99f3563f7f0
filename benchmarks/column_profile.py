"""The profile of a large table's columns: what it adds to the pass that indexes the rows.

Makes a table of 20 million rows, opens it in fresh processes with an empty cache, with and without
the profile in turn, and prints the ratio of their times and the peak of resident memory. Beside
them stands what pyarrow takes to parse the table as a stream, without looking at what it parsed.
``text`` is the table of ``open_large_csv`` (a quoted text and a label), ``numbers`` has five
columns of which one is a category.

Run: ``python benchmarks/column_profile.py [--rows N] [--table text|numbers] [--repeat N]``
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

if __package__:
    from benchmarks.open_large_csv import make
else:
    from open_large_csv import make

CHILD = """
import json, sys, time
from pathlib import Path
from anysize.sources import open_source
from anysize.sources.profile.kept import Place
if sys.argv[3] == "bare":
    Place.beside = lambda place: None
wall, cpu = time.perf_counter(), time.process_time()
source = open_source(sys.argv[1], roles=(), cache=Path(sys.argv[2]))
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
kinds = {}
if sys.argv[3] != "bare":
    kinds = {name: column.kind for name, column in source.profile().columns.items()}
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({"rows": len(source), "seconds": wall, "processor_seconds": cpu, "kinds": kinds,
                  "peak_mb": int(status["VmHWM"].split()[0]) / 1000}))
"""


PARSED = """
import json, sys, time
import pyarrow.csv
wall, cpu = time.perf_counter(), time.process_time()
how = pyarrow.csv.ParseOptions(newlines_in_values=True)  # as quoted texts have
rows = sum(batch.num_rows for batch in pyarrow.csv.open_csv(sys.argv[1], parse_options=how))
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({"rows": rows, "seconds": wall, "processor_seconds": cpu,
                  "peak_mb": int(status["VmHWM"].split()[0]) / 1000}))
"""


def make_numbers(path: Path, rows: int) -> None:
    """Writes a table of numbers; the same thousand rows again and again, after a row's number."""
    chance = random.Random(0)
    tails = [
        f"{chance.gauss(0, 1):.4f},{chance.randrange(1000)},{chance.choice('xyz')},{index % 3}\n"
        for index in range(1000)
    ]
    with path.open("w", encoding="utf-8") as file:
        file.write("row,a,b,c,label\n")
        for start in range(0, rows, 1000):
            file.write("".join(f"{start + index},{tails[index]}" for index in range(1000)))


def opened(path: Path, mode: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            [sys.executable, "-c", PARSED if mode == "pyarrow" else CHILD, str(path), cache, mode],
            check=True,
            env=dict(os.environ),
            stdout=subprocess.PIPE,
            text=True,
        )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--table", choices=("text", "numbers"), default="text")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        path = Path(name) / "large.csv"
        (make if chosen.table == "text" else make_numbers)(path, chosen.rows)
        size = path.stat().st_size / 1e9
        print(f"{chosen.rows} rows, {size:.2f} GB, {os.cpu_count()} processors")
        turns = [
            [opened(path, mode) for mode in ("bare", "profile", "pyarrow")]
            for _ in range(chosen.repeat)
        ]
        print(turns[0][1]["kinds"])
        sides = list(zip(*turns, strict=True))
        for key in ("seconds", "processor_seconds", "peak_mb"):
            bare, full, peer = (statistics.median(run[key] for run in runs) for runs in sides)
            print(
                f"{key}: {bare:.2f} without, {full:.2f} with it, {full / bare:.2f} times; "
                f"pyarrow's reader alone {peer:.2f}, {peer / bare:.2f} times"
            )


if __name__ == "__main__":
    main()
