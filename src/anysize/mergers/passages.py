"""One vector of a text of any length, and which of its windows are nearest to a query.

A passage is a window; its similarity to the query is the cosine of their vectors, as the model
gives them for each alone. A query longer than a window has the vector that a text has.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.pooling import POOLINGS, direction, pooled
from anysize.core.receipts import Facts, Unit
from anysize.core.results import Result
from anysize.core.windows import Window
from anysize.mergers.coverage import Coverage
from anysize.mergers.text_vector import TextVector

OUTPUT = "last_hidden_state"


class PassageMerger:
    """Joins one record's windows of states.

    Each window has aside what ``aside`` gives. Without a query the result's prediction is the
    vector, a list of floats. With one it is the similarity of the best passage; the details have
    the similarity of the whole text, and the nearest passages with their characters.

    Args:
        record: the record's id.
        unit: what the record's extent counts.
        pooling: ``tokens`` or ``windows``, see ``mergers.text_vector``.
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
        self._compares = False
        self._text: TextVector | None = None
        self._asked: TextVector | None = None
        self._query: NDArray[np.float64] | None = None
        # Windows that came before the query: index, characters, vector.
        self._waiting: list[tuple[int, int, int, NDArray[np.float64]]] = []
        self._windows: dict[int, NDArray[np.float32]] = {}
        self._nearest: list[tuple[float, int, int, int]] = []

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        states, own = output[OUTPUT], output["own"]
        place, unit_length, of_query, compares = (int(each) for each in output["pooling"])
        rule = POOLINGS[place]
        self._compares = bool(compares)
        vector = pooled(states, rule)

        def begun(found: TextVector | None) -> TextVector:
            return found or TextVector(self._pooling, rule, unit_length=bool(unit_length))

        if of_query:
            self._asked = begun(self._asked)
            self._asked.add(states, own, vector, window.core.size)
            if self._asked.windows == of_query:
                self._ask(direction(vector if of_query == 1 else self._asked.vector()))
            return
        self._coverage.add(window)
        self._text = begun(self._text)
        self._text.add(states, own, vector, window.core.size)
        if self._measuring:
            self._windows[window.index] = direction(vector).astype(np.float32)
        if self._compares:
            start, stop = (int(each) for each in output["characters"])
            self._compare(window.index, start, stop, direction(vector))

    def finish(self) -> Result:
        if self._text is None:
            raise RuntimeError(f"record {self._record!r} was finished before any window")
        vector = self._text.vector()
        receipt = self._coverage.receipt(self._text.by, "approximate")
        if self._asked is not None and self._asked.windows > 1:
            note = f"the query is longer than a window and was read in {self._asked.windows:,}"
            receipt = receipt.with_facts(Facts(notes=(note,)))
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

    def _ask(self, query: NDArray[np.float64]) -> None:
        """Compares the windows that came before the whole query was read."""
        self._query = query
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            self._compare(*each)

    def _compare(self, index: int, start: int, stop: int, vector: NDArray[np.float64]) -> None:
        if self._query is None:
            self._waiting.append((index, start, stop, vector))
            return
        # Of equal similarity the first in the text is the nearest, whatever the order they come in.
        heapq.heappush(self._nearest, (float(vector @ self._query), -index, start, stop))
        if len(self._nearest) > self._most:
            heapq.heappop(self._nearest)


def aside(
    *, pooling: str, normalize: bool, own: NDArray[np.bool_], characters: tuple[int, int],
    query: int, compares: bool,
) -> dict[str, NDArray[Any]]:  # fmt: skip
    """What a window has aside for `PassageMerger`.

    Args:
        pooling: the model's rule, one of ``core.pooling.POOLINGS``.
        normalize: whether the model gives vectors of length one.
        own: ``[length]``, which tokens of the window count for the text, or for the query.
        characters: of the window, half-open.
        query: of a window of the query, how many that has; 0 for one of the text.
        compares: whether there is a query.
    """
    facts = (POOLINGS.index(pooling), normalize, query, compares)
    return {"pooling": np.array(facts, np.int64), "own": own, "characters": np.array(characters)}


def _rank(passage: tuple[float, int, int, int]) -> tuple[float, int]:
    return -passage[0], -passage[1]
