"""Greedy and beam search of a batch of windows under the rules of times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from anysize.core.transcription import Decoded, DecodingOptions
from anysize.runtimes.timed_tokens import TimeRules

Reader = Callable[[Tensor, Tensor, Any], tuple[Tensor, Any]]
"""From states of the encoder, token ids and a cache to logits and the cache."""


@dataclass(slots=True)
class _Beam:
    tokens: list[int] = field(default_factory=list)
    score: float = 0.0

    @property
    def mean(self) -> float:
        """Of the log probabilities, the end counted."""
        return self.score / (len(self.tokens) + 1)


@dataclass(slots=True)
class _Row:
    """One window under way; ``done`` are sequences that ended."""

    place: int
    beams: list[_Beam]
    done: list[_Beam] = field(default_factory=list)


def search(
    read: Reader,
    encoded: Tensor,
    prompts: Sequence[Sequence[int]],
    rules: TimeRules,
    options: DecodingOptions,
    *,
    most: int,
    silence: int,
) -> list[Decoded]:
    """What windows say.

    Args:
        read: the model.
        encoded: states of the windows.
        prompts: of each, all equally long.
        rules: which tokens may come.
        options: how.
        most: new tokens at most.
        silence: id of the token that stands for no speech.
    """
    count = options.beams
    ids = torch.tensor([list(prompt) for prompt in prompts], device=encoded.device)
    logits, cache = read(encoded, ids, None)
    silent = logits[:, 0].float().softmax(-1)[:, silence].tolist()
    last = logits[:, -1]
    rows = [_Row(place, [_Beam()]) for place in range(len(prompts))]
    found: dict[int, _Beam] = {}
    for step in range(most):
        written = [beam.tokens for row in rows for beam in row.beams]
        chances = rules.chances(last, written, times=options.times)
        if options.endless:
            chances[:, rules.end] = -torch.inf
        _forbid(chances, written, options.no_repeat, rules.end)
        kept: list[int] = []
        left: list[_Row] = []
        at = 0
        for row in rows:
            own = range(at, at + len(row.beams))
            at += len(row.beams)
            kept += _advance(row, chances[own.start : own.stop], own.start, rules.end, count)
            if not row.beams or len(row.done) >= count or step == most - 1:
                found[row.place] = max([*row.done, *row.beams], key=lambda each: each.mean)
                kept = kept[: len(kept) - len(row.beams)]
            else:
                left.append(row)
        rows = left
        if not rows:
            break
        chosen = torch.tensor(kept, device=encoded.device)
        if kept != list(range(len(written))):
            encoded = encoded[chosen]
            cache.batch_select_indices(chosen)
        newest = [[beam.tokens[-1]] for row in rows for beam in row.beams]
        logits, cache = read(encoded, torch.tensor(newest, device=encoded.device), cache)
        last = logits[:, -1]
    return [
        Decoded(tuple(found[place].tokens), found[place].mean, silent[place])
        for place in range(len(prompts))
    ]


def _advance(row: _Row, chances: Tensor, first: int, end: int, count: int) -> list[int]:
    """Gives a row its next beams; the places in the batch that they come from."""
    before = torch.tensor([beam.score for beam in row.beams], device=chances.device)
    flat = (chances + before[:, None]).flatten()
    wanted = min(2 * count, len(flat)) if count > 1 else 1
    scores, places = flat.topk(wanted)
    beams: list[_Beam] = []
    origins: list[int] = []
    for score, place in zip(scores.tolist(), places.tolist(), strict=True):
        origin, token = divmod(place, chances.shape[1])
        if score == -float("inf") or len(beams) == count:
            break
        if token == end:
            row.done.append(_Beam(row.beams[origin].tokens, score))
            if count == 1:
                break
            continue
        beams.append(_Beam([*row.beams[origin].tokens, token], score))
        origins.append(first + origin)
    row.beams = beams
    return origins


def _forbid(chances: Tensor, written: Sequence[Sequence[int]], size: int, end: int) -> None:
    """No sequence of ``size`` words comes twice."""
    if not size:
        return
    for row, tokens in zip(chances, written, strict=True):
        tail = tuple(tokens[len(tokens) - size + 1 :]) if len(tokens) >= size - 1 else None
        if tail is None:
            continue
        for at in range(len(tokens) - size + 1):
            if tuple(tokens[at : at + size - 1]) == tail and tokens[at + size - 1] < end:
                row[tokens[at + size - 1]] = -torch.inf
