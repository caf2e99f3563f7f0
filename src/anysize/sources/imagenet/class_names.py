"""What the classes of ImageNet-like data are called: the files that come with such data.

Read are, from the data's folder or one of those above it (the last two from the folder alone):

==============================  ====================================================
``LOC_synset_mapping.txt``      ``n01440764 tench, Tinca tinca``: a class a line (Kaggle)
``synset_words.txt``            the same (Caffe)
``imagenet_class_index.json``   ``{"0": ["n01440764", "tench"], …}`` (Keras)
``map_clsloc.txt``              ``n02119789 1 kit_fox``: the challenge's own numbers too
``words.txt``                   ``n01440764<tab>tench``: all of WordNet (Tiny ImageNet)
``classes.txt``,                a name a line, in the order of the class numbers
``classnames.txt``              (WebDataset shards)
==============================  ====================================================
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.sources.imagenet.classes import SYNSET, distinct, names

MAPPINGS = (
    "LOC_synset_mapping.txt",
    "synset_words.txt",
    "imagenet_class_index.json",
    "map_clsloc.txt",
    "words.txt",
)
LISTS = ("classes.txt", "classnames.txt")

LARGEST = 1 << 26
"""Bytes of a file beside the data at most (64 MiB); all of WordNet's words take 3."""

_ABOVE = 4
"""How many folders above the pictures are looked into: ``ILSVRC/Data/CLS-LOC/train``."""

_NUMBERED = re.compile(r"(n\d{8}) (\d+) (\S+)")
_NAMED = re.compile(r"(n\d{8})\s+(\S.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassNames:
    """Names by synset and by class number.

    Attributes:
        by_synset: what files beside the data say; ImageNet's 1,000 classes are known without.
        by_number: the classes in the order of their numbers, from 0; empty where unknown.
        challenge: synsets by the challenge's own numbers, from 1.
        files: where all this was read.
    """

    by_synset: Mapping[str, str] = field(default_factory=dict)
    by_number: tuple[str, ...] = ()
    challenge: Mapping[int, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    def of_synset(self, synset: str) -> str:
        """A synset's name; itself where none is known."""
        return self.by_synset.get(synset) or names().get(synset) or synset

    def of_label(self, label: str) -> str:
        """The name of what a shard's ``.cls`` file says: a number, a synset or a name already."""
        if label.isascii() and label.isdigit() and int(label) < len(self.by_number):
            return self.by_number[int(label)]
        return self.of_synset(label) if SYNSET.fullmatch(label) else label

    def fingerprint(self) -> str:
        """Changes when a file that names come from is changed."""
        digest = hashlib.blake2b(digest_size=8)
        for path in self.files:
            status = path.stat()
            digest.update(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        return digest.hexdigest()


def near(folder: Path) -> ClassNames:
    """The names that files in ``folder`` or above it give.

    Raises:
        DataError: such a file cannot be read, or does not have its form.
    """
    mapping = next(find(folder, MAPPINGS), None)
    # Many things are called so: they are believed beside the data alone.
    listed = next(find(folder, LISTS, above=0), None)
    by_synset: dict[str, str] = {}
    by_number: tuple[str, ...] = ()
    challenge: dict[int, str] = {}
    if mapping is not None:
        classes, challenge = _read_mapping(mapping)
        by_synset = _told_apart(distinct(classes))
        if mapping.name not in ("words.txt", "map_clsloc.txt"):
            by_number = tuple(by_synset.values())
    if listed is not None:
        by_number = tuple(line.strip() for line in read(listed).splitlines() if line.strip())
    return ClassNames(
        by_synset=by_synset,
        by_number=by_number,
        challenge=challenge,
        files=tuple(path for path in (mapping, listed) if path is not None),
    )


def find(folder: Path, wanted: tuple[str, ...], above: int = _ABOVE) -> Iterator[Path]:
    """Files of these names in ``folder`` and some folders above it, the nearest first."""
    folder = folder.absolute()
    for place in [folder, *folder.parents[:above]]:
        for name in wanted:
            if (place / name).is_file():
                yield place / name


def read(path: Path) -> str:
    """A small text file.

    Raises:
        DataError: too large, unreadable or not UTF-8.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(str(path), f"is larger than {LARGEST} bytes; is it what its name says?")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise DataError(str(path), f"is not UTF-8 at byte {error.start}") from None


def _read_mapping(path: Path) -> tuple[list[tuple[str, str]], dict[int, str]]:
    """Synset and words of each class, and synsets by the challenge's numbers where given."""
    text = read(path)
    if path.suffix == ".json":
        return _read_index(path, text), {}
    classes: list[tuple[str, str]] = []
    challenge: dict[int, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        numbered = _NUMBERED.fullmatch(line.strip()) if path.name == "map_clsloc.txt" else None
        named = numbered or _NAMED.fullmatch(line.strip())
        if named is None:
            if path.name == "words.txt":
                # All of WordNet has verbs and adjectives too.
                continue
            raise DataError(f"{path}:{number}", f"must be a synset and its name, not {line!r}")
        classes.append((named[1], named.groups()[-1]))
        if numbered is not None:
            challenge[int(numbered[2])] = numbered[1]
    return classes, challenge


def _read_index(path: Path, text: str) -> list[tuple[str, str]]:
    try:
        entries: dict[str, Any] = json.loads(text)
        rows = [entries[str(number)] for number in range(len(entries))]
        return [(str(synset), str(word)) for synset, word in rows]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DataError(
            str(path), 'must be {"0": ["n01440764", "tench"], …}, numbered from 0 without gaps'
        ) from None


def _told_apart(found: dict[str, str]) -> dict[str, str]:
    """The same with ImageNet's own pairs of equal words distinguished, though only one is here."""
    known = names()
    return {
        synset: known[synset] if known.get(synset) == f"{name} ({synset})" else name
        for synset, name in found.items()
    }
