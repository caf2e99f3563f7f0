"""ImageNet as it lies on people's disks, folders first.

Known are folders called by synsets (``train/n01440764/*.JPEG``), with their names as the classes;
validation pictures in one folder with a file of the truth beside them or above; and the tree that
Kaggle gives (``ILSVRC/Data/CLS-LOC``). Test pictures have no published truth and are left out.
Archives are ``anysize.sources.shards``.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from anysize.core.records import Source
from anysize.modalities import is_content
from anysize.modalities.pictures.suffixes import IMAGE_SUFFIXES
from anysize.sources.columns import Request
from anysize.sources.concat import Concat
from anysize.sources.contents import Contents, contents
from anysize.sources.files import FileSource, file_content
from anysize.sources.imagenet import class_names, truth
from anysize.sources.imagenet.class_names import ClassNames
from anysize.sources.imagenet.classes import SYNSET
from anysize.sources.listing import Skipped, sorted_rows, walk
from anysize.sources.split_names import SplitName

_KAGGLE = (Path("ILSVRC", "Data", "CLS-LOC"), Path("Data", "CLS-LOC"), Path("CLS-LOC"))
_log = logging.getLogger(__name__)


class SynsetFiles(FileSource):
    """Pictures whose class is a synset: of the first folder of their path, or by a file of truth.

    Args:
        name: what the user called it.
        root: folder that ``paths`` are relative to.
        paths: with forward slashes, in the order of the records.
        names: of the synsets.
        answers: synset by the file's name without its suffix; None takes the first folder.
        request: what ids are relative to, and the picture's role.
    """

    def __init__(
        self,
        name: str,
        *,
        root: Path,
        paths: Iterator[str],
        names: ClassNames,
        answers: Mapping[str, str] | None,
        request: Request,
    ) -> None:
        self._names = names
        self._answers = answers
        super().__init__(
            name,
            root=root,
            paths=paths,
            content=file_content(str(root), request),
            request=request,
            by_class=True,
        )

    def fingerprint(self) -> str:
        text = super().fingerprint() + self._names.fingerprint()
        if self._answers is not None:
            text += "".join(f"{stem}\0{synset}\n" for stem, synset in self._answers.items())
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def _target(self, relative: str) -> str | None:
        if self._answers is None:
            return self._names.of_synset(relative.partition("/")[0])
        synset = self._answers.get(truth.stem(relative))
        return None if synset is None else self._names.of_synset(synset)


def open_whole(folder: Path, found: Contents, request: Request) -> Source | None:
    """The folder as one source, its parts joined; None where it is not ImageNet.

    Args:
        folder: any folder.
        found: what is in it.
        request: what the task wants; ImageNet is for tasks of one picture and one target.

    Raises:
        DataError: a file that comes with the data is damaged.
    """
    if not _classifies(request):
        return None
    if _is_by_class(found):
        return _by_class(folder, found, request)
    flat = _flat(folder, request)
    if flat is not None:
        return flat
    parts = open_parts(folder, found, request)
    return None if parts is None else Concat(str(folder), list(parts.values()))


def open_parts(folder: Path, found: Contents, request: Request) -> dict[SplitName, Source] | None:
    """The training and validation part, by their folders; None where it is not ImageNet."""
    if not _classifies(request):
        return None
    inner = next((folder / tree for tree in _KAGGLE if (folder / tree).is_dir()), None)
    if inner is not None:
        folder, found = inner, contents(inner)
    named = found.split_folders()
    opened: dict[SplitName, list[tuple[Path, Contents]]] = {
        split: [(path, contents(path)) for path in paths] for split, paths in named.items()
    }
    by_class = [one for several in opened.values() for one in several if _is_by_class(one[1])]
    if not by_class:
        return None
    parts: dict[SplitName, Source] = {}
    for split, several in opened.items():
        sources = [source for one in several if (source := _part(*one, request)) is not None]
        if sources:
            parts[split] = sources[0] if len(sources) == 1 else Concat(str(folder), sources)
        else:
            names = ", ".join(path.name for path, _ in several)
            _log.warning("%s: %s is left out, because its classes are not known", folder, names)
    return parts


def _part(folder: Path, found: Contents, request: Request) -> Source | None:
    if _is_by_class(found):
        return _by_class(folder, found, request)
    return _flat(folder, request)


def _classifies(request: Request) -> bool:
    contents_wanted = [spec for spec in request.roles if is_content(spec.kind)]
    kinds = {spec.kind for spec in contents_wanted}
    return kinds == {"image"} and bool(request.of_kind("target"))


def _is_by_class(found: Contents) -> bool:
    return bool(found.folders) and all(SYNSET.fullmatch(path.name) for path in found.folders)


def _by_class(folder: Path, found: Contents, request: Request) -> Source:
    skipped = Skipped()

    def paths() -> Iterator[str]:
        for below in sorted(found.folders, key=lambda path: path.name):
            for name in sorted_rows(walk(below, IMAGE_SUFFIXES, skipped)):
                yield f"{below.name}/{name}"

    return SynsetFiles(
        str(folder),
        root=folder,
        paths=paths(),
        names=class_names.near(folder),
        answers=None,
        request=request,
    )


def _flat(folder: Path, request: Request) -> Source | None:
    """Pictures in one folder (or its only folder ``images``) whose classes a file gives."""
    root = folder / "images" if (folder / "images").is_dir() else folder
    first = _first_picture(root)
    if first is None or not truth.may_know(first):
        return None
    names = class_names.near(folder)
    answers = truth.near(folder, names)
    if answers is None or truth.stem(first) not in answers:
        return None
    return SynsetFiles(
        str(folder),
        root=root,
        paths=sorted_rows(walk(root, IMAGE_SUFFIXES, Skipped())),
        names=names,
        answers=answers,
        request=request,
    )


def _first_picture(folder: Path) -> str | None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if Path(entry.name).suffix.lower() in IMAGE_SUFFIXES:
                return entry.name
    return None
