"""What is counted of answers while results stream past, and what that adds up to."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anysize.core.records import Record
from anysize.core.results import Result
from anysize.evaluation.answer_baselines import most_similar
from anysize.evaluation.answer_result import AnswerBaseline, AnswerBin
from anysize.evaluation.intervals import Interval, percentiles
from anysize.tasks.answer_columns import CONTEXT, QUESTION
from anysize.tasks.answer_scores import ALL, NOTHING, Match, best_cut, compared
from anysize.tasks.answer_targets import Wanted

_REPLICATES = 1000
_DEPTHS = 5
Numbers = NDArray[np.float64]


class Row(NamedTuple):
    """One question; scores are 0 to 1.

    Attributes:
        context: which one it is about.
        answerable: whether it has an answer.
        margin: of the best answer above no answer; minus infinity where there is none to give.
        model: what the prediction scores.
        given: what the best answer would score.
        first: what the first window alone scores; None where it is not known.
        sentence: what the most similar sentence scores.
        extent: tokens of the context.
        depth: of the answer, as a part of the context; -1 where that is not known.
    """

    context: int
    answerable: bool
    margin: float
    model: Match
    given: Match
    first: Match | None
    sentence: Match
    extent: int
    depth: float


class Rows:
    """The questions so far: some 30 numbers each."""

    def __init__(self) -> None:
        self._contexts: dict[bytes, int] = {}
        self.rows: list[Row] = []

    def add(self, record: Record, result: Result, target: Wanted) -> Row:
        """Scores one question."""
        answers = result.details["answers"]
        best = answers[0]["answer"] if answers else None
        margin, right = result.details["margin"], target.texts
        context = record.text(CONTEXT.role)
        digest, length = hashlib.blake2b(digest_size=8), 0
        for chunk in context.chunks():
            digest.update(chunk.encode("utf-8", "replace"))
            length += len(chunk)
        chosen = target.chosen
        row = Row(
            context=self._contexts.setdefault(digest.digest(), len(self._contexts)),
            answerable=bool(right),
            margin=-np.inf if margin is None else margin,
            model=compared(result.prediction, right),
            given=NOTHING if best is None else compared(best, right),
            first=_first(result, right),
            sentence=_sentence(record, right),
            extent=result.receipt.extent,
            depth=-1.0 if chosen is None else chosen.start / max(length, 1),
        )
        self.rows.append(row)
        return row

    @property
    def contexts(self) -> int:
        """How many different ones there are."""
        return len(self._contexts)

    def metrics(self) -> dict[str, float]:
        """The official measures of SQuAD 2, by the names of the contract."""
        found = _means("", self.rows)
        answerable = [row for row in self.rows if row.answerable]
        others = [row for row in self.rows if not row.answerable]
        if answerable and others:
            found |= _means("has_answer_", answerable)
            found["no_answer_f1"] = _means("", others)["f1"]
            margins = np.array([row.margin for row in self.rows])
            none = np.array([float(not row.answerable) for row in self.rows])
            for name, place in (("exact_match", 0), ("f1", 1)):
                given = np.array([row.given[place] for row in self.rows])
                cut = best_cut(margins, given, none)
                found |= {f"best_{name}": cut.score, f"best_{name}_threshold": cut.threshold}
        return found

    def intervals(self) -> dict[str, Interval]:
        """Of exact match and F1."""
        return {
            name: self._interval(np.array([row.model[place] for row in self.rows]))
            for name, place in (("exact_match", 0), ("f1", 1))
        }

    def baselines(self) -> tuple[AnswerBaseline, ...]:
        """No answer, the most similar sentence, the first window."""
        nothing = [NOTHING if row.answerable else ALL for row in self.rows]
        found = [
            self._baseline("no_answer", "never gives an answer", nothing),
            self._baseline(
                "sentence_retrieval",
                "always answers with the sentence that shares the rarest words with the question",
                [row.sentence for row in self.rows],
            ),
        ]
        first = [row.first for row in self.rows]
        known = [one for one in first if one is not None]
        if len(known) == len(first):
            words = "the same model on the first window of each context alone"
            found.append(self._baseline("first_window", words, known))
        return tuple(found)

    def _baseline(self, name: str, words: str, scores: Sequence[Match]) -> AnswerBaseline:
        theirs = np.array([one.f1 for one in scores])
        differences = np.array([row.model.f1 for row in self.rows]) - theirs
        return AnswerBaseline(
            name=name,
            description=words,
            exact=float(np.mean([one.exact for one in scores])),
            f1=float(theirs.mean()),
            difference=float(differences.mean()),
            interval=self._interval(differences),
        )

    def _interval(self, values: Numbers) -> Interval:
        """A percentile bootstrap over contexts: their questions are not independent."""
        owners = np.array([row.context for row in self.rows])
        sums, counts = np.bincount(owners, values), np.bincount(owners)
        generator = np.random.default_rng(0)
        drawn = np.empty(_REPLICATES)
        for replicate in range(_REPLICATES):
            chosen = generator.integers(len(sums), size=len(sums))
            drawn[replicate] = sums[chosen].sum() / counts[chosen].sum()
        return percentiles(drawn)

    def by_length(self) -> tuple[AnswerBin, ...]:
        """In bins of doubling size, from 128 tokens on."""
        groups: defaultdict[int, list[Row]] = defaultdict(list)
        for row in self.rows:
            groups[max((max(row.extent, 1) - 1).bit_length(), 7)].append(row)
        return tuple(
            _bin((1 << key - 1) + 1 if key > 7 else 1, 1 << key, groups[key])
            for key in sorted(groups)
        )

    def by_depth(self) -> tuple[AnswerBin, ...]:
        """In five equal parts of the context."""
        groups: defaultdict[int, list[Row]] = defaultdict(list)
        for row in self.rows:
            if row.depth >= 0:
                groups[min(int(row.depth * _DEPTHS), _DEPTHS - 1)].append(row)
        step = 100 // _DEPTHS
        return tuple(_bin(key * step, (key + 1) * step, groups[key]) for key in sorted(groups))


def _first(result: Result, right: Sequence[str]) -> Match | None:
    """What the first window alone answers, which of a short context is all; None if not known."""
    if result.receipt.windows > 1 and "first_window" not in result.details:
        return None
    alone = result.receipt.windows == 1
    return compared(result.prediction if alone else result.details["first_window"], right)


def _sentence(record: Record, right: Sequence[str]) -> Match:
    if QUESTION.role not in record.fields:
        return compared(None, right)
    question = "".join(record.text(QUESTION.role).chunks())
    return compared(most_similar(record.text(CONTEXT.role), question), right)


def _means(prefix: str, rows: Sequence[Row]) -> dict[str, float]:
    return {
        f"{prefix}exact_match": float(np.mean([row.model.exact for row in rows])),
        f"{prefix}f1": float(np.mean([row.model.f1 for row in rows])),
    }


def _bin(low: int, high: int, rows: Iterable[Row]) -> AnswerBin:
    held = list(rows)
    firsts = [row.first.f1 for row in held if row.first is not None]
    means = _means("", held)
    return AnswerBin(
        low=low,
        high=high,
        records=len(held),
        exact=means["exact_match"],
        f1=means["f1"],
        first_window=float(np.mean(firsts)) if len(firsts) == len(held) else None,
    )
