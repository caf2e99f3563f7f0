"""Opening one file by its suffix."""

from __future__ import annotations

from pathlib import Path

from anysize.core import plugins
from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.modalities import file_suffixes
from anysize.sources.columns import Request
from anysize.sources.listing import suffix_of
from anysize.sources.tables.packed_names import PACKED, WORKBOOKS, is_table, packed_as
from anysize.sources.transcripts.role import wants_transcripts


def open_file(path: Path, request: Request) -> Source:
    """Opens one file by the module of this room that provides its suffix; packed tables unpacked.

    Raises:
        DataError: no module does, or it is no file: a pipe, a device.
    """
    if not path.is_file():
        raise DataError(
            str(path),
            "is a pipe or a device, not a file: rows are read at random, so write them to a file "
            "first, or pass '-' to predict",
        )
    if wants_transcripts(request):
        from anysize.sources.transcripts.layout import of_file

        transcribed = of_file(path, request)
        if transcribed is not None:
            return transcribed
    suffix = suffix_of(path.name)
    if suffix in PACKED | WORKBOOKS or (is_table(suffix) and packed_as(path) is not None):
        from anysize.sources.tables.packing import unpacked

        suffix, request = unpacked(path, request)
    if request.stored is not None and not is_table(suffix):
        raise DataError(
            str(path), f"holds a {suffix or 'file without a suffix'}; only tables are read packed"
        )
    if not plugins.has("sources", suffix[1:]):
        from anysize.sources import files

        if files.without_suffix(suffix) or suffix in file_suffixes():
            return files.open_path(path, request)
        known = {*(f".{key}" for key in plugins.keys("sources")), *file_suffixes()}
        raise DataError(
            str(path),
            f"the suffix {path.suffix} is not known; known are {', '.join(sorted(known))}",
        )
    opened: Source = plugins.load("sources", suffix[1:]).open_path(path, request)
    return opened
