"""Measuring bundles in processes of their own, in turns."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from anysize.compress.request import Judging
from anysize.compress.verdict import Answers, Figures
from anysize.core.errors import BudgetError, ConfigurationError, RunError
from anysize.models.bundle import files_of
from anysize.scale.child import LAUNCHER

_ROUNDS = 7


@dataclass(slots=True)
class Round:
    """Times of one round: seconds of single windows, and windows a second in batches."""

    latencies: list[float]
    throughput: float


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
        command = [sys.executable, "-m", "anysize.compress.worker", str(bundle), str(request)]
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
        self.answers = _read_answers(answers)

    def round(self) -> Round:
        """Lets it run once; the others wait."""
        assert self._process.stdin is not None
        self._process.stdin.write("round\n")
        self._process.stdin.flush()
        return Round(**self._hear())

    def figures(self, rounds: Sequence[Round]) -> Figures:
        """What was measured, with the times of some rounds."""
        latencies = np.array([time for each in rounds for time in each.latencies])
        entries = {name: value for name, value in self.entries.items() if name != "answers"}
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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


def side_by_side(
    original: Measured, candidate: Measured
) -> tuple[list[Round], list[Round], float, float]:
    """Rounds of both in turns.

    Returns:
        The original's rounds, the candidate's, its speed (throughput as a multiple of the
        original's) and its latency (as a part of the original's), both medians over the rounds.
    """
    before, after = [], []
    for place in range(_ROUNDS):
        # Whoever goes second finds the processor warm: take turns at that as well.
        if place % 2:
            after.append(candidate.round())
            before.append(original.round())
        else:
            before.append(original.round())
            after.append(candidate.round())
    pairs = list(zip(before, after, strict=True))
    speed = statistics.median(two.throughput / one.throughput for one, two in pairs)
    latency = statistics.median(
        statistics.median(two.latencies) / statistics.median(one.latencies) for one, two in pairs
    )
    return before, after, speed, latency


def _read_answers(path: Path) -> Answers | None:
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as entries:
        return Answers(entries["predictions"], entries["correct"])
