"""Which tokens Whisper may write next: times in pairs that never fall, nothing that steers.

The rules are those that it was published with (Radford et al. 2022, arXiv:2212.04356, and the code
of ``whisper/decoding.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from anysize.models.whisper_tokens import WhisperTokens

_FIRST = 50
"""The first time is at most so many steps of 20 ms behind the beginning."""


@dataclass(frozen=True, slots=True)
class TimeRules:
    """Masks logits.

    Attributes:
        end: id of the end of a text; words are below it.
        first: id of the time 0.00.
        latest: the highest id of the first time.
        never: ids that are never written.
        not_first: ids that no text begins with.
    """

    end: int
    first: int
    latest: int
    never: Tensor
    not_first: Tensor

    @classmethod
    def of(cls, tokens: WhisperTokens, generation: Any, vocabulary: int) -> TimeRules:
        """Those of a model.

        Args:
            tokens: of it.
            generation: its configuration of generation, which names suppressed tokens; or None.
            vocabulary: tokens that it knows.
        """
        steering = range(tokens.end + 1, min(tokens.first_time, vocabulary))
        silent = getattr(generation, "suppress_tokens", None) or ()
        begin = getattr(generation, "begin_suppress_tokens", None) or (tokens.end,)
        latest = getattr(generation, "max_initial_timestamp_index", None)
        return cls(
            end=tokens.end,
            first=tokens.first_time,
            latest=tokens.first_time + (_FIRST if latest is None else int(latest)),
            never=torch.tensor(_known({*steering, *silent} - {tokens.end}, vocabulary)),
            not_first=torch.tensor(_known(begin, vocabulary)),
        )

    def chances(self, logits: Tensor, written: Sequence[Sequence[int]], *, times: bool) -> Tensor:
        """Log probabilities of the next tokens, ``[rows, vocabulary]`` in float32.

        Args:
            logits: of the next tokens.
            written: tokens of each row so far, without its prompt.
            times: whether times are written.
        """
        found = logits.float().clone()
        found[:, self.never] = -torch.inf
        for row, tokens in zip(found, written, strict=True):
            if not times:
                row[self.first :] = -torch.inf
                if not tokens:
                    row[self.not_first] = -torch.inf
                continue
            self._timed(row, tokens)
        return found.log_softmax(-1)

    def _timed(self, row: Tensor, tokens: Sequence[int]) -> None:
        if not tokens:
            row[: self.first] = -torch.inf
            row[self.latest + 1 :] = -torch.inf
            return
        after_time = tokens[-1] >= self.first
        in_pair = after_time and (len(tokens) < 2 or tokens[-2] >= self.first)
        if in_pair:
            row[self.first :] = -torch.inf
        elif after_time:
            row[: self.end] = -torch.inf
        last = max((token for token in tokens if token >= self.first), default=None)
        if last is not None:
            row[self.first : last if after_time and not in_pair else last + 1] = -torch.inf
        scores = row.log_softmax(-1)
        if float(scores[self.first :].logsumexp(-1)) > float(scores[: self.first].max()):
            row[: self.first] = -torch.inf


def _known(ids: Any, vocabulary: int) -> list[int]:
    return sorted(each for each in ids if 0 <= each < vocabulary)
