"""Who really speaks when in a recording: references that data have, to measure timelines by.

They are an RTTM file beside the recording, of its name; or a column of a table with the path of
one, or with the turns themselves as JSON: ``[{"start": 0.5, "end": 2.0, "speaker": "Ann"}, …]``.
Times are in seconds, or in milliseconds where seconds would be far behind the recording's end (as
the timelines that ``predict`` writes are).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.core.records import Record
from anysize.recognition.turns import Turn, read_rttm, turns_of
from anysize.sources import ColumnSpec

SUFFIX = ".rttm"
TURNS = ColumnSpec(
    role="turns", kind="value", names=("turns", "rttm", "timeline", "segments", "diarization"),
    required=False, beside=(SUFFIX,),
)  # fmt: skip
_LARGEST = 64 << 20
_MILLI = 1000
_BEHIND = 10.0
"""Seconds behind the end of a recording, from which on times cannot be seconds."""


def reference_of(record: Record, seconds: float, source: str) -> list[Turn] | None:
    """The turns of a record's reference; None where it has none.

    Args:
        record: of a recording.
        seconds: how long it is; 0 where that is not known.
        source: name of the data, which paths in a table are relative to.

    Raises:
        DataError: a reference that cannot be read, or is of another recording.
    """
    given: Any = record.values.get(TURNS.role)
    audio = Path(getattr(record.fields.get("audio"), "origin", "") or record.id)
    if isinstance(given, str):
        given = given.strip()
    if not given:
        beside = audio.with_suffix(SUFFIX)
        return _in_file(beside, audio.stem) if beside.is_file() else None
    if isinstance(given, str) and not given.startswith(("[", "{")):
        return _in_file(_found(given, record, audio, source), audio.stem)
    return _listed(given, record, seconds)


def _found(given: str, record: Record, audio: Path, source: str) -> Path:
    folders = [Path(source), Path(source).parent, audio.parent]
    for path in (Path(given), *(folder / given for folder in folders)):
        if path.is_file():
            return path
    raise DataError(record.id, f"its reference {given} is no file, and no list of turns in JSON")


def _in_file(path: Path, name: str) -> list[Turn]:
    """The turns of one recording in a file of RTTM.

    Raises:
        DataError: the file has several recordings, and none of that name.
    """
    if path.stat().st_size > _LARGEST:
        raise DataError(str(path), f"is larger than {_LARGEST >> 20} MiB")
    with path.open(encoding="utf-8", errors="replace") as lines:
        known = read_rttm(lines, str(path))
    if name in known:
        return known[name]
    if len(known) > 1:
        raise DataError(
            str(path), f"has {len(known)} recordings, and none is called {name}: name one so"
        )
    return next(iter(known.values()), [])


def _listed(given: Any, record: Record, seconds: float) -> list[Turn]:
    """Turns that a column lists.

    Raises:
        DataError: it lists something else, or times behind the end.
    """
    try:
        lines = json.loads(given) if isinstance(given, str) else given
    except ValueError as error:
        raise DataError(record.id, f"its turns are no JSON: {error}") from error
    if not isinstance(lines, Sequence):
        raise DataError(record.id, "its turns must be a list")
    turns = list(_plain(turns_of(lines, record.id)))  # taken for milliseconds
    last = max((turn.stop for turn in turns), default=0.0)
    if not seconds or last * _MILLI <= seconds + _BEHIND:
        return [Turn(_MILLI * each.start, _MILLI * each.stop, each.speaker) for each in turns]
    if last <= seconds + _BEHIND:
        return turns
    raise DataError(
        record.id,
        f"its turns end at {last * _MILLI:,.0f}, and it is {seconds:,.1f} seconds long: they are "
        "of another recording, or neither in seconds nor in milliseconds",
    )


def _plain(turns: Sequence[Turn]) -> Iterator[Turn]:
    for turn in turns:
        if not 0 <= turn.start <= turn.stop:
            raise DataError(
                "turns", f"one begins at {turn.start * _MILLI:g} and ends at "
                f"{turn.stop * _MILLI:g}"
            )  # fmt: skip
        yield turn
