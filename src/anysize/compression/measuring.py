"""Measuring bundles in processes of their own, in turns."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anysize.compression.answers import Answers
from anysize.compression.pace import Pace, Round, pace
from anysize.compression.request import Judging
from anysize.compression.verdict import Figures
from anysize.core.errors import BudgetError, ConfigurationError, RunError
from anysize.models.bundle import files_of
from anysize.scale.child import LAUNCHER

ROUNDS = 9
MOST_ROUNDS = 61
"""Pairs of timed rounds, and how many there are at most where they do not settle who is faster."""
_MOST_SECONDS = 60.0


class Measured:
    """A bundle in a process of its own, evaluated and waiting for timed rounds.

    Args:
        bundle: its folder.
        judging: the data and the budget.
        work: scratch folder.
        name: for the files in it.

    Raises:
        ConfigurationError: what the process says of the bundle or the data.
        BudgetError: its budget is too small; ``smallest`` is of this process alone.
        RunError: the process failed.
    """

    def __init__(self, bundle: Path, judging: Judging, work: Path, name: str) -> None:
        self.bundle = bundle
        request, answers = work / f"{name}.json", work / f"{name}.npz"
        judging.write(request)
        command = [sys.executable, "-m", "anysize.compression.worker", str(bundle), str(request)]
        self._process = subprocess.Popen(
            [*command, str(answers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, LAUNCHER: str(os.getpid())},
        )
        try:
            self.entries = self._hear()
        except BaseException:
            self.close()
            raise
        self.answers = read_answers(answers)

    def round(self) -> Round:
        """Lets it run once; the others wait."""
        assert self._process.stdin is not None
        self._process.stdin.write("round\n")
        self._process.stdin.flush()
        return Round(**self._hear())

    def figures(self, rounds: Sequence[Round]) -> Figures:
        """What was measured, with the times of some rounds."""
        latencies = np.array([time for each in rounds for time in each.latencies])
        left_out = ("answers", "arithmetic", "scored", "timed", "runs_in")
        entries = {name: value for name, value in self.entries.items() if name not in left_out}
        entries["runtime"] = self.entries["runs_in"]
        return Figures(
            size=sum(path.stat().st_size for path in files_of(self.bundle)),
            latency_p50=float(np.quantile(latencies, 0.5)),
            latency_p95=float(np.quantile(latencies, 0.95)),
            throughput=statistics.median(each.throughput for each in rounds),
            **entries,
        )

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Measured:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, said = self._process.communicate()
            last = said.strip().splitlines()[-1:] or ["it said nothing"]
            raise RunError(
                f"measuring {self.bundle} failed (exit code {self._process.returncode}): {last[0]}"
            )
        entries: dict[str, Any] = json.loads(line)
        if "error" in entries:
            if entries["smallest"] is not None:
                raise BudgetError(entries["error"], entries["smallest"])
            kind = ConfigurationError if entries["usage"] else RunError
            raise kind(entries["error"])
        return entries


def side_by_side(original: Measured, candidate: Measured) -> tuple[list[Round], list[Round], Pace]:
    """Rounds of both in turns: more of them where they do not settle which is faster.

    Returns:
        The original's rounds, the candidate's, and its pace.
    """
    before: list[Round] = []
    after: list[Round] = []
    load = _load()
    alike = (original.entries["runtime"], original.entries["precision"]) == (
        candidate.entries["runtime"],
        candidate.entries["precision"],
    )
    same = alike and original.entries["arithmetic"] == candidate.entries["arithmetic"]
    until = time.monotonic() + _MOST_SECONDS
    while True:
        # Whoever goes second finds the processor warm: take turns at that as well.
        if len(before) % 2:
            after.append(candidate.round())
            before.append(original.round())
        else:
            before.append(original.round())
            after.append(candidate.round())
        if len(before) < ROUNDS:
            continue
        found = pace(before, after, alike=alike, same=same, load=load)
        over = len(before) >= MOST_ROUNDS or time.monotonic() > until
        if same or found.settled() or over:
            return before, after, found


def _load() -> float:
    """Processes that want a processor beside this one, for each processor that there is."""
    try:
        waiting = os.getloadavg()[0]
    except OSError:
        return 0.0
    return max(waiting - 1, 0.0) / (os.cpu_count() or 1)


def read_answers(path: Path) -> Answers | None:
    """What a measuring process has written of its answers; None without data."""
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as entries:
        return Answers(**{name: entries[name] for name in entries.files})
