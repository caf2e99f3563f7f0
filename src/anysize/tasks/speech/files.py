"""Transcripts as files: plain text, SubRip (.srt) and WebVTT (.vtt)."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from anysize.tasks.abilities import LiveWriter
from anysize.tasks.transcripts.normalizing import is_unspaced

_LONGEST = 42
"""Columns of a line of subtitles, as broadcasters have them; a cue has two lines."""
_NEAR = 8
"""Columns within which a mark of punctuation is the better end of a line."""
_LEAST = 200
"""Milliseconds that a cue is shown, at least."""


class PlainText:
    """A line for each segment, an empty one between recordings; rows are taken as they come."""

    def __init__(self) -> None:
        self._record: str | None = None

    def add(self, row: Mapping[str, Any]) -> str:
        """What is written for a row: a result, or a settled part of one."""
        lines = [str(each["text"]) for each in row.get("segments", ())]
        lines = lines or ([str(row["prediction"])] if row["prediction"] else [])
        between = "\n" if self._record not in (None, row["id"]) else ""
        self._record = row["id"]
        return between + "".join(f"{line}\n" for line in lines)

    def rest(self) -> str:
        """What is written in the end."""
        return ""


class Subtitles:
    """Cues of subtitles; none reaches into the next one. Rows are taken as they come.

    Of a settled part the last cue waits for the next one where it is shown longer than it lasts.
    """

    head, point, numbered = "", ",", True

    def __init__(self) -> None:
        self._number = 0
        self._begun = False
        self._record: str | None = None
        self._held: list[Mapping[str, Any]] = []

    def add(self, row: Mapping[str, Any]) -> str:
        """As of `PlainText`, as is the other."""
        before = self._flushed() if self._record not in (None, row["id"]) else ""
        self._record = row["id"]
        segments = [*self._held, *row.get("segments", ())]
        self._held = []
        if segments and "part" in row and _length(segments[-1]) < _LEAST:
            self._held = [segments.pop()]
        starts = [int(each["start"]) for each in (*segments[1:], *self._held)]
        follow = [*starts, None][: len(segments)]
        return before + "".join(map(self._cue, segments, follow))

    def rest(self) -> str:
        """See ``PlainText``."""
        return self._flushed() or self._beginning()

    def _flushed(self) -> str:
        held, self._held = self._held, []
        return "".join(self._cue(each, None) for each in held)

    def _beginning(self) -> str:
        found, self._begun = ("" if self._begun else self.head), True
        return found

    def _cue(self, segment: Mapping[str, Any], following: int | None) -> str:
        start, end = int(segment["start"]), int(segment["end"])
        end = max(end, start + _LEAST)
        if following is not None and following > start:
            end = min(end, following)
        self._number += 1
        number = f"{self._number}\n" if self.numbered else ""
        times = f"{clock(start, self.point)} --> {clock(end, self.point)}"
        said = self.escaped("\n".join(_lines(_said(segment))))
        return f"{self._beginning()}{number}{times}\n{said}\n\n"

    def escaped(self, text: str) -> str:
        """A text as the format has it."""
        return text


class WebSubtitles(Subtitles):
    """WebVTT (W3C 2019): as SubRip, with marks of its own escaped."""

    head, point, numbered = "WEBVTT\n\n", ".", False

    def escaped(self, text: str) -> str:
        """See ``Subtitles``."""
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(rows: Path, out: BinaryIO) -> None:
    """A line for each segment, an empty one between recordings.

    Args:
        rows: JSON Lines of results.
        out: takes the text.
    """
    _written(rows, out, PlainText())


def subrip(rows: Path, out: BinaryIO) -> None:
    """SubRip: numbered cues with times to the millisecond."""
    _written(rows, out, Subtitles())


def webvtt(rows: Path, out: BinaryIO) -> None:
    """WebVTT; see `WebSubtitles`."""
    _written(rows, out, WebSubtitles())


def _written(rows: Path, out: BinaryIO, writing: LiveWriter) -> None:
    for row in _rows(rows):
        out.write(writing.add(row).encode())
    out.write(writing.rest().encode())


def _length(segment: Mapping[str, Any]) -> int:
    return int(segment["end"]) - int(segment["start"])


def _said(segment: Mapping[str, Any]) -> str:
    speaker = segment.get("speaker")
    text = " ".join(str(segment["text"]).split())
    return f"{speaker}: {text}" if speaker else text


def _lines(text: str) -> list[str]:
    """Lines of about the same width, cut at spaces, or beside a character of Chinese and the like.

    There behind a mark of punctuation, if one is near; never before one.
    """
    count = -(-_width(text) // _LONGEST)
    lines: list[str] = []
    while count > 1 and _width(text) > _LONGEST // 2:
        wanted = _width(text) / count
        places = _breaks(text) or {min(len(text) // count, len(text) - 1): 0}
        place = min(places, key=lambda at: abs(_width(text[:at]) - wanted) + places[at])
        lines.append(text[:place].strip())
        text, count = text[place:].strip(), count - 1
    return [*lines, text]


def _breaks(text: str) -> dict[int, int]:
    """Where a line may end, and how many columns further away a better place may be."""
    found: dict[int, int] = {}
    for at in range(1, len(text)):
        before, after = text[at - 1], text[at]
        if after == " ":
            found[at] = 0
        elif unicodedata.category(after)[0] in "PM" or unicodedata.category(before) in ("Ps", "Pi"):
            continue
        elif is_unspaced(before) or is_unspaced(after):
            found[at] = 0 if unicodedata.category(before)[0] == "P" else _NEAR
    return found


def _width(text: str) -> int:
    """Columns of a text: of Chinese, Japanese and Korean characters two each."""
    return sum(1 + (unicodedata.east_asian_width(each) in "WF") for each in text)


def clock(milliseconds: int, point: str) -> str:
    """``01:02:03.004``, with this mark before the milliseconds."""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{rest:03d}"


def _rows(rows: Path) -> Iterator[dict[str, Any]]:
    """The results; a record that failed has none, and is named on standard error."""
    with rows.open("rb") as file:
        for line in file:
            row: dict[str, Any] = json.loads(line)
            if "error" not in row:
                yield row
