"""HTML: paragraphs, lists and tables as text; each heading begins a section."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from anysize.readers.documents.markup import left_out_remark, text_of
from anysize.readers.documents.parts import PIECE, Part, Remark
from anysize.readers.documents.sizes import file_size, pieces_of

PROVIDES = ("html", "htm", "xhtml")


def size_hint(path: Path) -> int:
    """The bytes of the file: tags are longer than the line ends that stand for them."""
    return file_size(path)


def parts(path: Path, encoding: str) -> Iterator[Part]:
    """See ``documents.parts.Format``."""
    for part in text_of(pieces_of(path, PIECE), encoding):
        if isinstance(part, Remark):
            yield Remark(notes=part.notes)
            yield from left_out_remark(part.counts)
        else:
            yield part
