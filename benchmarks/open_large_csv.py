"""Opening a large CSV the second time: seconds and resident memory of the whole process.

Makes a table of 20 million rows (about 1.5 GB), opens it once (which builds the index), and then
several times in fresh processes, each of which also reads rows at random. The peer is the ``csv``
module of the standard library reading the table from its beginning to its middle, which is what
reaching a row takes without an index.

Run: ``python benchmarks/open_large_csv.py [--rows N] [--folder DIR] [--repeat N]``
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHILD = """
import sys, time
started = time.perf_counter()
from anysize.sources import ColumnSpec, open_source
text = ColumnSpec(role="text", kind="text", names=("text",))
label = ColumnSpec(role="label", kind="target", names=("label",))
source = open_source(sys.argv[1], roles=[text, label])
opened = time.perf_counter() - started
count = len(source)
started = time.perf_counter()
reads = 2000
for turn in range(reads):
    index = turn * 7919 * 1009 % count
    record = source[index]
    assert record.target == str(index % 5), (index, record.target)
    assert record.text("text").read(0, 4) == "text"
read = (time.perf_counter() - started) / reads
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
import json
print(json.dumps({
    "rows": count, "open_seconds": opened, "read_microseconds": read * 1e6,
    "peak_mb": int(status["VmHWM"].split()[0]) / 1000,
}))
"""


def make(path: Path, rows: int) -> None:
    """Writes the table."""
    filler = "the quick brown fox, as ever, jumps over the lazy dog"
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("text,label\n")
        for start in range(0, rows, 10_000):
            stop = min(start + 10_000, rows)
            file.write("".join(row(index, filler) for index in range(start, stop)))


def row(index: int, filler: str) -> str:
    """A quoted cell with quotes in it; one row in 97 has a line end in the cell instead."""
    cell = f'text {index} ""{filler}""' if index % 97 else f"text {index}\n{filler}"
    return f'"{cell}",{index % 5}\n'


def opened(path: Path, cache: Path) -> dict[str, float]:
    environment = {**os.environ, "ANYSIZE_CACHE": str(cache)}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)],
        check=True,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    found["process_seconds"] = time.perf_counter() - started
    return found


def to_the_middle(path: Path, rows: int) -> float:
    started = time.perf_counter()
    with path.open(newline="", encoding="utf-8") as file:
        for index, row in enumerate(csv.reader(file), start=-1):
            if index == rows // 2:
                assert row[1] == str(index % 5)
                break
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--repeat", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        path = folder / "large.csv"
        make(path, chosen.rows)
        print(
            f"{chosen.rows} rows, {path.stat().st_size / 1e9:.2f} GB, {platform.machine()}, ",
            end="",
        )
        print(f"{os.cpu_count()} processors, Python {platform.python_version()}")
        first = opened(path, folder / "cache")
        print(
            f"first opening (index built): {first['open_seconds']:.2f} s, "
            f"peak {first['peak_mb']:.1f} MB"
        )
        runs = [opened(path, folder / "cache") for _ in range(chosen.repeat)]
        for key, unit in (
            ("open_seconds", "s"),
            ("process_seconds", "s (start of the process and 2,000 random rows included)"),
            ("peak_mb", "MB peak of the whole process"),
            ("read_microseconds", "us a random row"),
        ):
            values = [run[key] for run in runs]
            print(
                f"later openings: {statistics.median(values):.3f} "
                f"[{min(values):.3f}, {max(values):.3f}] {unit}"
            )
        peer = to_the_middle(path, chosen.rows)
        ratio = peer / statistics.median(run["open_seconds"] for run in runs)
        print(f"csv module to the middle row: {peer:.2f} s, {ratio:.0f} times an opening")


if __name__ == "__main__":
    main()
