"""Validation of question answering: F1 at the best threshold of no answer, which is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anysize.core.results import Result
from anysize.tasks.answer_scores import ALL, NOTHING, best_cut, compared
from anysize.tasks.answer_targets import Wanted

THRESHOLD = "no_answer_threshold"


@dataclass(slots=True)
class AnswerMeter:
    """Counts exact match and F1 with and without each record's answer; four numbers a record."""

    rows: list[tuple[float, float, float, float]] = field(default_factory=list)

    def add(self, result: Result, target: Wanted) -> None:
        answers = result.details["answers"]
        given = compared(answers[0]["answer"], target.texts) if answers else NOTHING
        none = ALL.f1 if not target.answers else NOTHING.f1
        margin = result.details["margin"]
        self.rows.append((-np.inf if margin is None else margin, given.exact, given.f1, none))

    def state(self) -> list[tuple[float, float, float, float]]:
        return self.rows

    def join(self, states: Sequence[list[tuple[float, float, float, float]]]) -> None:
        self.rows = [row for state in states for row in state]

    def score(self) -> tuple[float, float]:
        """F1, and one minus exact match at the same threshold."""
        margins, exact, f1, none = np.array(self.rows).T
        if not none.any():
            return float(f1.mean()), 1 - float(exact.mean())
        cut = best_cut(margins, f1, none)
        answered = margins > cut.threshold
        return cut.score, 1 - float(np.where(answered, exact, none).mean())

    def calibration(self) -> Mapping[str, Any]:
        """The best threshold, by the name of its option, where some questions have no answer."""
        margins, _, f1, none = np.array(self.rows).T
        return {THRESHOLD: best_cut(margins, f1, none).threshold} if none.any() else {}
