"""Files in folders of classes, listed once, with what is passed over on the way."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from anysize import modalities
from anysize.core.errors import DataError
from anysize.sources.columns import Request
from anysize.sources.files import FileSource, file_content
from anysize.sources.folder_findings import tell_empty_class, tell_skipped
from anysize.sources.listing import Skipped, entry_kind, is_about, sorted_rows, suffix_of, walk
from anysize.sources.tables.packed_names import WORKBOOKS, is_table

_NO_SUFFIX = frozenset({""})


def _advice(folder: Path, skipped: Skipped) -> str:
    """What to do where a folder holds no files of a task, but tables of another kind or deeper."""
    if any(map(is_table, skipped.suffixes)):
        return f"; tables in folders inside are named by a pattern, such as '{folder}/*/*.csv'"
    return "; save a sheet as CSV" if WORKBOOKS & skipped.suffixes.keys() else ""


class Listing:
    """The files of a data set, by the folders that they are in.

    Args:
        folder: that paths are relative to.
        places: the folders whose files are wanted, with forward slashes, in order; the first part
            of each is a class.
        loose: whether files directly in ``folder`` are wanted too.
    """

    def __init__(self, folder: Path, places: Sequence[str], *, loose: bool = False) -> None:
        self.folder = folder
        self.skipped = Skipped()
        self._places = places
        self._loose = loose
        self._used: Counter[str] = Counter()
        self._others: dict[str, Skipped] = {}

    def source(self, request: Request) -> FileSource:
        """The files that the task reads.

        Of texts, where there are no others, those without a suffix, as in the 20 newsgroups.

        Raises:
            DataError: there is none.
        """
        content = file_content(str(self.folder), request)
        modality = modalities.load(content.kind)
        suffixes = modality.suffixes
        source = self._opened(suffixes, request)
        if not len(source) and modality.bare:
            source = self._opened(_NO_SUFFIX, request)
            if len(source):
                request.findings.add(
                    "files-without-suffix",
                    f"{self.folder}: files without a suffix are read as text",
                    level="note",
                    count=len(source),
                    unit="files",
                )
        if not len(source):
            raise DataError(
                str(self.folder),
                f"holds no {content.kind} files ({', '.join(sorted(suffixes))}) and no tables; "
                f"found {self.skipped}{_advice(self.folder, self.skipped)}",
            )
        self._tell(len(source), request)
        return source

    def _opened(self, suffixes: frozenset[str], request: Request) -> FileSource:
        return FileSource(
            str(self.folder),
            root=self.folder,
            paths=self._paths(suffixes),
            content=file_content(str(self.folder), request),
            request=request,
            by_class=by_folder(request),
        )

    def _paths(self, suffixes: frozenset[str]) -> Iterator[str]:
        self.skipped = Skipped()
        if self._loose:
            yield from sorted_rows(self._beside(suffixes))
        for place in self._places:
            own = self._others[place] = Skipped()
            for name in sorted_rows(walk(self.folder / place, suffixes, own)):
                self._used[place.partition("/")[0]] += 1
                yield f"{place}/{name}"
            self.skipped.join(own, f"{place}/")

    def _beside(self, suffixes: frozenset[str]) -> Iterator[str]:
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.startswith((".", "__")) or entry_kind(entry) != "file":
                    continue
                if suffix_of(entry.name) in suffixes and not is_about(entry.name):
                    yield entry.name
                else:
                    self.skipped.file(entry.name)

    def _tell(self, used: int, request: Request) -> None:
        for place, own in self._others.items():
            if not self._used[place.partition("/")[0]]:
                tell_empty_class(self.folder / place, own, request)
        tell_skipped(self.folder, self.skipped, used, request)


def by_folder(request: Request) -> bool:
    """Whether the folder of a file is its target."""
    return any(spec.folders for spec in request.of_kind("target"))
