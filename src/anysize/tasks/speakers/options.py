"""Options of speaker recognition: who is known by name, and whether turns are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from anysize.core.options import Together, option
from anysize.tasks.match_options import MatchOptions

BRIDGE = 1.0
"""Seconds of silence that a turn goes on over, unless asked."""


def _of_a_timeline(given: object, timeline: bool | None) -> str | None:
    if given is None or timeline:
        return None
    return "has no effect without the timeline: add --timeline"


@dataclass(frozen=True, kw_only=True)
class SpeakerOptions(MatchOptions):
    """Who is known by name, and who speaks when."""

    together: ClassVar[tuple[Together, ...]] = (
        Together(("speakers", "timeline"), _of_a_timeline),
        Together(("bridge", "timeline"), _of_a_timeline),
        Together(("collar", "timeline"), _of_a_timeline),
    )

    timeline: bool = option(
        False, help="Find who speaks when in a recording with several people (diarization)."
    )
    speakers: int | None = option(
        None, low=1, high=500, automatic="estimated",
        help="Number of people who speak in a recording.",
    )  # fmt: skip
    bridge: float | None = option(
        None, low=0.0, high=60.0, unit="seconds", automatic="1",
        help="Pauses up to this length do not end a turn, if nobody else speaks in them.",
    )  # fmt: skip
    collar: float | None = option(
        None, low=0.0, high=10.0, unit="seconds", automatic="0.25",
        help="Time before and behind each border of a reference that evaluate does not score.",
    )  # fmt: skip
