"""Events of recordings on pages of HTML: when what is heard, with excerpts to listen to.

Each page needs nothing beside itself. The recording is decoded once, as a stream.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.excerpts import Excerpt
from anysize.core.files import write_text
from anysize.core.records import AudioField, Record
from anysize.core.results import Result
from anysize.evaluation.pages import page
from anysize.modalities.sounds import clip

MOST_PLAYED = 40
"""Events with an excerpt on a page: those with the highest scores."""
MOST_LISTED = 500
MOST_LABELS = 20
_BARS = 2000
_COLUMNS = 1000
_BEFORE = 0.25
"""Seconds that an excerpt begins before its event."""
_LONGEST_NAME = 150


class SoundPages:
    """Writes a page for each result with events into a folder.

    Args:
        folder: made where there is none.

    Attributes:
        drawn: how many there are.
        failures: how many could not be drawn.
        eventless: results that say nothing of events.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.drawn = self.failures = self.eventless = 0
        self._taken: set[str] = set()

    def add(self, name: str, record: Record, result: Result) -> None:
        """Draws a result.

        Args:
            name: of the record in the results, which the file is called by.
            record: with a recording.
            result: what was predicted.

        Raises:
            OSError: the file cannot be written.
        """
        events = result.details.get("events")
        if events is None:
            self.eventless += 1
            return
        try:
            text = _page(name, record.audio("audio"), result, events)
        except DataError:
            self.failures += 1
            return
        write_text(self.folder / self._file(name), text)
        self.drawn += 1

    def words(self) -> Iterator[str]:
        """What was drawn and what not, a sentence each."""
        yield f"{self.drawn:,} pages written in {self.folder}"
        if self.failures:
            yield f"{self.failures:,} recordings could not be drawn: they cannot be read again"
        if self.eventless:
            yield (
                f"{self.eventless:,} results have no events, which is what --draw shows of "
                "recordings: give --merge timeline"
            )

    def _file(self, name: str) -> str:
        """A file's name made of a record's; its folders become part of it."""
        plain = re.sub(r"[^\w.-]+", "_", name.replace("/", "__")).strip("._") or "recording"
        short = plain.encode("utf-8", "replace")[:_LONGEST_NAME].decode("utf-8", "ignore")
        if short != plain or short in self._taken:
            digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4)
            short = f"{short}-{digest.hexdigest()}"
        if len(self._taken) < 100_000:
            self._taken.add(short)
        return f"{short}.html"


@dataclass(slots=True)
class _Clip:
    """Samples to be encoded: from where to where, and what has come of them."""

    start: int
    stop: int
    pieces: list[NDArray[np.float32]] = field(default_factory=list)


def _page(name: str, sound: AudioField, result: Result, events: Sequence[Mapping[str, Any]]) -> str:
    best = sorted(range(len(events)), key=lambda place: -float(events[place]["score"]))
    # One that is not listed has no place to be played from.
    chosen = sorted(place for place in best[:MOST_PLAYED] if place < MOST_LISTED)
    rate = clip.rate_for(sound.header.rate)
    clips = [_Clip(*_ends(events[place], rate)) for place in chosen]
    seconds, peaks = _read(sound, rate, result, clips)
    players = {
        place: _excerpt(one, rate)
        for place, one in zip(chosen, clips, strict=True)
        if any(len(piece) for piece in one.pieces)
    }
    held: Counter[str] = Counter()
    for event in events:
        held[event["label"]] += event["end"] - event["start"]
    labels = [label for label, _ in held.most_common(MOST_LABELS)]
    bars = [each for each in events if each["label"] in labels][:_BARS]
    span = max(1000 * seconds, 1.0)
    return page(
        "results/templates/events.html",
        title=name,
        subtitle=f"{_clock(1000 * seconds)} · {len(events):,} events",
        labels=[(label, held[label] / span) for label in labels],
        bars=[
            (
                labels.index(each["label"]),
                _COLUMNS * each["start"] / span,
                max(_COLUMNS * (each["end"] - each["start"]) / span, 1.0),
                f"{each['label']} {_clock(each['start'])} to {_clock(each['end'])}, "
                f"{each['score']:.2f}",
            )
            for each in bars
        ],
        peaks=[(place, float(height)) for place, height in enumerate(peaks)],
        columns=_COLUMNS,
        events=[
            (each, _clock(each["start"]), _clock(each["end"]), players.get(place))
            for place, each in enumerate(events[:MOST_LISTED])
        ],
        words=_words(events, held, labels, bars, len(players)),
        findings=(),
        provenance={"receipt": result.receipt.to_json(), "rule": result.details.get("event_rule")},
    )


def _words(
    events: Sequence[Mapping[str, Any]],
    held: Mapping[str, int],
    labels: Sequence[str],
    bars: Sequence[Mapping[str, Any]],
    played: int,
) -> str:
    """What of the events is shown, and what is not."""
    words = [
        f"{played:,} of {len(events):,} events have an excerpt of at most {clip.SECONDS:g} seconds"
    ]
    if len(held) > len(labels):
        words.append(f"{len(held) - len(labels):,} more labels are not drawn")
    if len(bars) == _BARS:
        words.append(f"the first {_BARS:,} events are drawn")
    if len(events) > MOST_LISTED:
        words.append(f"{len(events) - MOST_LISTED:,} more events are not listed")
    return "; ".join(words) + "."


def _ends(event: Mapping[str, Any], rate: int) -> tuple[int, int]:
    start = max(event["start"] / 1000 - _BEFORE, 0.0)
    stop = min(event["end"] / 1000 + _BEFORE, start + clip.SECONDS)
    return round(start * rate), round(stop * rate)


def _read(
    sound: AudioField, rate: int, result: Result, clips: Sequence[_Clip]
) -> tuple[float, NDArray[np.float32]]:
    """One pass: seconds, and the peak of each column; fills the clips.

    Raises:
        DataError: it cannot be read.
    """
    counts = result.receipt.counts or {}
    total = max(round(counts.get("milliseconds", 0) / 1000 * rate), 1)
    peaks = np.zeros(_COLUMNS, np.float32)
    done = 0
    for block in sound.blocks(rate):
        places = (np.arange(done, done + len(block)) * _COLUMNS // total).clip(0, _COLUMNS - 1)
        np.maximum.at(peaks, places, np.abs(block))
        for one in clips:
            if one.start < done + len(block) and one.stop > done:
                begin = max(one.start - done, 0)
                one.pieces.append(block[begin : one.stop - done].copy())
        done += len(block)
    return done / rate, peaks / max(float(peaks.max()), 1e-4)


def _excerpt(one: _Clip, rate: int) -> Excerpt:
    content, media = clip.encoded(np.concatenate(one.pieces), rate)
    return Excerpt(sound=content, sound_type=media)


def _clock(milliseconds: float) -> str:
    """``1:02:03.4``; hours only where there are some."""
    tenths = round(milliseconds / 100)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    rest = f"{minutes:02d}:{tenths / 10:04.1f}" if hours else f"{minutes}:{tenths / 10:04.1f}"
    return f"{hours}:{rest}" if hours else rest
