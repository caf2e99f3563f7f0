"""A few of the events of ``benchmarks/disk_full.py``: nothing is half written, and it goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def test_a_disk_that_is_full_costs_nothing_but_time(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.disk_full", "--limit", "--events", "3",
         "--verbs", "train", "predict", "--about", "numbers", "--seed", "3"],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=850,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(done.stdout[done.stdout.index("\n{") :])
    assert summary["events"] == 3 and summary["faults"] == {}
    assert summary["failed as they should"] >= 1
