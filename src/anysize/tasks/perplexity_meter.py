"""Validation of language models: the perplexity of a token."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from anysize.core.results import Result


class PerplexityMeter:
    """The perplexity of a token, and the mean of its loss (natural logarithms)."""

    def __init__(self) -> None:
        self._loss = 0.0
        self._tokens = 0

    def add(self, result: Result, target: Any) -> None:
        self._loss += float(result.details["loss"])
        self._tokens += int(result.details["tokens"])

    def state(self) -> tuple[float, int]:
        return self._loss, self._tokens

    def join(self, states: Sequence[tuple[float, int]]) -> None:
        self._loss = math.fsum(loss for loss, _ in states)
        self._tokens = sum(tokens for _, tokens in states)

    def score(self) -> tuple[float, float]:
        loss = self._loss / max(self._tokens, 1)
        return math.exp(min(loss, 700.0)), loss
