"""Answers from the logits of their first and last tokens, over windows of a context.

A span is scored in one window: of those that it lies in, the one that has most context on both of
its sides. That is the window whose core has the span's middle, because cores end in the middle of
what two windows share. A span's score is the sum of its two logits as they are, so that spans of
different windows compare; the score of no answer is the smallest of the windows (Devlin et al.
2019, arXiv:1810.04805; Alberti et al. 2019, arXiv:1901.08634). Probabilities are over all spans of
all windows and no answer together (Clark and Gardner 2018, arXiv:1710.10723).
"""

from __future__ import annotations

import dataclasses
import itertools
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anysize.core.receipts import Receipt
from anysize.core.results import Result
from anysize.core.windows import Span, Window
from anysize.mergers.coverage import Coverage

OUTPUTS = ("start_logits", "end_logits")
_LOWEST = -np.inf
_MOST_MARKS = 8


class Candidate(NamedTuple):
    """An answer that may be given; the greater of two is the likelier, or else the earlier one.

    Attributes:
        score: sum of its two logits.
        before: its first character, negated.
        length: in characters, negated.
        text: the characters.
    """

    score: float
    before: int
    length: int
    text: str

    @property
    def start(self) -> int:
        """Its first character in the context."""
        return -self.before

    @property
    def stop(self) -> int:
        """The one after its last."""
        return -self.before - self.length

    def overlaps(self, other: Candidate) -> bool:
        """Whether they share a character."""
        return self.start < other.stop and other.start < self.stop


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRules:
    """Which answers are given.

    Attributes:
        top: how many.
        longest: tokens of an answer at most.
        threshold: the score above that of no answer which an answer must exceed; None always
            gives one.
    """

    top: int = 1
    longest: int = 30
    threshold: float | None = None


def folded(text: str) -> str:
    """What answers are compared by: without case and the number of blanks."""
    return " ".join(text.casefold().split())


class AnswerMerger:
    """Joins the outputs of a context's windows into the answers to its question.

    The outputs are ``start_logits`` and ``end_logits`` ``[length]``; beside them are ``first``, the
    row of the region's first token, ``none``, the row whose logits mean no answer, ``offsets``
    ``[tokens, 2]`` of the region's tokens, and the window's characters: ``characters``, code
    points, and ``begin``, the place of the first one. What is held is bounded by ``rules``.

    Args:
        record: the record's id.
        rules: which answers are given.
        keep_first: whether the result also has what the first window alone answers.
    """

    order_independent = True

    __slots__ = (
        "_best", "_coverage", "_first", "_keep_first", "_none", "_record", "_rules", "_shared",
        "_total",
    )  # fmt: skip

    def __init__(self, record: str, rules: AnswerRules, *, keep_first: bool = False) -> None:
        self._record = record
        self._rules = rules
        self._keep_first = keep_first
        self._coverage = Coverage("tokens")
        self._best: dict[str, Candidate] = {}
        self._none = np.inf
        self._total = _LOWEST
        self._shared = 0
        self._first: tuple[Candidate | None, float] | None = None

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self._coverage.add(window)
        self._shared = _shared(window, self._shared)
        scores = spans(window, output, self._rules.longest)
        row = int(output["none"])
        none = float(output[OUTPUTS[0]][row]) + float(output[OUTPUTS[1]][row])
        self._none = min(self._none, none)
        self._total = float(np.logaddexp(self._total, _log_sum(scores)))
        found = _likeliest(scores, output, 2 * self._rules.top)
        if window.index == 0 and self._keep_first:
            self._first = max(found, default=None), none
        for one in found:
            key = folded(one.text)
            self._best[key] = max(self._best.get(key, one), one)
        if len(self._best) > 2 * self._most:
            self._best = {folded(one.text): one for one in self._leading()}

    def finish(self) -> Result:
        total = np.logaddexp(self._total, self._none)
        chosen: list[Candidate] = []
        for one in self._leading():
            if len(chosen) == self._rules.top:
                break
            if not any(one.overlaps(other) for other in chosen):
                chosen.append(one)
        answers: list[dict[str, Any]] = [
            {
                "answer": one.text,
                "start": one.start,
                "end": one.stop,
                "score": float(np.exp(one.score - total)),
            }
            for one in chosen
        ]
        none = float(np.exp(self._none - total))
        margin = chosen[0].score - self._none if chosen else None
        given = margin is not None and self._is_given(margin)
        details: dict[str, Any] = {
            "start": answers[0]["start"] if given else None,
            "end": answers[0]["end"] if given else None,
            "margin": margin,
            "no_answer_score": none,
            "answers": answers,
        }
        if self._keep_first and self._first is not None:
            best, other = self._first
            sure = best is not None and self._is_given(best.score - other)
            details["first_window"] = best.text if best is not None and sure else None
        return Result(
            id=self._record,
            prediction=answers[0]["answer"] if given else None,
            score=answers[0]["score"] if given else none,
            receipt=self._receipt(),
            details=details,
        )

    def _is_given(self, margin: float) -> bool:
        return self._rules.threshold is None or margin > self._rules.threshold

    @property
    def _most(self) -> int:
        """How many different answers are kept: some of them overlap."""
        return 8 * self._rules.top + 8

    def _leading(self) -> list[Candidate]:
        return sorted(self._best.values(), reverse=True)[: self._most]

    def _receipt(self) -> Receipt:
        receipt = self._coverage.receipt("answers", "approximate")
        longest = self._rules.longest
        if receipt.windows == 1 or longest <= self._shared + 1:
            return receipt
        note = (
            f"answers of more than {self._shared + 1} tokens were not looked for where two windows "
            f"meet, because they share {self._shared}: --overlap {longest - 1} finds all of up to "
            f"{longest}"
        )
        return dataclasses.replace(receipt, notes=(*receipt.notes, note))


