"""The 1,000 classes of ImageNet: numbers, synset ids and names that differ from each other.

Two pairs of the challenge's classes share their first word (crane the bird and crane the machine;
maillot twice): these are distinguished by their synset, ``crane (n02012849)``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

SYNSET = re.compile(r"n\d{8}")
"""A noun synset's id, as ImageNet's folders and files are called."""


@cache
def names() -> Mapping[str, str]:
    """The name of each class by its synset, in the order of the usual class numbers 0 to 999."""
    text = resources.files("anysize.sources.imagenet").joinpath("classes.txt").read_text("utf-8")
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return distinct([(synset, word) for synset, word in rows])


def labels() -> tuple[str, ...]:
    """The names by class number: the order of a pretrained classifier's outputs."""
    return tuple(names().values())


def distinct(classes: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Names by synset; words that several synsets share get the synset behind them.

    Args:
        classes: synset and word of each class. A word may be a list of synonyms with commas
            between, of which the first is taken, and may have underscores for spaces.
    """
    words = {synset: word.split(",")[0].replace("_", " ").strip() for synset, word in classes}
    counts = Counter(words.values())
    return {
        synset: word if counts[word] == 1 else f"{word} ({synset})"
        for synset, word in words.items()
    }
