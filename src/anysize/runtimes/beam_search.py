"""Beam search over a batch under generation: the most probable of the sequences that it keeps.

It keeps ``beams`` sequences of each row, and of those that end the best by the mean logarithm of
their tokens' probabilities (Wu et al. 2016, arXiv:1609.08144, section 7, with the length to the
power of the penalty in place of their formula). It gives what ``generate`` of transformers gives.
A row whose sequences cannot get better leaves the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from anysize.core.generation import Ending, GenerationOptions, Growth
from anysize.runtimes.decoding import Cached

_NEVER = -1.0e9
# Tokens that are compared by the largest of them first.
_BLOCK = 64


class _Ended(NamedTuple):
    """A sequence that has ended.

    Attributes:
        rank: what the best is chosen by.
        score: the sum of its tokens' log-probabilities.
        tokens: without the one that ended it.
        ending: why it ended.
    """

    rank: float
    score: float
    tokens: list[int]
    ending: Ending


@dataclass(slots=True)
class _Row:
    """One example.

    Attributes:
        place: of the example.
        limit: its largest number of tokens.
        ended: its best sequences that have ended, best first.
    """

    place: int
    limit: int
    ended: list[_Ended] = field(default_factory=list)

    def add(self, found: _Ended, beams: int) -> None:
        """Keeps a sequence if it is one of the best."""
        self.ended.append(found)
        self.ended.sort(key=lambda each: -each.rank)
        del self.ended[beams:]

    def settled(self, best_running: float, beams: int) -> bool:
        """Whether no sequence that still grows can become one of the best."""
        return len(self.ended) == beams and best_running <= self.ended[-1].rank

    def growth(self) -> Growth:
        """The best sequence."""
        best = self.ended[0]
        return Growth(self.place, np.array(best.tokens, np.int32), best.score, best.ending)


class BeamSearch:
    """Searches for the sequences of a batch.

    Args:
        batch: that has read the prompts.
        places: of the examples.
        limits: the largest number of new tokens of each.
        options: with ``beams`` above 1.
        ends: tokens that end a sequence.
        never: tokens that are never taken.
        problem: what is wrong where probabilities are not numbers.
    """

    def __init__(
        self,
        batch: Cached,
        places: Sequence[int],
        limits: Sequence[int],
        options: GenerationOptions,
        *,
        ends: Sequence[int],
        never: Sequence[int],
        problem: str,
    ) -> None:
        self._batch, self._options = batch, options
        self._rows = [_Row(place, limit) for place, limit in zip(places, limits, strict=True)]
        self._ends, self._never, self._problem = list(ends), list(never), problem
        self._beams = options.beams
        device = batch.logits.device
        self._scores = torch.full((len(places), self._beams), _NEVER, device=device)
        self._scores[:, 0] = 0.0
        self._tokens = torch.zeros(len(places), self._beams, 0, dtype=torch.long, device=device)
        every = torch.arange(len(places)).repeat_interleave(self._beams)
        self._logits = batch.logits[every.to(device)]
        batch.keep(every.tolist())

    def __call__(self) -> Iterator[Growth]:
        """The best sequence of each example as soon as it is known."""
        beams = self._beams
        while self._rows:
            scores, origins, tokens, unsound = self._candidates(self._logits)
            bad = set(unsound.view(-1, beams).any(1).nonzero().flatten().tolist())
            for row in bad:
                none = np.array([], np.int32)
                yield Growth(self._rows[row].place, none, 0.0, problem=self._problem)
            length = self._tokens.shape[2] + 1
            hits = self._hits(tokens, length)
            self._collect(scores, origins, tokens, hits, length)
            running, order = scores.masked_fill(hits, _NEVER).topk(beams)
            origins, tokens = origins.gather(1, order), tokens.gather(1, order)
            best = (running[:, 0] / length**self._options.length_penalty).tolist()
            going: list[int] = []
            for place, row in enumerate(self._rows):
                if place in bad:
                    continue
                if length >= row.limit or row.settled(best[place], beams):
                    yield row.growth()
                else:
                    going.append(place)
            if not going:
                return
            self._logits = self._advance(going, running, origins, tokens)

    @torch.inference_mode()
    def _candidates(self, logits: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The best continuations of each row: scores, which beam, which token; best first.

        The last is which beams have probabilities that are not numbers.
        """
        chances = torch.log_softmax(logits, 1)
        # With a number that is none among them their sum is none.
        unsound = torch.isnan(chances.sum(1))
        forbidden = [*self._never]
        if self._tokens.shape[2] < self._options.least:
            forbidden += self._ends
        if forbidden:
            chances[:, forbidden] = -torch.inf
        if self._options.no_repeat:
            written = self._tokens.flatten(0, 1).tolist()
            forbid_repeats(chances, written, self._options.no_repeat)
        count = max(2, 1 + len(self._ends)) * self._beams
        return *best_of(chances, self._scores, count), unsound

    def _hits(self, tokens: Tensor, length: int) -> Tensor:
        """Which continuations end their sequence."""
        ends = torch.tensor(self._ends, dtype=torch.long, device=tokens.device)
        hits = torch.isin(tokens, ends)
        full = torch.tensor([length >= row.limit for row in self._rows], device=tokens.device)
        return hits | full[:, None]

    def _collect(
        self, scores: Tensor, origins: Tensor, tokens: Tensor, hits: Tensor, length: int
    ) -> None:
        """Keeps the sequences that have ended among the best ``beams`` continuations."""
        rank = length**self._options.length_penalty
        places, index = hits[:, : self._beams].nonzero(as_tuple=True)
        if not len(places):
            return
        texts = self._tokens[places, origins[places, index]].tolist()
        last, reached = tokens[places, index].tolist(), scores[places, index].tolist()
        for place, written, token, score in zip(places.tolist(), texts, last, reached, strict=True):
            if score <= _NEVER / 2:
                continue
            ending: Ending = "end" if token in self._ends else "length"
            if ending == "length":
                written.append(token)
            self._rows[place].add(_Ended(score / rank, score, written, ending), self._beams)

    def _advance(
        self, going: list[int], running: Tensor, origins: Tensor, tokens: Tensor
    ) -> Tensor:
        """Goes on with some rows and their best unfinished sequences; gives the next logits."""
        beams, device = self._beams, running.device
        kept = torch.tensor(going, device=device)
        if len(going) < len(self._rows):
            rows = (kept[:, None] * beams + torch.arange(beams, device=device)).flatten()
            self._batch.keep(rows.tolist())
            self._rows = [self._rows[place] for place in going]
        running, origins, tokens = running[kept], origins[kept], tokens[kept]
        old = self._tokens[kept]
        old = old.gather(1, origins[:, :, None].expand(-1, -1, old.shape[2]))
        self._tokens = torch.cat([old, tokens[:, :, None]], 2)
        self._scores = running
        first = torch.arange(len(going), device=device)[:, None] * beams
        self._batch.reorder((first + origins).flatten())
        return self._batch.advance(tokens.flatten())


