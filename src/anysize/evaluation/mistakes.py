"""The worst mistakes of an evaluation, and the excerpts they are shown with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from anysize.core.excerpts import Excerpt
from anysize.core.highest import Highest
from anysize.core.receipts import Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One record that the model got wrong.

    Attributes:
        ordinal: position of the record in the evaluated stream (0, 1, 2 …).
        score: the model's confidence in its wrong prediction.
        target_probability: what it gave to the right class.
        region: the part of the input that the most confident window read, where the merger
            told (``details["region"]``): ``start`` and ``stop`` in characters, or ``left``,
            ``top``, ``right`` and ``bottom`` in pixels.
        excerpt: filled at the end of the evaluation; None where none was asked for.
    """

    ordinal: int
    id: str
    target: str
    prediction: str
    score: float
    target_probability: float
    receipt: Receipt
    region: Mapping[str, int] | None = None
    excerpt: Excerpt | None = None

    def to_json(self) -> dict[str, Any]:
        entries: dict[str, Any] = {
            "id": self.id,
            "target": self.target,
            "prediction": self.prediction,
            "score": self.score,
            "target_probability": self.target_probability,
            "receipt": self.receipt.to_json(),
        }
        if self.region is not None:
            entries["region"] = dict(self.region)
        return entries


ExcerptReader: TypeAlias = Callable[[Mistake], Excerpt]


class WorstMistakes:
    """Keeps the ``most`` mistakes whose right class got the lowest probability.

    Among equals the more confident one counts as worse, then the earlier one.
    """

    def __init__(self, most: int) -> None:
        self._worst = Highest[Mistake](most)

    def add(self, mistake: Mistake) -> None:
        self._worst.add((-mistake.target_probability, mistake.score), mistake.ordinal, mistake)

    def worst_first(self, excerpt: ExcerptReader | None = None) -> tuple[Mistake, ...]:
        """The mistakes, worst first, each with its excerpt."""
        ordered = self._worst.entries()
        if excerpt is None:
            return tuple(ordered)
        return tuple(replace(mistake, excerpt=excerpt(mistake)) for mistake in ordered)
