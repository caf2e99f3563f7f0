"""Summaries made of a text's own sentences, each an exact slice of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from anysize.core.receipts import Receipt
from anysize.core.results import Result
from anysize.core.scripts import UNSPACED
from anysize.core.windows import Window
from anysize.mergers.coverage import Coverage
from anysize.mergers.ranking import Space, chosen

MOST_HELD = 1024
"""Sentences that are held for a summary until the whole text is known."""


_THEIR_PUNCTUATION = ((0x3000, 0x3040), (0xFF00, 0xFF70))


@dataclass(frozen=True, slots=True)
class Extract:
    """A sentence that may be in the summary.

    Attributes:
        start: its first character in the text.
        text: its characters.
        window: which window it was read in.
        held: what ranks it; see ``ranking.Space``.
        score: how central it is, where sentences are ranked.
    """

    start: int
    text: str
    window: int
    held: Any = None
    score: float | None = None

    def to_json(self) -> dict[str, Any]:
        entries: dict[str, Any] = {
            "text": self.text,
            "start": self.start,
            "end": self.start + len(self.text),
            "window": self.window,
        }
        return entries if self.score is None else {**entries, "score": round(self.score, 4)}


class ExtractMerger(ABC):
    """Takes a record's windows in their order, whatever order they come in.

    Each window's output has ``starts`` int64 ``[sentences]``, their ``texts`` and ``pieces``: how
    many of them are only pieces of a sentence.

    Args:
        record: the record's id.
        count: how many sentences the summary has.
    """

    order_independent = True
    rule = ""

    def __init__(self, record: str, count: int) -> None:
        self._record, self._count = record, count
        self._coverage = Coverage("characters")
        self._waiting: dict[int, Mapping[str, Any]] = {}
        self._next = 0
        self._pieces = 0
        self.sentences = 0

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self._coverage.add(window)
        self._waiting[window.index] = self._reduced(output)
        while self._next in self._waiting:
            held = self._waiting.pop(self._next)
            starts, texts = held["starts"].tolist(), held["texts"].tolist()
            self._take(
                [
                    Extract(start, text, self._next)
                    for start, text in zip(starts, texts, strict=True)
                ],
                held,
            )
            self.sentences += len(texts)
            self._pieces += int(held["pieces"])
            self._next += 1

    def finish(self) -> Result:
        found = sorted(self._chosen(), key=lambda each: each.start)
        return Result(
            id=self._record,
            prediction=joined([each.text for each in found]),
            score=None,
            details={"sentences": [each.to_json() for each in found]},
            receipt=self._receipt(),
        )

    def _reduced(self, output: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is kept of a window's output until its turn comes."""
        return output

    @abstractmethod
    def _take(self, some: list[Extract], output: Mapping[str, Any]) -> None:
        """The sentences of the next window."""

    @abstractmethod
    def _chosen(self) -> list[Extract]:
        """The sentences of the summary."""

    def _receipt(self) -> Receipt:
        counts = {"sentences": self.sentences}
        if self._pieces:
            counts["pieces_of_sentences"] = self._pieces
        return replace(self._coverage.receipt(self.rule, "exact"), fidelity="exact", counts=counts)


class LeadMerger(ExtractMerger):
    """The first sentences: what most news begins with is its summary."""

    rule = "lead"

    def __init__(self, record: str, count: int) -> None:
        super().__init__(record, count)
        self._first: list[Extract] = []

    def _take(self, some: list[Extract], output: Mapping[str, Any]) -> None:
        self._first += some[: self._count - len(self._first)]

    def _chosen(self) -> list[Extract]:
        return self._first


class RankingMerger(ExtractMerger):
    """The most central sentences of the text.

    All sentences count for what is central. At most ``MOST_HELD`` of them are held: when there are
    more, the half that is least central until then is let go.

    Args:
        record: the record's id.
        count: how many sentences the summary has.
        space: that ranks them.
        diversity: see ``ranking.chosen``.
    """

    rule = "ranking"

    def __init__(self, record: str, count: int, space: Space, diversity: float) -> None:
        super().__init__(record, count)
        self._space, self._diversity = space, diversity
        self._held: list[Extract] = []
        self._most = max(MOST_HELD, 4 * count)
        self._gone = 0

    def _reduced(self, output: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._space.reduced(output)

    def _take(self, some: list[Extract], output: Mapping[str, Any]) -> None:
        if not some:
            return
        vectors = self._space.add(output)
        self._held += [
            replace(each, held=vector) for each, vector in zip(some, vectors, strict=True)
        ]
        if len(self._held) >= self._most:
            central = self._space.centrality([each.held for each in self._held])
            best = np.sort(np.argsort(-central, kind="stable")[: self._most // 2])
            self._gone += len(self._held) - len(best)
            self._held = [self._held[place] for place in best.tolist()]

    def _chosen(self) -> list[Extract]:
        if not self._held:
            return []
        vectors = [each.held for each in self._held]
        central = self._space.centrality(vectors)
        places = chosen(self._space, vectors, central, self._count, self._diversity)
        return [replace(self._held[place], score=float(central[place])) for place in places]

    def _receipt(self) -> Receipt:
        receipt = super()._receipt()
        if not self._gone:
            return receipt
        note = (
            f"{self._gone} of {self.sentences} sentences were compared with what had been read "
            "until then, not with the whole text"
        )
        return replace(receipt, fidelity="approximate", notes=(note,))


def joined(texts: Sequence[str]) -> str:
    """Sentences as one text: a blank between them, except in scripts that have none."""
    parts: list[str] = []
    for text in texts:
        if parts and not _unspaced(parts[-1][-1:]):
            parts.append(" ")
        parts.append(text)
    return "".join(parts)


def _unspaced(character: str) -> bool:
    code = ord(character) if character else 0
    return any(start <= code < stop for start, stop in (*UNSPACED, *_THEIR_PUNCTUATION))
