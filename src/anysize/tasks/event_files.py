"""Events as files: a label track of Audacity (.txt), and WebVTT (.vtt)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from anysize.core.errors import ConfigurationError
from anysize.mergers.timeline import times_of
from anysize.tasks.abilities import LiveWriter
from anysize.tasks.speech.files import clock

_SECOND = 1000


class LabelTrack:
    """Beginning and end in seconds and the label, with tabs between; rows as they come."""

    def add(self, row: Mapping[str, Any]) -> str:
        """See ``tasks.abilities.LiveWriter``.

        Raises:
            ConfigurationError: the row has no events.
        """
        found = []
        for event in _events(row):
            start, end = times_of(event)
            label = " ".join(str(event["label"]).split())
            found.append(f"{start / _SECOND:.3f}\t{end / _SECOND:.3f}\t{label}\n")
        return "".join(found)

    def rest(self) -> str:
        """Nothing."""
        return ""


class EventCues:
    """WebVTT (W3C 2019): a cue for each event, with marks of its own escaped; rows as they come."""

    def __init__(self) -> None:
        self._begun = False

    def add(self, row: Mapping[str, Any]) -> str:
        """See ``LabelTrack``."""
        found = [self.rest()]
        for event in _events(row):
            label = " ".join(str(event["label"]).split())
            said = label.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            start, end = times_of(event)
            found.append(f"{clock(start, '.')} --> {clock(end, '.')}\n{said}\n\n")
        return "".join(found)

    def rest(self) -> str:
        """The head, where there was nothing before."""
        found, self._begun = ("" if self._begun else "WEBVTT\n\n"), True
        return found


def label_track(rows: Path, out: BinaryIO) -> None:
    """A label track as Audacity imports it.

    Args:
        rows: JSON Lines of the result of one record, with ``events``.
        out: takes the text.

    Raises:
        ConfigurationError: the result has no events.
    """
    _written(rows, out, LabelTrack())


def webvtt(rows: Path, out: BinaryIO) -> None:
    """WebVTT; see `EventCues`.

    Args:
        rows: as for `label_track`.
        out: takes the text.

    Raises:
        ConfigurationError: the result has no events.
    """
    _written(rows, out, EventCues())


def _written(rows: Path, out: BinaryIO, writing: LiveWriter) -> None:
    """A record that failed has no events, and is named on standard error."""
    with rows.open("rb") as file:
        for line in file:
            row = json.loads(line)
            if "error" not in row:
                out.write(writing.add(row).encode())
    out.write(writing.rest().encode())


def _events(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "events" not in row:
        raise ConfigurationError(
            f"{row['id']} has no events, which is what .txt and .vtt hold: predict with "
            "--merge timeline, or give --out a name that ends in .jsonl"
        )
    found: list[dict[str, Any]] = row["events"]
    return found
