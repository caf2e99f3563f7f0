"""ROUGE (Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries"), in any script.

Words are in lower case and without punctuation, as the package ``rouge-score`` has them, which
keeps ASCII letters and digits alone. Here letters of all scripts count, with their marks; of
scripts that are written without spaces (Chinese, Japanese, Thai, …) each character is a word. On
ASCII text the scores are those of ``rouge-score`` without its stemmer.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from math import isqrt
from typing import NamedTuple

from anysize.core.scripts import UNSPACED

METRICS = ("rouge1", "rouge2", "rougeL", "rougeLsum")
_ASCII = re.compile("[a-z0-9]+")


class Score(NamedTuple):
    """How two summaries agree, 0 to 1 each."""

    precision: float
    recall: float
    f1: float

    @classmethod
    def of(cls, hits: float, predicted: int, wanted: int) -> Score:
        """From how much agrees, of how much on either side."""
        precision, recall = hits / max(predicted, 1), hits / max(wanted, 1)
        both = precision + recall
        return cls(precision, recall, 2 * precision * recall / both if both else 0.0)


def words(text: str) -> list[str]:
    """The words of a text that are compared; see the module."""
    lower = text.lower()
    return _words(lower).findall(lower)


def places(text: str) -> Iterator[tuple[int, int, str]]:
    """The words of a text with their first character and the one after their last."""
    lower = text.lower()
    if len(lower) == len(text):  # else characters of the two are not at the same places
        for found in _words(lower).finditer(lower):
            yield found.start(), found.end(), found.group()


def rouge(prediction: str, reference: str) -> dict[str, Score]:
    """ROUGE-1, ROUGE-2, ROUGE-L and ROUGE-Lsum of a summary.

    Args:
        prediction: the summary. For ROUGE-Lsum each line is a sentence.
        reference: what it is compared with; the same.
    """
    wanted = [words(line) for line in reference.split("\n")]
    found = [words(line) for line in prediction.split("\n")]
    whole, own = [w for line in wanted for w in line], [w for line in found for w in line]
    return {
        "rouge1": _grams(own, whole, 1),
        "rouge2": _grams(own, whole, 2),
        "rougeL": Score.of(common_length(whole, own), len(own), len(whole)),
        "rougeLsum": _by_sentences(found, wanted),
    }


def best(prediction: str, references: Sequence[str]) -> dict[str, Score]:
    """Each metric with the reference that it is highest with (F1; of equals the first).

    That is how SciTLDR (Cachola et al. 2020, arXiv:2004.15011) and ``rouge-score`` score a summary
    against several references.

    Args:
        prediction: the summary.
        references: at least one.
    """
    return _over(prediction, references, lambda scores: max(scores, key=lambda each: each.f1))


def mean(prediction: str, references: Sequence[str]) -> dict[str, Score]:
    """Each metric averaged over the references, of which there is at least one."""
    return _over(
        prediction,
        references,
        lambda scores: Score(*(sum(part) / len(scores) for part in zip(*scores, strict=True))),
    )


def _over(
    prediction: str, references: Sequence[str], joined: Callable[[list[Score]], Score]
) -> dict[str, Score]:
    each = [rouge(prediction, reference) for reference in references]
    return {name: joined([scores[name] for scores in each]) for name in METRICS}


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, in memory that is linear in both lengths."""
    masks, full = _masks(second)
    last = deque(_rows(first, masks, full, full), maxlen=1)
    return len(second) - last[0].bit_count() if last else 0


def common_places(first: Sequence[str], second: Sequence[str]) -> list[int]:
    """Places in ``first`` of a longest common subsequence.

    Of several the one that the usual table of lengths leads to from its end, going up where it may.
    Memory is ``len(second) * sqrt(len(first)) / 4`` bytes at most.
    """
    masks, full = _masks(second)
    height = isqrt(len(first)) + 1
    # Every height-th row of the table is kept, and those between two of them are made again.
    kept = [full]
    kept += [
        row for number, row in enumerate(_rows(first, masks, full, full), 1) if number % height == 0
    ]
    found: list[int] = []
    column = len(second)
    for block in reversed(range(len(kept))):
        begin = block * height
        some = first[begin : begin + height]
        table = [kept[block], *_rows(some, masks, full, kept[block])]
        line = len(some)
        while line and column:
            if some[line - 1] == second[column - 1]:
                line, column = line - 1, column - 1
                found.append(begin + line)
            elif _length(table[line], column - 1) > _length(table[line - 1], column):
                column -= 1
            else:
                line -= 1
    return found[::-1]


def _grams(found: Sequence[str], wanted: Sequence[str], size: int) -> Score:
    own, other = (
        Counter(zip(*(each[start:] for start in range(size)), strict=False))
        for each in (found, wanted)
    )
    return Score.of((own & other).total(), own.total(), other.total())


def _by_sentences(found: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]]) -> Score:
    """Union of the longest common subsequences of each wanted sentence (Lin 2004, section 3.2)."""
    left = [Counter(word for line in lines for word in line) for lines in (found, wanted)]
    totals = [counter.total() for counter in left]
    sets = [set(line) for line in found]
    hits = 0
    for line in wanted:
        known = set(line)
        places: set[int] = set()
        for other, own in zip(found, sets, strict=True):
            if not known.isdisjoint(own):
                places.update(common_places(line, other))
        for place in sorted(places):
            # A word counts as often as it is in both summaries.
            word = line[place]
            if all(counter[word] > 0 for counter in left):
                hits += 1
                for counter in left:
                    counter[word] -= 1
    return Score.of(hits, *totals)


def _masks(second: Sequence[str]) -> tuple[Mapping[str, int], int]:
    masks: dict[str, int] = {}
    for place, word in enumerate(second):
        masks[word] = masks.get(word, 0) | 1 << place
    return masks, (1 << len(second)) - 1


def _rows(first: Sequence[str], masks: Mapping[str, int], full: int, row: int) -> Iterator[int]:
    """Rows of the table of lengths as bits, 0 where the length grows by one (Hyyrö 2004)."""
    for word in first:
        grown = row & masks.get(word, 0)
        row = (row + grown | row - grown) & full
        yield row


def _length(row: int, columns: int) -> int:
    return columns - (row & (1 << columns) - 1).bit_count()


def _words(lower: str) -> re.Pattern[str]:
    return _ASCII if lower.isascii() else _pattern()


@cache
def _pattern() -> re.Pattern[str]:
    """Words of any script: a character of a script without spaces, or a run of letters."""
    unspaced = "".join(f"{chr(start)}-{chr(stop - 1)}" for start, stop in UNSPACED)
    marks = "".join(
        chr(code) for code in range(0x300, 0x20000) if unicodedata.category(chr(code))[0] == "M"
    )
    alone = rf"(?=[^\W_])[{unspaced}][{marks}]*"
    return re.compile(rf"{alone}|(?:(?![{unspaced}])[^\W_][{marks}]*)+")
