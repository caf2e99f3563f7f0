"""Evaluation of embeddings: whether each record's text is found by its own query among all texts.

Three ways to find it are measured on the same records: by its nearest passage, by the vector of
the whole text, and by the vector of its first window alone, which is what a program gives that
truncates texts at the model's window. A text that is as near as the own one is ahead of it, unless
it is a copy of it: several queries may have the same text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation import pages, retrieval_rendering
from anysize.evaluation.intervals import PairedCounts, paired_difference, wilson
from anysize.evaluation.numbers import between, percent, points
from anysize.evaluation.passing import Passed
from anysize.evaluation.retrieval_result import WAYS, FarText, RetrievalEvaluation, Way
from anysize.sources.content import record_content
from anysize.sources.stores import ByteRows

if TYPE_CHECKING:
    from anysize.models.bundle import Card

__all__ = ["measure", "write_report"]

PROVIDES = ("feature-extraction",)

# Vectors of windows that are compared with all queries at once.
_BLOCK = 4096
# Cosines of equal texts differ by rounding.
_EQUAL = 1e-6
_WORST = 20

retrieval_rendering.register()


def measure(
    results: Iterable[Result | ErrorResult], *, card: Card, source: Source
) -> RetrievalEvaluation:
    """Ranks every text for every query.

    The vectors of texts are held on the disk, those of queries (one a record) in memory.

    Raises:
        DataError: no record that could be read has a query.
    """
    passed, texts = Passed(source), Texts()
    for ordinal, result, query, _ in passed.scored(results):
        texts.add(result, str(query), record_content(source[ordinal]))
    if not texts.count:
        passed.refuse("a query to be found by; name its column with --columns query=NAME")
    ahead = texts.ahead()
    right = {way: ahead[way] == 0 for way in WAYS}
    ways = {way: _way(ahead[way]) for way in WAYS}
    difference = paired_difference(PairedCounts.of(right["passages"], right["truncated"]))
    order = np.argsort(-ahead["passages"], kind="stable")[:_WORST].tolist()
    worst = [
        FarText(id=texts.ids[at], query=texts.queries[at], rank=int(ahead["passages"][at]) + 1)
        for at in order
        if ahead["passages"][at]
    ]
    return RetrievalEvaluation(
        texts=texts.count, ways=ways, difference=difference, worst=tuple(worst), **passed.account()
    )


def write_report(
    evaluation: RetrievalEvaluation, folder: Path, *, card: Mapping[str, Any], source: Source
) -> None:
    """Writes ``metrics.json`` and a self-contained ``report.html`` into ``folder``."""
    rows = [
        (retrieval_rendering.WORDS[way], percent(one.recall[1]), between(one.interval),
         percent(one.recall[5]), percent(one.recall[10]), f"{one.mrr:.3f}")
        for way, one in evaluation.ways.items()
    ]  # fmt: skip
    best, difference = evaluation.ways["passages"], evaluation.difference
    pages.report(
        "evaluation/templates/retrieval.html",
        evaluation,
        folder,
        card=card,
        source=source,
        cards=[
            ("recall at 1", percent(best.recall[1]), f"by passages; {between(best.interval)}"),
            ("against truncation", f"{points(difference.difference)} points",
             f"{points(difference.interval.low)} … {points(difference.interval.high)}"),
            ("mean reciprocal rank", f"{best.mrr:.3f}", "by the nearest passage"),
            ("texts", f"{evaluation.texts:,}", f"in {evaluation.receipts.windows:,} windows"),
        ],
        notices=evaluation.notices("query"),
        rows=rows,
        worst=[(each.id, each.query, f"{each.rank:,}") for each in evaluation.worst],
    )  # fmt: skip


class Texts:
    """The vectors of texts and their queries, as they come."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.queries: list[str] = []
        self._query: list[NDArray[np.float32]] = []
        self._contents: list[int] = []
        self._own: dict[str, list[float]] = {way: [] for way in WAYS}
        self._rows = ByteRows()

    @property
    def count(self) -> int:
        """How many."""
        return len(self.ids)

    def add(self, result: Result, query: str, content: int) -> None:
        """A record's vectors, and a number that is the same of copies of its text."""
        self._contents.append(content)
        vector, windows, own = (result.details[name] for name in ("vector", "windows", "query"))
        self.ids.append(result.id)
        self.queries.append(query[:500])
        self._query.append(own)
        every = np.concatenate([windows, vector[None]])
        similar = every @ own
        self._own["passages"].append(float(similar[:-1].max()))
        self._own["truncated"].append(float(similar[0]))
        self._own["text"].append(float(similar[-1]))
        self._rows.append(every.tobytes())

    def ahead(self) -> dict[str, NDArray[np.int64]]:
        """For each query how many other texts are nearer than its own, by each way."""
        queries = np.stack(self._query)
        found = {way: np.zeros(self.count, np.int64) for way in WAYS}
        own = {way: np.array(values)[:, None] - _EQUAL for way, values in self._own.items()}
        step = max((1 << 24) // _BLOCK, 1)
        contents = np.array(self._contents, np.uint64)
        first = 0
        for vectors, starts, lasts in self._blocks(queries.shape[1]):
            there = contents[first : first + len(starts)]
            first += len(starts)
            for at in range(0, self.count, step):
                part = slice(at, at + step)
                others = contents[part, None] != there
                similar = queries[part] @ vectors.T
                near = {"truncated": similar[:, starts], "text": similar[:, lasts]}
                similar[:, lasts] = -2.0  # no cosine
                near["passages"] = np.maximum.reduceat(similar, starts, axis=1)
                for way, values in near.items():
                    found[way][part] += ((values >= own[way][part]) & others).sum(axis=1)
        return found

    def _blocks(
        self, width: int
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]]:
        """Vectors of some texts, where each text begins, and where its last row, the whole, is."""
        held: list[NDArray[np.float32]] = []
        size = 0
        for row in self._rows:
            held.append(np.frombuffer(row, np.float32).reshape(-1, width))
            size += len(held[-1])
            if size >= _BLOCK:
                yield _joined(held)
                held, size = [], 0
        if held:
            yield _joined(held)


def _joined(
    held: list[NDArray[np.float32]],
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    stops = np.cumsum([len(each) for each in held])
    starts = np.concatenate(([0], stops[:-1]))
    return np.concatenate(held), starts, stops - 1


def _way(ahead: NDArray[np.int64]) -> Way:
    recall = {most: float((ahead < most).mean()) for most in (1, 5, 10)}
    return Way(
        recall=recall,
        interval=wilson(int((ahead == 0).sum()), len(ahead)),
        mrr=float((1 / (ahead + 1)).mean()),
    )
