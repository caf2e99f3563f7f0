"""From the paths of connectionist temporal classification to tokens (Graves et al. 2006).

A model gives each step one of its tokens or the blank. A run of equal ones is one token, and
blanks are nothing. The steps of a recording come in pieces, window after window; a run that goes on
in the next piece is still one token, because what joins the pieces is one collapse over all steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Spoken(NamedTuple):
    """One token that was recognised.

    Attributes:
        token: its number.
        start, stop: steps that it lasts, half open, counted from the beginning of the recording.
        score: natural logarithm of its probability: of the step where that is the highest.
    """

    token: int
    start: int
    stop: int
    score: float


@dataclass(frozen=True, slots=True)
class Steps:
    """What a model gives for the steps that a window owns, as far as a search needs it.

    Attributes:
        tokens: the most probable ones of each step, the best first, int32 ``[n, k]``.
        scores: natural logarithms of their probabilities, float32 ``[n, k]``.
        blank: that of the blank, float32 ``[n]``.
    """

    tokens: NDArray[np.int32]
    scores: NDArray[np.float32]
    blank: NDArray[np.float32]

    @classmethod
    def of(cls, logits: NDArray[np.float32], blank: int, kept: int = 1) -> Steps:
        """Of logits ``[n, vocabulary]``.

        Args:
            logits: of the steps.
            blank: the token that is nothing.
            kept: how many tokens of each step are kept.
        """
        values = logits.astype(np.float64)
        values -= values.max(axis=1, keepdims=True)
        values -= np.log(np.exp(values).sum(axis=1, keepdims=True))
        if kept == 1:
            best = values.argmax(axis=1)[:, None]
        else:
            best = np.argsort(-values, axis=1, kind="stable")[:, :kept]
        scores = np.take_along_axis(values, best, axis=1)
        return cls(
            best.astype(np.int32), scores.astype(np.float32), values[:, blank].astype(np.float32)
        )

    def __len__(self) -> int:
        return len(self.tokens)


class Search(Protocol):
    """Finds the tokens of one recording from its steps, which come in order."""

    def add(self, steps: Steps) -> Iterator[Spoken]:
        """Takes the next steps; the tokens that no further step can change, in order."""
        ...

    def rest(self) -> Iterator[Spoken]:
        """The tokens that are left once there are no more steps."""
        ...


class BestPath:
    """The most probable token of each step, collapsed; what is held is one token.

    Args:
        blank: the token that is nothing.
    """

    def __init__(self, blank: int) -> None:
        self._blank = blank
        self._place = 0
        self._held: Spoken | None = None

    def add(self, steps: Steps) -> Iterator[Spoken]:
        """See ``Search``."""
        path, scores = steps.tokens[:, 0], steps.scores[:, 0]
        # Where another token begins; the first step of the piece is looked at by itself.
        edges = np.flatnonzero(np.diff(path)) + 1
        begins = np.concatenate([[0], edges]) if len(path) else edges
        stops = np.append(edges, len(path))
        for begin, stop in zip(begins.tolist(), stops.tolist(), strict=False):
            token = int(path[begin])
            best = float(scores[begin:stop].max())
            span = self._place + begin, self._place + stop
            held = self._held
            if held is not None and held.token == token and held.stop == span[0]:
                self._held = Spoken(token, held.start, span[1], max(held.score, best))
                continue
            if held is not None:
                yield held
            self._held = None if token == self._blank else Spoken(token, *span, best)
        self._place += len(path)

    def rest(self) -> Iterator[Spoken]:
        """See ``Search``."""
        if self._held is not None:
            yield self._held
        self._held = None
