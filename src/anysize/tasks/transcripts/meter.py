"""Validation of recognition: the word error rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.results import Result
from anysize.tasks.transcripts.word_errors import (
    SIZE,
    character_errors,
    error_counts,
    word_errors,
)


@dataclass(slots=True)
class WordErrorMeter:
    """The word error rate over all records; the character error rate decides between equals.

    In text without spaces each character is a word; see ``normalizing``.
    """

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(SIZE, np.int64))

    def add(self, result: Result, target: Any) -> None:
        self.counts = self.counts + error_counts(str(result.prediction), str(target))

    def state(self) -> list[int]:
        return [int(each) for each in self.counts]

    def join(self, states: Sequence[Sequence[int]]) -> None:
        self.counts = np.sum([np.array(state, np.int64) for state in states], axis=0)

    def score(self) -> tuple[float, float]:
        return word_errors(self.counts).rate, character_errors(self.counts).rate
