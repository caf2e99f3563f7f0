"""LJSpeech: ``metadata.csv`` has a line ``name|text|text in words`` for a recording.

The layout is that of https://keithito.com/LJ-Speech-Dataset: no header, no quoting, names without a
suffix, recordings in ``wavs/``. Lists of files of other voices are written alike
(``wavs/1.wav|speaker|text``).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from anysize.core.errors import ConfigurationError, DataError
from anysize.readers.audio.suffixes import AUDIO_SUFFIXES
from anysize.sources.columns import Request
from anysize.sources.transcripts.lines import Clips, LeftOut, Line, read_lines
from anysize.sources.transcripts.role import words_of

_SUFFIXES = (".csv", ".txt")
_LOOKED_AT = 100
_FIRST = 3
_MOST_FOLDERS = 16


def claims(name: str) -> bool:
    """Whether a file may be of this layout, by its name."""
    return name.lower().startswith("metadata") and name.lower().endswith(_SUFFIXES)


class Barred:
    """A list of recordings that was found to be one.

    Args:
        folders: where its recordings are, relative to the root.
        column: of the text, from 0.
        columns: how many there are.
    """

    def __init__(self, folders: tuple[str, ...], column: int, columns: int) -> None:
        self.folders = folders
        self.column = column
        self.columns = columns

    def lines(
        self, path: Path, folder: str, clips: Clips, encoding: str, left: LeftOut
    ) -> Iterator[Line]:
        """See ``chapters.lines``."""
        for line in read_lines(path, encoding, left):
            cells = line.split("|")
            clip = self.find(cells[0], clips)
            if clip is None:
                left.add("missing", cells[0][:80])
            elif len(cells) <= self.column:
                left.add("empty", clip)
            else:
                yield clip, cells[self.column].strip()

    def find(self, name: str, clips: Clips) -> str | None:
        """The recording of a name."""
        found = (clips.find(folder, name) for folder in self.folders)
        return next((clip for clip in found if clip is not None), None)


def looked_into(path: Path, folder: str, root: Path, request: Request) -> Barred | None:
    """What a file of this layout is; None where it is none.

    Args:
        path: of the list.
        folder: it is in, relative to the root; empty for the root itself.
        root: that recordings are relative to.
        request: its encoding, and the columns that the user names.

    Raises:
        ConfigurationError: ``--columns`` names a column that is not there.
    """
    words = words_of(request).role
    if path.suffix.lower() not in _SUFFIXES or request.table or set(request.columns) - {words}:
        return None
    try:
        first = list(itertools.islice(read_lines(path, request.encoding, LeftOut()), _LOOKED_AT))
    except DataError:
        return None
    rows = [line.split("|") for line in first]
    if not rows or min(map(len, rows[:_FIRST])) < 2:
        return None
    inner = [each.name for each in sorted(path.parent.iterdir()) if each.is_dir()]
    below = inner if len(inner) <= _MOST_FOLDERS else []
    folders = ("", *below) if not folder else (folder, *(f"{folder}/{each}" for each in below))
    clips = Clips(root, AUDIO_SUFFIXES)
    probe = Barred(folders, 1, len(rows[0]))
    # A first line that names no recording is a header: then it is a table.
    if not any(probe.find(row[0], clips) for row in rows[:_FIRST]) or _is_header(rows[0]):
        return None
    asked = request.columns.get(words)
    column = _column(rows) if asked is None else _asked(asked, len(rows[0]), path)
    return Barred(folders, column, len(rows[0]))


def _is_header(cells: list[str]) -> bool:
    return all(cell.replace("_", "").isalpha() and cell.islower() for cell in cells)


def _column(rows: list[list[str]]) -> int:
    """The column of the text: that with the most words, the last of those alike."""
    width = min(map(len, rows[:_FIRST]))
    words = [
        sum(len(row[place].split()) for row in rows if place < len(row)) for place in range(width)
    ]
    enough = max(words[1:]) / 2
    return max(place for place in range(1, width) if words[place] >= enough)


def _asked(asked: str, columns: int, path: Path) -> int:
    if not asked.isdecimal() or not 1 < int(asked) <= columns:
        raise ConfigurationError(
            f"--columns text={asked}: {path} has no header, so a column has a number, here from 2 "
            f"to {columns}"
        )
    return int(asked) - 1
