"""The published classes of ImageNet's validation pictures, in the files that list them.

======================================  ====================================================
``LOC_val_solution.csv``                ``ILSVRC2012_val_00000001,n01751748 111 108 …`` (Kaggle)
``val_annotations.txt``                 ``val_0.JPEG<tab>n03444034<tab>…`` (Tiny ImageNet)
``val.txt``                             ``ILSVRC2012_val_00000001.JPEG 65``: class numbers (Caffe)
``imagenet_2012_validation_synset_      a synset a line, in the order of the pictures
labels.txt``                            (TensorFlow)
``ILSVRC2012_validation_ground_truth    a line with the challenge's own number for each picture;
.txt``                                  needs ``meta.mat`` or ``map_clsloc.txt`` (the same kit)
======================================  ====================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from anysize.core.errors import DataError
from anysize.sources.imagenet import class_names, kit
from anysize.sources.imagenet.class_names import ClassNames, find, read
from anysize.sources.imagenet.classes import SYNSET, names

FILES = (
    "LOC_val_solution.csv",
    "val_annotations.txt",
    "val.txt",
    "imagenet_2012_validation_synset_labels.txt",
    "ILSVRC2012_validation_ground_truth.txt",
)
_PICTURE = re.compile(r"(ILSVRC\d{4}_val_|val_)\d+")


def stem(path: str) -> str:
    """A picture's name without folders and suffix."""
    return path.rpartition("/")[2].partition(".")[0]


def may_know(name: str) -> bool:
    """Whether a picture is called like ImageNet's validation pictures."""
    return _PICTURE.fullmatch(stem(name)) is not None


def near(folder: Path, known: ClassNames) -> dict[str, str] | None:
    """Synsets by picture, as a file in ``folder`` or above it gives; None where there is none.

    Args:
        folder: with the validation pictures.
        known: for files that give numbers of classes.

    Raises:
        DataError: the file is damaged, or gives numbers of unknown meaning.
    """
    path = next(find(folder, FILES), None)
    if path is None:
        kits = kit.kits(folder)
        path = next((found for kit in kits for found in find(kit, FILES)), None)
    if path is None:
        return None
    rows = list(_rows(path, read(path).splitlines()))
    synsets: Mapping[int, str] = {}
    if any(not SYNSET.fullmatch(token) for _, _, token in rows):
        synsets = _synsets(path, folder, known)
    return dict(_synset(path, number, name, token, synsets) for number, name, token in rows)


def _synsets(path: Path, folder: Path, known: ClassNames) -> Mapping[int, str]:
    """Synsets by the numbers that a file of the truth gives.

    Raises:
        DataError: nothing explains the challenge's own numbers, or what does is damaged.
    """
    if not path.name.endswith("ground_truth.txt"):
        return dict(enumerate(names()))
    if known.challenge:
        return known.challenge
    if beside := class_names.near(path.parent).challenge:
        return beside
    places = [path.parent, *kit.kits(folder)]
    meta = next((found for each in places if (found := each / kit.META).is_file()), None)
    if meta is not None:
        return kit.read_meta(meta)
    raise DataError(
        str(path),
        "gives the challenge's own class numbers, which only meta.mat or map_clsloc.txt of the "
        "challenge's kit explains; put one of them beside it, or sort the pictures into folders "
        "of their synsets",
    )


def _rows(path: Path, lines: list[str]) -> Iterator[tuple[int, str, str]]:
    """Line number, picture and what is said of it."""
    for number, line in enumerate(lines, start=1):
        cells = re.split(r"[,\s]+", line.strip())
        if cells == [""] or cells[0] == "ImageId":
            continue
        if len(cells) == 1:
            # One line a picture, in the order of their numbers.
            yield number, f"ILSVRC2012_val_{number:08d}", cells[0]
        else:
            yield number, stem(cells[0]), cells[1]


def _synset(
    path: Path, number: int, name: str, token: str, synsets: Mapping[int, str]
) -> tuple[str, str]:
    if SYNSET.fullmatch(token):
        return name, token
    where = f"{path}:{number}"
    if not (token.isascii() and token.isdigit()):
        raise DataError(where, f"must give a synset or a class number of {name}, not {token!r}")
    if int(token) not in synsets:
        raise DataError(where, f"there is no class {token}; they go to {max(synsets)}")
    return name, synsets[int(token)]
