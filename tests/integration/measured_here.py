"""Compression judged without the cost of measuring: no processes, one round, a speed by decree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anysize.compression import measuring, trial, worker
from anysize.compression.measuring import Measured
from anysize.compression.pace import Pace, Ratio, Round
from anysize.compression.request import Judging


class Here(Measured):
    """A bundle measured in this process, which has imported everything."""

    def __init__(self, bundle: Path, judging: Judging, work: Path, name: str) -> None:
        self.bundle = bundle
        file = work / f"{name}.npz"
        self._bench = worker.Bench(str(bundle), judging, file)
        self.entries = self._bench.entries
        self.answers = measuring.read_answers(file)

    def round(self) -> Round:
        return Round(**self._bench.round())

    def close(self) -> None:
        """Nothing is left to end."""


def measure_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the judge start no process."""
    monkeypatch.setattr(trial, "Measured", Here)


def paced(monkeypatch: pytest.MonkeyPatch, speed: float) -> None:
    """One round of each, and this is how fast the candidate is found to be."""

    def side_by_side(original: Measured, candidate: Measured) -> Any:
        one, two = (Ratio(value=of, low=of, high=of, pairs=9) for of in (speed, 1 / speed))
        return [original.round()], [candidate.round()], Pace(speed=one, latency=two)

    monkeypatch.setattr(trial, "side_by_side", side_by_side)
