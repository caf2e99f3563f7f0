"""How likely a text is: the sum over its tokens of what each costs, every token once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anysize.core.protocols import Merger
from anysize.core.receipts import Unit
from anysize.core.results import Result
from anysize.core.windows import Window
from anysize.mergers.coverage import Coverage

PROVIDES = ("likelihood",)


class LikelihoodMerger:
    """Adds up the losses of one record's tokens.

    The result's prediction is the perplexity of a token; ``details`` has ``loss``, minus the
    natural logarithm of the text's probability, and ``tokens``, how many it is the sum of.

    Args:
        record: the record's id.
        unit: what the record's extent counts.
    """

    order_independent = True

    def __init__(self, record: str, unit: Unit) -> None:
        self._record = record
        self._coverage = Coverage(unit)
        self._losses: list[float] = []
        self._tokens = 0

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self._coverage.add(window)
        self._losses.append(float(np.asarray(output["losses"], np.float64).sum()))
        self._tokens += int(output["predicted"])

    def finish(self) -> Result:
        loss = math.fsum(self._losses)
        return Result(
            id=self._record,
            prediction=math.exp(min(loss / max(self._tokens, 1), 700.0)),
            score=None,
            receipt=self._coverage.receipt("likelihood", "approximate"),
            details={"loss": loss, "tokens": self._tokens},
        )


def make(
    record: str, labels: Sequence[str], rule: str, unit: Unit, *, keep_first: bool = False
) -> Merger:
    """The merger of one record."""
    return LikelihoodMerger(record, unit)
