"""One embedding for a recording, exact where the statistics of its windows can be added up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.moments import Moments
from anysize.core.pooled_statistics import Closing
from anysize.core.protocols import Merger
from anysize.core.receipts import Unit
from anysize.core.results import Result
from anysize.core.windows import Window
from anysize.mergers.coverage import Coverage
from anysize.mergers.embedding import direction

PROVIDES = ("voice",)


class VoiceMerger:
    """Joins the windows of one recording.

    Where the windows' outputs have ``states`` and the ``closing`` of the model that pools them, the
    mean and the variance of the states over all cores are added up, and the embedding is that of
    the whole recording at once: ``exact``, if every core is as far from the borders of its window
    as the states look (``Closing.halo``). Else it is the direction of the mean of the windows'
    directions.

    The result has no prediction yet: who it is is for a gallery to say
    (``anysize.recognition.naming``). Its details hold ``found``, a list of one voice: its
    ``confidence`` (the length of the mean of the windows' unit vectors, 1.0 where all agree) and
    the ``embedding`` of length one.

    Args:
        record: the record's id.
        unit: what the record's extent counts.
    """

    order_independent = True

    def __init__(self, record: str, unit: Unit) -> None:
        self._record = record
        self._coverage = Coverage(unit)
        self._sum: NDArray[np.float64] | None = None
        self._moments: Moments | None = None
        self._closing: Closing | None = None
        self._far = True

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self._coverage.add(window)
        own = direction(np.asarray(output["embeddings"], dtype=np.float64))
        self._sum = own if self._sum is None else self._sum + own
        closing = output.get("closing")
        if closing is None or "states" not in output:
            return
        start, stop, before, behind = np.asarray(output["core"]).tolist()
        states = output["states"]
        if self._moments is None:
            self._closing, self._moments = closing, Moments(states.shape[1])
        self._moments.add(states[start:stop])
        # At the ends of the recording there is nothing that a state could have missed.
        self._far = self._far and min(before, behind) >= closing.halo

    def finish(self) -> Result:
        if self._sum is None:
            raise RuntimeError(f"record {self._record!r} was finished before any window")
        mean = self._sum / self._coverage.windows
        embedding, exact = mean, False
        if self._moments is not None and self._closing is not None:
            embedding = self._closing(self._moments.mean, self._moments.spread)
            exact = self._far
        confidence = round(float(np.sqrt(np.dot(mean, mean))), 6)
        values = [round(float(value), 7) for value in direction(embedding)]
        return Result(
            id=self._record,
            prediction=None,
            score=confidence,
            receipt=self._coverage.receipt("voice", "exact" if exact else "approximate"),
            details={"found": [{"confidence": confidence, "embedding": values}]},
        )


def make(
    record: str, labels: Sequence[str], rule: str, unit: Unit, *, keep_first: bool = False
) -> Merger:
    """The merger of one record."""
    return VoiceMerger(record, unit)