def _shared(window: Window, before: int) -> int:
    """Tokens that windows share at least; the border of two cores is in their middle."""
    region, core = window.region, window.core
    if window.index == 0 or not isinstance(region, Span) or not isinstance(core, Span):
        return before
    shared = 2 * (core.start - region.start) + 1
    return min(shared, before) if before else shared


def spans(window: Window, output: Mapping[str, Any], longest: int) -> NDArray[np.float64]:
    """Scores of the spans that a window scores, ``[tokens, longest]``, minus infinity elsewhere.

    In row ``i`` and column ``k`` is the span of the tokens ``i`` to ``i + k`` of its region.
    """
    region, core = window.region, window.core
    if not isinstance(region, Span) or not isinstance(core, Span):
        raise TypeError("answers are found in windows of tokens")
    size, first = region.size, int(output["first"])
    wide = min(longest, size)
    starts, ends = (np.asarray(output[name][first : first + size], np.float64) for name in OUTPUTS)
    if not size:
        return np.full((0, 0), _LOWEST)
    # Tokens without characters of their own (white space alone) begin and end nothing.
    bare = output["offsets"][:, 1] <= output["offsets"][:, 0]
    starts, ends = np.where(bare, _LOWEST, starts), np.where(bare, _LOWEST, ends)
    padded = np.concatenate([ends, np.full(wide - 1, _LOWEST)])
    scores: NDArray[np.float64] = starts[:, None] + np.lib.stride_tricks.sliding_window_view(
        padded, wide
    )
    twice = 2 * np.arange(size)[:, None] + np.arange(wide)
    low, high = 2 * (core.start - region.start), 2 * (core.stop - region.start)
    # By its middle a span belongs to one window, that of its middle token.
    scores[(twice < low) | (twice >= high)] = _LOWEST
    return scores


def _log_sum(scores: NDArray[np.float64]) -> float:
    """The logarithm of the sum of the exponentials."""
    top = scores.max(initial=_LOWEST)
    return float(top + np.log(np.exp(scores - top).sum())) if np.isfinite(top) else _LOWEST


def _likeliest(
    scores: NDArray[np.float64], output: Mapping[str, Any], most: int
) -> list[Candidate]:
    """The likeliest spans of a window that differ and do not overlap."""
    if not scores.size:
        return []
    offsets, begin = output["offsets"], int(output["begin"])
    scores = scores.copy()
    found: dict[str, Candidate] = {}
    for _ in range(4 * most):
        first, more = divmod(int(scores.argmax()), scores.shape[1])
        score = float(scores[first, more])
        if not np.isfinite(score):
            break
        last = first + more
        start, stop = int(offsets[first, 0]), int(offsets[last, 1])
        stop += _marks(output["characters"][stop - begin :])
        text = _text(output["characters"][start - begin : stop - begin])
        found.setdefault(folded(text), Candidate(score, -start, start - stop, text))
        if len(found) == most:
            break
        # Spans that share a token with it: those that begin in it, and those that reach into it.
        scores[first : last + 1] = _LOWEST
        for row in range(max(first - scores.shape[1] + 1, 0), first):
            scores[row, first - row :] = _LOWEST
    return list(found.values())


def _marks(characters: NDArray[np.uint32]) -> int:
    """How many of the characters are accents of the one before, which tokenizers may leave out."""
    near = map(chr, characters[:_MOST_MARKS].tolist())
    accents = itertools.takewhile(lambda one: unicodedata.category(one).startswith("M"), near)
    return len(list(accents))


def _text(characters: NDArray[np.uint32]) -> str:
    return characters.tobytes().decode("utf-32-le", "surrogatepass")


def maker(rules: AnswerRules, *, keep_first: bool = False) -> Callable[[str], AnswerMerger]:
    """What makes the merger of a record from its id."""

    def new(record: str) -> AnswerMerger:
        return AnswerMerger(record, rules, keep_first=keep_first)

    return new