def best_of(chances: Tensor, scores: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The best continuations of some beams.

    Looking through all of them is slow, so only those blocks of tokens are looked through whose
    largest chances are the largest: no others hold one of the best.

    Args:
        chances: logarithms of tokens' probabilities, ``[rows * beams, vocabulary]``.
        scores: of the beams so far, ``[rows, beams]``.
        count: how many are wanted of each row.

    Returns:
        Their scores, beams and tokens, ``[rows, count]`` each or fewer, best first.
    """
    rows, beams = scores.shape
    vocabulary = chances.shape[1]
    blocks = vocabulary // _BLOCK
    each = chances.view(rows, beams, vocabulary)
    rest = (each[:, :, blocks * _BLOCK :] + scores[:, :, None]).flatten(1)
    tokens = torch.arange(blocks * _BLOCK, vocabulary, device=chances.device)
    place = (torch.arange(beams, device=chances.device)[:, None] * vocabulary + tokens).flatten()
    places = place.expand(rows, -1)
    if blocks:
        split = each[:, :, : blocks * _BLOCK].unflatten(2, (blocks, _BLOCK))
        tops = (split.amax(3) + scores[:, :, None]).flatten(1)
        chosen = tops.topk(min(count, tops.shape[1])).indices
        beam, block = chosen // blocks, chosen % blocks
        row = torch.arange(rows, device=chances.device)[:, None]
        found = split[row, beam, block] + scores.gather(1, beam)[:, :, None]
        first = beam * vocabulary + block * _BLOCK
        inside = first[:, :, None] + torch.arange(_BLOCK, device=chances.device)
        rest = torch.cat([found.flatten(1), rest], 1)
        places = torch.cat([inside.flatten(1), places], 1)
    best, index = rest.topk(min(count, rest.shape[1]))
    chosen = places.gather(1, index)
    return best, chosen // vocabulary, chosen % vocabulary


def forbid_repeats(chances: Tensor, tokens: Sequence[Sequence[int]], size: int) -> None:
    """Takes away the tokens that would repeat a sequence of ``size`` tokens, in place.

    Args:
        chances: log-probabilities or logits ``[rows, vocabulary]``.
        tokens: of each row so far.
        size: of the sequences that do not come twice.
    """
    for row, written in enumerate(tokens):
        last = written[len(written) - size + 1 :] if size > 1 else []
        banned = [
            written[at + size - 1]
            for at in range(len(written) - size + 1)
            if written[at : at + size - 1] == last
        ]
        if banned:
            chances[row, banned] = -torch.inf
