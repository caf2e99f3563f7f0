"""One vector of a text of any length, and which of its windows are nearest to a query.

The vector of a text (``tokens``) is that of all its tokens, each taken from the window that owns
it, the special ones at its very beginning and end included: of a text of one window it is exactly
what the model gives. Where a model's rule cannot be taken over windows (its first token alone), or
where it is asked for (``windows``), it is the mean of the windows' vectors, each counted by its
core.

A passage is a window; its similarity to the query is the cosine of their vectors, as the model
gives them for each alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.pooling import OVER_TOKENS, POOLINGS, TokenPool, direction, pooled
from anysize.core.receipts import Unit
from anysize.core.results import Result
from anysize.core.windows import Window
from anysize.mergers.coverage import Coverage

OUTPUT = "last_hidden_state"


class PassageMerger:
    """Joins one record's windows of states.

    Each window has aside what ``aside`` gives. Without a query the result's prediction is the
    vector, a list of floats. With one it is the similarity of the best passage; the details have
    the similarity of the whole text, and the nearest passages with their characters.

    Args:
        record: the record's id.
        unit: what the record's extent counts.
        pooling: ``tokens`` or ``windows``, see the module.
        passages: how many are named, at most.
        measuring: the details have the vectors of the text (``vector``), of its windows
            (``windows``) and of the query, as arrays, for an evaluation.
    """

    order_independent = True

    def __init__(
        self, record: str, unit: Unit, pooling: str, passages: int, *, measuring: bool = False
    ) -> None:
        self._record, self._pooling, self._most = record, pooling, passages
        self._measuring = measuring
        self._coverage = Coverage(unit)
        self._rule, self._unit_length, self._compares = "", False, False
        self._tokens: TokenPool | None = None
        self._sum: NDArray[np.float64] | None = None
        self._weight = 0
        self._query: NDArray[np.float64] | None = None
        # Windows that came before the query: index, characters, vector.
        self._waiting: list[tuple[int, int, int, NDArray[np.float64]]] = []
        self._windows: dict[int, NDArray[np.float32]] = {}
        self._nearest: list[tuple[float, int, int, int]] = []

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        states, own = output[OUTPUT], output["own"]
        rule, unit_length, is_query, compares = (int(each) for each in output["pooling"])
        self._rule, self._unit_length = POOLINGS[rule], bool(unit_length)
        self._compares = bool(compares)
        vector = pooled(states, self._rule)
        if is_query:
            self._query = direction(vector)
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                self._compare(*each)
            return
        self._coverage.add(window)
        if self._pooling == "tokens" and self._rule in OVER_TOKENS:
            self._tokens = self._tokens or TokenPool(self._rule)
            self._tokens.add(states[own])
        else:
            weight = max(window.core.size, 1)
            ours = weight * (direction(vector) if self._unit_length else vector)
            self._sum = ours if self._sum is None else self._sum + ours
            self._weight += weight
        if self._measuring:
            self._windows[window.index] = direction(vector).astype(np.float32)
        if self._compares:
            start, stop = (int(each) for each in output["characters"])
            self._compare(window.index, start, stop, direction(vector))

    def finish(self) -> Result:
        vector = self._vector()
        rule = "tokens" if self._tokens is not None else "windows"
        receipt = self._coverage.receipt(rule, "approximate")
        if not self._compares:
            found = [round(float(value), 8) for value in vector]
            return Result(id=self._record, prediction=found, score=None, receipt=receipt)
        if self._query is None:
            raise RuntimeError(f"record {self._record!r} was finished without its query")
        passages = [
            {"similarity": round(similarity, 6), "start": start, "end": stop}
            for similarity, _, start, stop in sorted(self._nearest, key=_rank)
        ]
        whole = float(direction(vector) @ self._query)
        details: dict[str, Any] = {"text_similarity": round(whole, 6), "passages": passages}
        if self._measuring:
            details |= {
                "vector": direction(vector).astype(np.float32),
                "windows": np.stack([self._windows[key] for key in sorted(self._windows)]),
                "query": self._query.astype(np.float32),
            }
        best = float(passages[0]["similarity"])
        return Result(
            id=self._record, prediction=best, score=None, receipt=receipt, details=details
        )

    def _compare(self, index: int, start: int, stop: int, vector: NDArray[np.float64]) -> None:
        if self._query is None:
            self._waiting.append((index, start, stop, vector))
            return
        # Of equal similarity the first in the text is the nearest, whatever the order they come in.
        heapq.heappush(self._nearest, (float(vector @ self._query), -index, start, stop))
        if len(self._nearest) > self._most:
            heapq.heappop(self._nearest)

    def _vector(self) -> NDArray[np.float64]:
        if self._tokens is not None:
            vector = self._tokens.vector()
        elif self._sum is not None:
            vector = self._sum / self._weight
        else:
            raise RuntimeError(f"record {self._record!r} was finished before any window")
        return direction(vector) if self._unit_length else vector


def aside(
    *, pooling: str, normalize: bool, own: NDArray[np.bool_], characters: tuple[int, int],
    query: bool, compares: bool,
) -> dict[str, NDArray[Any]]:  # fmt: skip
    """What a window has aside for `PassageMerger`.

    Args:
        pooling: the model's rule, one of ``core.pooling.POOLINGS``.
        normalize: whether the model gives vectors of length one.
        own: ``[length]``, which tokens of the window count for the text.
        characters: of the window, half-open.
        query: whether the window is that of the query.
        compares: whether there is a query.
    """
    facts = (POOLINGS.index(pooling), normalize, query, compares)
    return {"pooling": np.array(facts, np.int64), "own": own, "characters": np.array(characters)}


def _rank(passage: tuple[float, int, int, int]) -> tuple[float, int]:
    return -passage[0], -passage[1]
