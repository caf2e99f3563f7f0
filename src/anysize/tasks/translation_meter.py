"""BLEU over records, by sacrebleu (Post 2018, arXiv:1804.08771), from sums that are small."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import MissingExtraError
from anysize.core.results import Result

ORDERS = 4
SIZE = 2 * ORDERS + 2
"""Numbers that a record adds: lengths of output and reference, n-grams that are right, and all."""

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_LETTER = re.compile(r"[^\W\d_]")


def tokenizer_for(reference: str) -> str:
    """Which of sacrebleu's tokenizers counts words: ``zh``, ``char`` (Japanese) or ``13a``."""
    if _KANA.search(reference):
        return "char"
    letters = len(_LETTER.findall(reference))
    return "zh" if 2 * len(_HAN.findall(reference)) > letters else "13a"


def bleu_counts(output: str, reference: str) -> NDArray[np.int64]:
    """What a record adds to BLEU, int64 ``[SIZE]``.

    Raises:
        MissingExtraError: sacrebleu is not installed.
    """
    found = _metric(tokenizer_for(reference)).corpus_score([output], [[reference]])
    return np.array([found.sys_len, found.ref_len, *found.counts, *found.totals], np.int64)


def bleu_of(counts: NDArray[Any]) -> float:
    """BLEU, 0 to 100, of summed counts ``[SIZE]``."""
    numbers = [int(each) for each in counts]
    score = _module().BLEU.compute_bleu(
        correct=numbers[2 : 2 + ORDERS],
        total=numbers[2 + ORDERS :],
        sys_len=numbers[0],
        ref_len=numbers[1],
        smooth_method="exp",
    )
    return float(score.score)


@dataclass(slots=True)
class BleuMeter:
    """BLEU over the records; the loss that decides between equals is what is missing to 100."""

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(SIZE, np.int64))

    @staticmethod
    def needed() -> None:
        """Looks whether sacrebleu is there, before a training begins.

        Raises:
            MissingExtraError: it is not.
        """
        _module()

    def add(self, result: Result, target: Any) -> None:
        self.counts = self.counts + bleu_counts(str(result.prediction), str(target))

    def state(self) -> list[int]:
        return [int(each) for each in self.counts]

    def join(self, states: Sequence[Sequence[int]]) -> None:
        self.counts = np.sum([np.array(state, np.int64) for state in states], axis=0)

    def score(self) -> tuple[float, float]:
        found = bleu_of(self.counts)
        return found, max(100 - found, 0.0)


def _module() -> Any:
    try:
        from sacrebleu import metrics
    except ImportError:
        raise MissingExtraError("sacrebleu", "language") from None
    return metrics


@cache
def _metric(tokenize: str) -> Any:
    return _module().BLEU(tokenize=tokenize, smooth_method="exp")


def chrf_counts(output: str, reference: str) -> NDArray[np.int64]:
    """What a record adds to chrF (Popović 2015): n-grams of output, reference and both, by order.

    Raises:
        MissingExtraError: sacrebleu is not installed.
    """
    # sacrebleu sums these itself for a corpus, but gives them to nobody.
    found = _chrf()._extract_corpus_statistics([output], [[reference]])
    return np.array(found[0], np.int64)


def chrf_of(counts: NDArray[Any]) -> float:
    """ChrF, 0 to 100, of summed counts."""
    return float(_chrf()._compute_score_from_stats([int(each) for each in counts]).score)


@cache
def _chrf() -> Any:
    return _module().CHRF()
