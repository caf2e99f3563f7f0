"""Who speaks when: turns, lines of RTTM, and speakers for the lines of a transcript."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from anysize.core.errors import DataError
from anysize.core.transcripts import Segment

_MILLI = 1000
_FIELDS = 9
# Of a line's time that a speaker must have at least, to be named beside the first.
_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of time in which one person speaks.

    Attributes:
        start, stop: in seconds, half open.
        speaker: who.
        overlap: whether somebody else seems to speak at the same time.
    """

    start: float
    stop: float
    speaker: str
    overlap: bool = False

    def to_json(self) -> dict[str, Any]:
        """A line of a timeline, in milliseconds as those of transcripts are."""
        entries: dict[str, Any] = {
            "start": round(_MILLI * self.start),
            "end": round(_MILLI * self.stop),
            "speaker": self.speaker,
        }
        return {**entries, "overlap": True} if self.overlap else entries


def turns_of(lines: Iterable[Any], origin: str = "timeline") -> list[Turn]:
    """Turns of what ``Turn.to_json`` gave.

    Raises:
        DataError: something else.
    """
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            turn = Turn(
                float(line["start"]) / _MILLI,
                float(line["end"]) / _MILLI,
                str(line["speaker"]),
                bool(line.get("overlap", False)),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                origin, f"line {number} is not a turn of a timeline: {error!r}"
            ) from error
        found.append(turn)
    return found


def rttm(turns: Iterable[Turn], record: str) -> Iterator[str]:
    """Lines of the Rich Transcription Time Marked format (NIST 2009), one for each turn.

    Args:
        turns: of one recording.
        record: its name; blanks become underscores, because they divide the fields.
    """
    name = _word(record)
    for turn in turns:
        yield (
            f"SPEAKER {name} 1 {turn.start:.3f} {turn.stop - turn.start:.3f} <NA> <NA> "
            f"{_word(turn.speaker)} <NA> <NA>"
        )


def read_rttm(lines: Iterable[str], origin: str = "RTTM") -> dict[str, list[Turn]]:
    """Turns by recording; lines of other kinds than SPEAKER are passed over.

    Raises:
        DataError: a SPEAKER line that cannot be read, with its number.
    """
    found: dict[str, list[Turn]] = {}
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            continue
        try:
            if len(fields) < _FIELDS:
                raise ValueError(f"{len(fields)} fields")
            start, length = float(fields[3]), float(fields[4])
            if not (start >= 0 and length >= 0):
                raise ValueError(f"a start of {fields[3]} and a length of {fields[4]}")
        except ValueError as error:
            raise DataError(origin, f"line {number} is not a line of RTTM: {error}") from error
        found.setdefault(fields[1], []).append(Turn(start, start + length, fields[7]))
    return found


def speakers_of(
    segments: Sequence[tuple[float, float]], turns: Sequence[Turn]
) -> list[tuple[str, ...]]:
    """Who speaks in each segment of a transcript.

    Args:
        segments: start and end in seconds, in any order.
        turns: of the same recording, in any order.

    Returns:
        For each segment the speakers, the one who speaks longest in it first, and others who have
        at least a quarter of its time; empty where no speech was found in it.
    """
    ordered = sorted(turns, key=lambda turn: turn.start)
    longest = max((turn.stop - turn.start for turn in ordered), default=0.0)
    found: list[tuple[str, ...]] = [()] * len(segments)
    first = 0
    for place in sorted(range(len(segments)), key=lambda each: segments[each][0]):
        start, stop = segments[place]
        while first < len(ordered) and ordered[first].start + longest < start:
            first += 1
        shares: dict[str, float] = {}
        for turn in ordered[first:]:
            if turn.start >= stop:
                break
            common = min(turn.stop, stop) - max(turn.start, start)
            if common > 0:
                shares[turn.speaker] = shares.get(turn.speaker, 0.0) + common
        by_length = sorted(shares, key=lambda name: -shares[name])
        least = _SHARE * (stop - start)
        found[place] = tuple(
            name for rank, name in enumerate(by_length) if not rank or shares[name] >= least
        )
    return found


def said_by(segments: Sequence[Segment], turns: Sequence[Turn]) -> list[Segment]:
    """Segments of a transcript, each with who speaks longest in it; as it was where nobody does.

    Args:
        segments: of a transcript, in any order.
        turns: of the same recording.
    """
    times = [(each.start / _MILLI, each.end / _MILLI) for each in segments]
    return [
        each.said_by(names[0]) if names else each
        for each, names in zip(segments, speakers_of(times, turns), strict=True)
    ]


def _word(text: str) -> str:
    return re.sub(r"\s+", "_", text.strip()) or "_"
