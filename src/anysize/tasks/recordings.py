"""What every task on recordings does with one of them and with its windows."""

from __future__ import annotations

from typing import Protocol

from anysize.core.records import AudioField, Record
from anysize.core.windows import Span, Window
from anysize.modalities.sounds.settings import AudioSettings
from anysize.readers.audio.sound import Sound

MISSING = "the file claims samples that it does not give"


class Cut(Protocol):
    """A window that a recording was cut into; see ``windows.sound.SoundWindow``."""

    @property
    def region(self) -> Span: ...
    @property
    def core(self) -> Span: ...
    @property
    def last(self) -> bool: ...


def recording_of(record: Record, settings: AudioSettings) -> AudioField:
    """A record's ``audio``, damaged ones read as the settings say."""
    sound = record.audio("audio")
    if isinstance(sound, Sound):
        sound.tolerant = settings.tolerant
    return sound


def missing(sound: AudioField, rate: int) -> int:
    """Samples at a rate that the file claims and does not give; known once all is read."""
    count = sound.counts().get("samples_missing", 0)
    return round(count * rate / sound.header.rate) if count else 0


def placed(record: str, index: int, cut: Cut, outside: int) -> Window:
    """A window of a record.

    Args:
        record: its id.
        index: 0, 1, 2 … within the record.
        cut: what the window reads and owns.
        outside: samples that no window reads; see ``Window``.
    """
    return Window(
        record=record, index=index, region=cut.region, core=cut.core, last=cut.last,
        outside=outside,
    )  # fmt: skip
