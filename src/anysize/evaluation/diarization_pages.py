"""A timeline beside its reference as a report shows it, with excerpts of what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anysize.core.errors import DataError
from anysize.core.excerpts import Excerpt
from anysize.core.plurals import number_of
from anysize.core.records import AudioField
from anysize.core.windows import Span
from anysize.evaluation.diarization_result import ScoredTimeline
from anysize.evaluation.numbers import percent
from anysize.modalities.sounds import clip
from anysize.recognition.diarization_error import Mistake
from anysize.recognition.turns import Turn

COLUMNS = 1000
_PLAYED = 6
_BARS = 2000
_BEFORE = 0.25
"""Seconds that an excerpt begins before its mistake."""
_LEAST = 0.3
"""Seconds of the shortest mistake that is played."""


def drawn(scored: ScoredTimeline, sound: AudioField) -> dict[str, Any]:
    """What the template shows of a recording.

    Args:
        scored: its turns and errors.
        sound: the recording, which is decoded once for its excerpts.
    """
    span = max(scored.seconds, *(turn.stop for turn in (*scored.reference, *scored.found)), 1e-3)
    lanes = _lanes(scored)
    bars = [
        (lane, *_place(turn, span), kind, f"{turn.speaker} {clock(turn.start)} to "
         f"{clock(turn.stop)}")
        for lane, (_, kind, turns) in enumerate(lanes)
        for turn in turns
    ]  # fmt: skip
    mistakes = scored.compared.mistakes
    bars += [
        (len(lanes), *_place(each, span), each.kind.replace(" ", "-"), words(each))
        for each in mistakes
    ]
    played = sorted(
        sorted(
            (each for each in mistakes if each.stop - each.start >= _LEAST),
            key=lambda each: each.start - each.stop,
        )[:_PLAYED],
        key=lambda each: each.start,
    )
    error = scored.compared.error
    rate = percent(error.rate) if error.speech else "no speech to score"
    note = f"{rate}, {number_of(len(mistakes), 'mistake', 'mistakes')}"
    if len(bars) > _BARS:
        note += f"; the first {_BARS:,} of {len(bars):,} stretches are drawn"
    return {
        "id": scored.id,
        "note": note,
        "lanes": [*((name, kind) for name, kind, _ in lanes), ("mistakes", "mistakes")],
        "bars": bars[:_BARS],
        "length": clock(span),
        "excerpts": list(
            zip([words(each) for each in played], _excerpts(played, sound), strict=True)
        ),
    }


def words(mistake: Mistake) -> str:
    """``confusion 0:12.0 to 0:13.5: Ann speaks, speaker 2 was found``."""
    speaks = " and ".join(mistake.reference) or "nobody"
    found = " and ".join(mistake.found) or "nobody"
    times = f"{clock(mistake.start)} to {clock(mistake.stop)}"
    return f"{mistake.kind} {times}: {speaks} speaks, {found} was found"


def clock(seconds: float) -> str:
    """``1:02:03.4``; hours only where there are some."""
    minutes, rest = divmod(round(10 * max(seconds, 0.0)), 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{minutes:02d}:{rest / 10:04.1f}" if hours else f"{minutes}:{rest / 10:04.1f}"
    return f"{hours}:{tail}" if hours else tail


def _lanes(scored: ScoredTimeline) -> list[tuple[str, str, Sequence[Turn]]]:
    """Each speaker of the reference, and below them whoever is taken for them."""
    matched = {name: found for found, name in scored.compared.matched.items()}
    found: list[tuple[str, str, Sequence[Turn]]] = []
    for name in sorted({turn.speaker for turn in scored.reference}):
        found.append((name, "reference", [t for t in scored.reference if t.speaker == name]))
        other = matched.get(name)
        if other is not None:
            found.append((other, "found", [t for t in scored.found if t.speaker == other]))
    others = sorted({turn.speaker for turn in scored.found} - set(matched.values()))
    found += [(name, "found", [t for t in scored.found if t.speaker == name]) for name in others]
    return found


def _place(stretch: Turn | Mistake, span: float) -> tuple[float, float]:
    width = COLUMNS * (stretch.stop - stretch.start) / span
    return COLUMNS * stretch.start / span, max(width, 0.5)


def _excerpts(mistakes: Sequence[Mistake], sound: AudioField) -> list[Excerpt | None]:
    """What is heard at mistakes, which are in order; None where that cannot be read."""
    rate = clip.rate_for(sound.header.rate)
    spans = []
    for each in mistakes:
        start = max(each.start - _BEFORE, 0.0)
        stop = min(each.stop + _BEFORE, start + clip.SECONDS)
        spans.append(Span(round(start * rate), round(stop * rate)))
    found: list[Excerpt | None] = []
    try:
        for samples in sound.stretches(spans, rate):
            content, media = clip.encoded(samples, rate)
            found.append(Excerpt(sound=content, sound_type=media))
    except DataError:
        pass  # what is left has no player
    return [*found, *[None] * (len(mistakes) - len(found))]
