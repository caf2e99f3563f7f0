"""The challenge's kit of development: ``meta.mat``, which gives the synset of each class number.

It is a MATLAB file (version 5) with one array of structures, ``synsets``; of each the fields
``ILSVRC2012_ID`` (from 1) and ``WNID`` are read. Numbers above 1,000 are groups of classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from anysize.core.errors import DataError
from anysize.sources.imagenet import matlab
from anysize.sources.imagenet.class_names import LARGEST
from anysize.sources.imagenet.classes import SYNSET

KITS = (Path("ILSVRC2012_devkit_t12", "data"), Path("devkit", "data"))
"""Where the kit's files are, below the data's folder or one above it."""

META = "meta.mat"


def kits(folder: Path) -> Iterator[Path]:
    """The kit's folders that may be below ``folder`` or one of the two above it."""
    folder = folder.absolute()
    return (place / kit for place in [folder, *folder.parents[:2]] for kit in KITS)


def read_meta(path: Path) -> dict[int, str]:
    """Synsets by the challenge's own class numbers.

    Args:
        path: of ``meta.mat``.

    Raises:
        DataError: it is too large, damaged, or another file than the challenge's.
    """
    data = _bytes(path)
    try:
        rows = matlab.structures(data, "synsets", largest=LARGEST)
    except ValueError as error:
        raise DataError(str(path), f"is damaged: {error}; take it from the kit again") from None
    synsets: dict[int, str] = {}
    for row in rows or ():
        number, synset = row.get("ILSVRC2012_ID"), row.get("WNID")
        if isinstance(number, float) and number.is_integer() and isinstance(synset, str):
            synsets[int(number)] = synset
    if not synsets or len(synsets) < len(rows or ()):
        raise DataError(
            str(path),
            "is not the challenge's: it must have an array synsets of structures with the fields "
            "ILSVRC2012_ID, each number once, and WNID; take it from the kit again",
        )
    wrong = next((name for name in synsets.values() if not SYNSET.fullmatch(name)), None)
    if wrong is not None:
        raise DataError(str(path), f"has {wrong[:40]!r} for a synset; take it from the kit again")
    return synsets


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(str(path), f"is larger than {LARGEST} bytes; is it what its name says?")
        return path.read_bytes()
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from None
