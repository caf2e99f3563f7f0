"""Options of the merge rule ``timeline``: when events begin and end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from anysize.core.options import Together, option
from anysize.readers.audio.pcm import LiveOptions


def _not_above(hold: float | None, begin: float | None) -> str | None:
    if hold is None or begin is None or hold <= begin:
        return None
    return f"must not be above event_begin ({begin:g}), not {hold:g}"


@dataclass(frozen=True, kw_only=True)
class EventOptions(LiveOptions):
    """Events of the merge rule timeline."""

    table: ClassVar[str] = "events"
    heading: ClassVar[str] = ""
    together: ClassVar[tuple[Together, ...]] = (
        Together(("event_hold", "event_begin"), _not_above),
    )

    event_begin: float | None = option(
        None, above=0, high=1, automatic="0.5, or the threshold of each of several labels",
        help="Lowest probability at which an event of --merge timeline begins.",
    )  # fmt: skip
    event_hold: float | None = option(
        None, above=0, high=1, automatic="half of where it begins",
        help="Lowest probability at which an event of --merge timeline continues.",
    )  # fmt: skip

    def asked(self) -> bool:
        """Whether anything is asked of events."""
        return self.event_begin is not None or self.event_hold is not None
