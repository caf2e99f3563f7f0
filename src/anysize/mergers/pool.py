"""Pooling of window logits into one prediction for the record.

``mean`` weighs each window by the extent of its core, so that every token or pixel counts once;
``max`` takes the largest logit of each class; ``attention`` weighs windows by the softmax of a
learned score (Ilse et al. 2018, Attention-based Deep Multiple Instance Learning), computed as a
running sum with a running maximum (Milakov & Gimelshein 2018), so memory does not grow with
the number of windows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError
from anysize.core.protocols import Merger
from anysize.core.receipts import Unit
from anysize.core.results import Decision, Result
from anysize.core.windows import Window
from anysize.heads.single_label_classification import SingleLabel
from anysize.mergers.coverage import Coverage

PROVIDES = ("mean", "max", "attention")


Decide: TypeAlias = Callable[[NDArray[np.float64]], Decision]
"""What pooled logits mean (``heads.protocols.Head.decide``)."""


class PoolMerger:
    """Pools one record's window logits.

    Args:
        record: the record's id.
        decide: what the pooled logits mean.
        rule: ``mean``, ``max`` or ``attention`` (needs ``scores`` in the outputs).
        unit: what the record's extent counts.
        keep_first: also report what the first window alone would have answered, as
            ``first_window``.
    """

    order_independent = True

    __slots__ = (
        "_coverage", "_decide", "_first", "_keep_first", "_record", "_rule", "_sum", "_top_score",
        "_weight",
    )  # fmt: skip

    def __init__(
        self,
        record: str,
        decide: Decide,
        rule: str,
        unit: Unit,
        *,
        keep_first: bool = False,
    ) -> None:
        if rule not in PROVIDES:
            raise ConfigurationError(f"merge must be one of {', '.join(PROVIDES)}, not {rule!r}")
        self._record = record
        self._decide = decide
        self._rule = rule
        self._coverage = Coverage(unit)
        self._keep_first = keep_first
        # The weighted sum, or for ``max`` the largest; None before the first window.
        self._sum: NDArray[np.float64] | None = None
        self._weight = 0.0
        self._top_score = -math.inf
        self._first: NDArray[np.float64] | None = None

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        logits = np.asarray(output["logits"], dtype=np.float64)
        self._coverage.add(window)
        if window.index == 0 and self._keep_first:
            self._first = logits
        if self._rule == "max":
            self._weight = 1.0
            self._sum = logits if self._sum is None else np.maximum(self._sum, logits)
            return
        if self._rule == "mean":
            weight = float(max(window.core.size, 1))
        else:
            weight = self._attention_weight(float(output["scores"]))
        self._sum = weight * logits if self._sum is None else self._sum + weight * logits
        self._weight += weight

    def _attention_weight(self, score: float) -> float:
        """The window's weight relative to the largest score so far; rescales what is held."""
        if score > self._top_score:
            if self._sum is not None:
                shrink = math.exp(self._top_score - score)
                self._sum *= shrink
                self._weight *= shrink
            self._top_score = score
        return math.exp(score - self._top_score)

    def finish(self) -> Result:
        if self._sum is None:
            raise RuntimeError(f"record {self._record!r} was finished before any window")
        decision = self._decide(self._sum / self._weight)
        details = dict(decision.details)
        if self._first is not None:
            details["first_window"] = self._decide(self._first).compared
        return Result(
            id=self._record,
            prediction=decision.prediction,
            score=decision.score,
            receipt=self._coverage.receipt(self._rule, "approximate"),
            details=details,
        )


def make(
    record: str,
    labels: Sequence[str],
    rule: str,
    unit: Unit,
    *,
    keep_first: bool = False,
    decide: Decide | None = None,
) -> Merger:
    """The merger of one record."""
    if decide is None:
        decide = partial(SingleLabel().decide, labels=labels)
    return PoolMerger(record, decide, rule, unit, keep_first=keep_first)
