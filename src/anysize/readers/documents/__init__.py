"""Documents as streams of text, with the page or chapter of every character.

One file a format. A module of this room has

- ``PROVIDES``: the suffixes of its files, without the dot;
- ``parts(path, encoding) -> Iterator[Part]``: the text in order, in pieces of bounded size, and
  between them where it lies and what there is to say (``documents.parts``);
- ``size_hint(path) -> int``: an upper bound of the characters, or about that, without reading;
- ``KEPT = True`` where reading takes so long that the text is kept (``documents.kept``).

Packages add formats through the entry points ``anysize.readers.documents``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from anysize.core import plugins
from anysize.readers.documents.parts import Format

ROOM = "readers.documents"


def suffixes() -> frozenset[str]:
    """Of the files that are read as documents: with the dot, lower case."""
    return frozenset(f".{key}" for key in plugins.keys(ROOM))


def format_of(path: Path) -> Format | None:
    """What reads a file, by its suffix; None where it is not a document."""
    key = path.suffix.lower()[1:]
    if not plugins.has(ROOM, key):
        return None
    found: Any = plugins.load(ROOM, key)
    return cast(Format, found)
