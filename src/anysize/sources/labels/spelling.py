"""Labels: one spelling for each, whatever the format, and which words mean that there is none.

A cell becomes a label in two steps. `plain_label` needs to know nothing else: blanks, Unicode form,
whole numbers and booleans are written in one way. `LabelNames` knows the classes, of the training
data or of a model: spellings that differ in case alone are one class, and words such as ``none``
are a class only where they are one of them.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache

from anysize.readers.values import NULLS, WORDS
from anysize.sources.rows import INVISIBLE

ALWAYS_MISSING = NULLS | {"\\n"}
"""What means "no label" anywhere, in lower case."""

MISSING_WORDS = WORDS | {"n.a."}
"""What means "no label" unless it is a class of the data, in lower case."""

_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)\.0+")
_BOOLEANS = frozenset({"true", "false"})
_ALPHABET = 10
"""So many classes of one letter are an alphabet, in which ``a`` and ``A`` differ."""


@lru_cache(maxsize=1 << 14)
def plain_label(cell: str) -> str | None:
    """The one spelling of a label; None where the cell says that there is none.

    Blanks around it go, those inside become one each; Unicode is composed (NFC); ``1.0`` is ``1``,
    ``True`` is ``true``, and a list of one label is that label. Half of a surrogate pair (of a
    broken emoji), which no file can hold, is dropped.
    """
    label = cell
    if not label.isascii():
        label = label.encode("utf-8", "ignore").decode()
        label = unicodedata.normalize("NFC", label.strip(INVISIBLE))
    label = " ".join(label.split())
    folded = label.casefold()
    if folded in ALWAYS_MISSING:
        return None
    if label.startswith("["):
        labels = listed(label)
        if labels is not None and len(labels) < 2:
            return plain_label(labels[0]) if labels else None
    if folded in _BOOLEANS:
        return folded
    if _WHOLE.fullmatch(label):
        label = label.partition(".")[0]
        return "0" if label == "-0" else label
    return label


def listed(label: str) -> list[str] | None:
    """The labels of a cell that holds a list of them, as JSON or as Python writes it, else None."""
    if not (label.startswith("[") and label.endswith("]")):
        return None
    for text in (label, label.replace("'", '"')):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, list):
            return [item if isinstance(item, str) else json.dumps(item) for item in found]
    return None


def is_missing_word(label: str) -> bool:
    """Whether it may mean that there is no label."""
    return label.casefold() in MISSING_WORDS


class LabelNames:
    """The classes by which labels are known.

    Args:
        names: of the classes, as a model has them, or as `settled` chooses them.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self._known = frozenset(self.names)
        self._folds = not is_alphabet(self.names)
        self._folded: dict[str, str | None] = {}
        for name in self.names:
            key = self._key(plain_label(name) or name)
            # What could mean two classes means none of them.
            self._folded[key] = name if key not in self._folded else None

    def __call__(self, label: str | None) -> str | None:
        """The class of a plain label; a label of no class stays as it is, a missing one is None."""
        if label is None or label in self._known:
            return label
        name = self._folded.get(self._key(label))
        if name is not None:
            return name
        return None if is_missing_word(label) else label

    def _key(self, label: str) -> str:
        return label.casefold() if self._folds else label


def is_alphabet(names: Iterable[str]) -> bool:
    """Whether the classes are letters, whose case matters."""
    return sum(len(name) == 1 and name.isalpha() for name in names) >= _ALPHABET


def settled(counts: Mapping[str, int]) -> LabelNames:
    """The classes of training data: of spellings that differ in case the most frequent one.

    A word for "missing" is a class where it is about as frequent as the others (half of their
    mean), or where without it only one class would be left.

    Args:
        counts: records by plain label.
    """
    folds = not is_alphabet(counts)
    groups: dict[str, Counter[str]] = {}
    for label, count in counts.items():
        groups.setdefault(label.casefold() if folds else label, Counter())[label] += count
    words = {key for key in groups if key in MISSING_WORDS}
    others = [group.total() for key, group in groups.items() if key not in words]
    for key in sorted(words):
        frequent = 2 * groups[key].total() * len(others) >= sum(others)
        if others and len(others) > 1 and not frequent:
            del groups[key]
    # Of equally frequent spellings the first in the alphabet, whatever the order of the rows.
    return LabelNames(min(each, key=lambda name: (-each[name], name)) for each in groups.values())


def class_order(names: Iterable[str]) -> tuple[str, ...]:
    """Numbers by value, before words by spelling."""

    def key(label: str) -> tuple[int, float, str]:
        try:
            return 0, float(label), label
        except ValueError:
            return 1, 0.0, label

    return tuple(sorted(names, key=key))
