"""What a folder is: tables, class folders, splits, archives, or loose files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.sources.class_folders import Listing, by_folder
from anysize.sources.columns import Request
from anysize.sources.concat import Concat
from anysize.sources.contents import Contents, contents
from anysize.sources.files import file_content, refuse_targets_missing
from anysize.sources.folder_findings import (
    tell_beside,
    tell_passed_over,
    tell_results,
    tell_skipped,
)
from anysize.sources.several_tables import open_tables
from anysize.sources.single_file import open_file
from anysize.sources.split_names import UNLABELLED
from anysize.sources.transcripts.role import wants_transcripts

_DEEPEST = 4


def open_folder(folder: Path, request: Request) -> Source:
    """Opens a folder as one source.

    Looked for in this order: ImageNet; LJSpeech's list of recordings; a ``metadata`` table; tables
    with the columns that the task needs; archives, where there is nothing else; split folders,
    which are joined; recordings with transcripts beside them; a folder for each class; files with
    no classes.

    Raises:
        DataError: nothing in it fits the task; the message says what was found.
    """
    from anysize.sources.imagenet import folders as imagenet

    folder, found = unwrapped(folder)
    tell_skipped(folder, found.skipped, 0, request)
    tell_results(folder, found.results, request)
    whole = imagenet.open_whole(folder, found, request)
    if whole is not None:
        return whole
    if found.is_archived:
        return joined(folder, found.archives, request)
    tables = [found.metadata] if found.metadata is not None else found.tables
    if tables and (transcribed := _transcribed(folder, tables, request)) is not None:
        return transcribed
    if tables:
        try:
            described = joined(folder, tables, request)
            from anysize.sources.unnamed import tell_unnamed

            tell_unnamed(folder, [described], found.results, request)
            return described
        except DataError:
            # Tables that describe something else may lie beside the files that are meant.
            if not found.folders and not found.loose:
                raise
            try:
                return _open_files(folder, found, request)
            except DataError:
                pass
            raise
    return _open_files(folder, found, request)


def unwrapped(folder: Path) -> tuple[Path, Contents]:
    """The folder itself, or the only folder in it that holds the parts of the data.

    Archives are often packed with a folder around everything, or with the same folder twice.
    """
    chosen = here = folder, contents(folder)
    for _ in range(_DEEPEST):
        found = here[1]
        if len(found.folders) != 1 or found.tables or found.archives or found.loose:
            break
        inner = found.folders[0]
        here = inner, contents(inner)
        repeated = inner.name == folder.name and bool(here[1].folders)
        if repeated or here[1].split_folders() or here[1].split_tables():
            chosen = here
    return chosen


def joined(folder: Path, paths: list[Path], request: Request, *, name: str = "") -> Source:
    """Tables, archives or folders as one source, called as the folder if not otherwise."""
    tables = [path for path in paths if not path.is_dir()]
    parts = [open_folder(path, request) for path in paths if path.is_dir()]
    parts += open_tables(folder, tables, request, open_file) if tables else []
    return parts[0] if len(parts) == 1 else Concat(name or str(folder), parts)


def _open_files(folder: Path, found: Contents, request: Request) -> Source:
    splits = found.split_folders()
    if splits and sum(map(len, splits.values())) == len(found.folders):
        return joined(folder, found.folders, request)
    if (transcribed := _transcribed(folder, (), request)) is not None:
        return transcribed
    required = any(spec.required for spec in request.of_kind("target"))
    needs_class = by_folder(request) and (required or request.labelled)
    beside = not (needs_class and found.folders)
    source = Listing(folder, class_names_of(folder, found, request), loose=beside).source(request)
    if not beside:
        tell_beside(folder, file_content(str(folder), request).kind, request)
    if not found.folders:
        refuse_targets_missing(str(folder), request)
    return source


def _transcribed(folder: Path, tables: Sequence[Path], request: Request) -> Source | None:
    """Recordings with transcripts beside them; None where none are wanted or there."""
    if not wants_transcripts(request):
        return None
    from anysize.sources.transcripts.layout import of_folder

    return of_folder(folder, tables, request)


def class_names_of(folder: Path, found: Contents, request: Request) -> list[str]:
    """The folders of classes, without those of records that have none (``unsup``)."""
    names = sorted(path.name for path in found.folders)
    without = [name for name in names if name.lower() in UNLABELLED]
    if not (request.labelled and by_folder(request)) or len(without) == len(names):
        return names
    tell_passed_over(
        folder,
        "folders-unlabelled",
        [folder / name for name in without],
        "their names say that their records have no label",
        request,
    )
    return [name for name in names if name not in without]
