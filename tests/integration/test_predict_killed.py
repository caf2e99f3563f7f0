"""A prediction that is killed half-way and goes on: no row is lost, none is there twice."""

from __future__ import annotations

import csv
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

ROWS, KILLED_AT = 300, 140
Run: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]

# Runs the command line, and is killed while it writes a line, half of which is on the disk.
KILLED = f"""
import os, signal
from anysize.results.partial import Partial, line_of
from anysize.cli.main import run

whole = Partial.write

def write(self, entries):
    if self.lines == {KILLED_AT}:
        line = line_of(entries)
        self._file.write(line[: len(line) // 2])
        self._file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    whole(self, entries)

Partial.write = write
run()
"""


def test_a_killed_prediction_goes_on_and_loses_and_doubles_nothing(
    run: Run, tmp_path: Path
) -> None:
    data, script, bundle = (tmp_path / name for name in ("data.csv", "killed.py", "run"))
    script.write_text(KILLED, encoding="utf-8")
    with data.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for row in range(ROWS):
            text = f"a {('good', 'bad')[row % 2]} film of {row} " + "and so on " * (row % 7)
            rows.writerow([text, ("pos", "neg")[row % 2]])
    done = run(
        "train", "text-classification", data, "--model", "attention", "--steps", "2",
        "--batch", "8", "--micro-cost", "2048", "--out", bundle,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    predict = ("predict", bundle, data, "--runtime", "torch", "--precision", "float32")
    killed, straight = tmp_path / "killed.csv", tmp_path / "straight.csv"
    done = run(script, *predict, "--out", killed)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not killed.exists()
    done = run(*predict, "--out", killed, "--resume")
    assert done.returncode == 0, done.stderr
    assert f"{KILLED_AT} results are there already, {ROWS - KILLED_AT} are left" in done.stderr
    assert run(*predict, "--out", straight).returncode == 0
    with killed.open(encoding="utf-8", newline="") as file:
        resumed = list(csv.DictReader(file))
    with straight.open(encoding="utf-8", newline="") as file:
        expected = list(csv.DictReader(file))
    assert len(expected) == len({row["id"] for row in expected}) == ROWS
    for mine, theirs in zip(resumed, expected, strict=True):
        assert (mine["id"], mine["prediction"]) == (theirs["id"], theirs["prediction"])
        # Batches are cut elsewhere, which may change the last bits of a score.
        assert abs(float(mine["score"]) - float(theirs["score"])) < 1e-5
    assert not list(tmp_path.glob("*.partial"))
