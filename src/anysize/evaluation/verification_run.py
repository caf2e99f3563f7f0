"""The state of a verification under way: what is kept of each sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from anysize.core.excerpts import Excerpt
from anysize.core.plurals import none_of, number_of
from anysize.core.receipts import Receipt
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation.lengths import ReceiptCounter
from anysize.evaluation.mistakes import ExcerptReader, Mistake

_MOST_FAILURES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two samples that were hard to judge.

    Attributes:
        records: their ids.
        identities: whose they are.
        score: the cosine.
        excerpts: what they look like.
    """

    records: tuple[str, str]
    identities: tuple[str, str]
    score: float
    excerpts: tuple[Excerpt | None, Excerpt | None] = (None, None)

    def to_json(self) -> dict[str, object]:
        return {
            "records": list(self.records),
            "identities": list(self.identities),
            "score": round(self.score, 6),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    ordinal: int
    id: str
    receipt: Receipt
    region: Mapping[str, int] | None


@dataclass(slots=True)
class VerificationRun:
    """Takes results one by one; vectors are kept, since every one is compared with every other.

    Attributes:
        trained: identities to leave out.
        names, vectors: of the samples that count.
        left_out: how many samples of which trained identity.
        empty: samples in which nothing was found.
    """

    trained: frozenset[str]
    names: list[str] = field(default_factory=list)
    vectors: list[list[float]] = field(default_factory=list)
    samples: list[_Sample] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    empty: int = 0
    without_target: int = 0
    failure_count: int = 0
    failures: list[ErrorResult] = field(default_factory=list)
    receipts: ReceiptCounter = field(default_factory=ReceiptCounter)

    def add(self, ordinal: int, result: Result | ErrorResult, source: Source) -> None:
        """Takes the result of record ``ordinal`` of the source."""
        if isinstance(result, ErrorResult):
            self.failure_count += 1
            if len(self.failures) < _MOST_FAILURES:
                self.failures.append(result)
            return
        target = result.target if result.target is not None else source[ordinal].target
        if target is None:
            self.without_target += 1
            return
        if target in self.trained:
            self.left_out[target] += 1
            return
        found = result.details["found"]
        if not found:
            self.empty += 1
            return
        self.receipts.add(result.receipt)
        self.names.append(target)
        self.vectors.append(found[0]["embedding"])
        self.samples.append(
            _Sample(
                ordinal=ordinal,
                id=result.id,
                receipt=result.receipt,
                region=_region(found[0].get("box"), result.receipt),
            )
        )

    def pair(self, first: int, second: int, score: float, read: ExcerptReader) -> Pair:
        """Two of the samples, with what they look like."""
        return Pair(
            records=(self.samples[first].id, self.samples[second].id),
            identities=(self.names[first], self.names[second]),
            score=score,
            excerpts=(self._excerpt(first, score, read), self._excerpt(second, score, read)),
        )

    def nothing_to_score(self, identities: int) -> str:
        """Why fewer than two identities are left."""
        if self.left_out:
            return (
                f"{identities} identities are left besides the {len(self.left_out)} that the "
                "model was trained on, which are not scored: evaluate on at least two people whom "
                "it has not seen"
            )
        if self.without_target:
            return (
                f"{none_of(self.without_target, 'record')} has an identity to compare with; put "
                "each person's files into a folder, or name the column with "
                "--columns identity=NAME"
            )
        if self.empty:
            return f"nothing was found in {self.empty} of the records, and too few are left"
        if self.failure_count:
            first = f": {self.failures[0].error}" if self.failures else ""
            return f"{number_of(self.failure_count, 'record')} could not be read{first}"
        return f"{number_of(identities, 'identity', 'identities')}; at least two are needed"

    def _excerpt(self, place: int, score: float, read: ExcerptReader) -> Excerpt | None:
        sample = self.samples[place]
        return read(
            Mistake(
                ordinal=sample.ordinal,
                id=sample.id,
                target=self.names[place],
                prediction=self.names[place],
                score=score,
                target_probability=score,
                receipt=sample.receipt,
                region=sample.region,
            )
        )


def _region(box: list[float] | None, receipt: Receipt) -> Mapping[str, int] | None:
    """A face's box inside its picture, in whole pixels."""
    if box is None or receipt.shape is None:
        return None
    width, height = receipt.shape
    left, top, right, bottom = (round(value) for value in box)
    return {
        "left": max(left, 0),
        "top": max(top, 0),
        "right": min(right, width),
        "bottom": min(bottom, height),
    }
