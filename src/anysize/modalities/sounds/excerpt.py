"""What reports show of a recording: its length and format, and some seconds to see and hear."""

from __future__ import annotations

from collections.abc import Mapping

from anysize.core.excerpts import Excerpt
from anysize.core.records import AudioField
from anysize.modalities.sounds import clip, view

_WIDTH = 480


def excerpt_of(field: AudioField, region: Mapping[str, int]) -> Excerpt:
    """The header in words, and the first seconds; the recording is decoded up to their end.

    Args:
        field: the recording.
        region: samples that the most confident window read, at the model's rate (``rate``); the
            excerpt begins there. Empty where that is not known.

    Raises:
        DataError: the recording cannot be read.
    """
    header = field.header
    length = "" if header.samples is None else f"{header.samples / header.rate:.2f} seconds, "
    channels = "1 channel" if header.channels == 1 else f"{header.channels} channels"
    text = f"{length}{header.rate:,} Hz, {channels}, {header.kind} {header.encoding}"
    start = region["start"] / region["rate"] if {"start", "rate"} <= region.keys() else 0.0
    samples, rate = clip.stretch(field, start, clip.SECONDS)
    if not len(samples):
        return Excerpt(text=text)
    sound, media = clip.encoded(samples, rate)
    shown = len(samples) / rate
    whole = None if header.samples is None else header.samples / header.rate
    where = "" if whole is not None and shown > whole - 0.01 else _where(start, shown)
    return Excerpt(
        text=text,
        image=view.png(view.levels(samples, rate, _WIDTH)),
        sound=sound,
        sound_type=media,
        where=where,
    )


def _where(start: float, seconds: float) -> str:
    if not start:
        return f"shown are the first {seconds:.1f} seconds"
    return f"shown are {seconds:.1f} seconds from second {start:,.1f} on"
