"""Blood cells: ``detector-small`` from scratch on 205 pictures, for a number of minutes.

    python -m benchmarks.bccd [--minutes 20]

Trains through the command line, as a user would, and measures on the data's own test split.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time

from benchmarks import common

BAR = 0.75


def main() -> None:
    """Prints the measures on the test split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    arguments = parser.parse_args()
    print(common.machine())
    data, out = common.data("bccd"), common.scratch("bccd") / "run"
    shutil.rmtree(out, ignore_errors=True)
    started = time.perf_counter()
    anysize("train", "object-detection", data, "--model", "detector-small", "--out", out,
            "--minutes", arguments.minutes)  # fmt: skip
    minutes = (time.perf_counter() - started) / 60
    report = anysize("evaluate", out, data, "--split", "test", "--json", "--out", out / "test")
    figures = json.loads(report)
    log = [json.loads(line) for line in (out / "training.jsonl").read_text().splitlines()]
    steps = max((entry.get("step", 0) for entry in log), default=0)
    print(f"{minutes:.1f} minutes, {steps} steps of 8 pictures")
    for name in ("ap", "ap50", "ap75"):
        print(f"{name} {figures[name]:.4f}")
    for entry in figures["classes"]:
        print(f"  {entry['label']}: {entry['objects']} objects, ap50 {entry['ap50']:.4f}")
    print(f"ap50 {figures['ap50']:.4f}: {figures['ap50'] / BAR:.2f} times the bar of {BAR}")


def anysize(*arguments: object) -> str:
    """Runs a command; progress goes to standard error as it comes."""
    command = [sys.executable, "-m", "anysize", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
