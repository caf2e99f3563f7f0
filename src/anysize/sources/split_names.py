"""Which part of the data a file or folder is, by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, TypeAlias

SplitName: TypeAlias = Literal["train", "validation", "test"]

SPLIT_NAMES: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "validate": "validation",
    "dev": "validation",
    "development": "validation",
    "eval": "validation",
    "evaluation": "validation",
    "test": "test",
    "testing": "test",
    "tst": "test",
    "heldout": "test",
    "holdout": "test",
}

UNLABELLED = frozenset({"unsup", "unsupervised", "unlabeled", "unlabelled"})
"""Folders whose records have no label although they are where classes are."""

_JUDGED_BY = frozenset({"eval", "evaluation"})
_COMPOUND = re.compile(r"(train|training|val|valid|validation|dev|eval|test|testing)(set|data)")
_HELD_OUT = re.compile(r"(held|hold)[^a-z]?out")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def split_of_name(name: str) -> SplitName | None:
    """The part that a whole name is: ``Training``, ``held-out``, ``test_set``."""
    words = _words(name)
    if len(words) == 2 and words[1] in ("set", "data", "split"):
        words = words[:1]
    return SPLIT_NAMES.get(words[0]) if len(words) == 1 else None


def split_of_words(name: str) -> SplitName | None:
    """The part that one word of a longer name is: ``reviews_test``, ``trainData``."""
    found = {SPLIT_NAMES[word] for word in _words(name) if word in SPLIT_NAMES}
    return found.pop() if len(found) == 1 else None


def by_part(names: Iterable[tuple[str, SplitName]]) -> dict[str, SplitName]:
    """The part of each name, all of them known.

    Where another file is the validation part and none the test part, ``eval`` is the latter, as in
    speech data.
    """
    found = dict(names)
    parts = set(found.values())
    judges = [name for name in found if _JUDGED_BY & set(_words(name))]
    others = {part for name, part in found.items() if name not in judges}
    if judges and "test" not in parts and "validation" in others:
        found |= dict.fromkeys(judges, "test")
    return found


def _words(name: str) -> list[str]:
    lower = _HUMP.sub(" ", name).lower()
    lower = _HELD_OUT.sub("heldout", lower)
    words = [word for word in re.split(r"[^a-z]+", lower) if word]
    return [_COMPOUND.sub(r"\1", word) if _COMPOUND.fullmatch(word) else word for word in words]
