"""What a record is shown as in a report: a piece of text, a small picture, seconds of sound."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """What a record looks or sounds like, of bounded size.

    Attributes:
        text: a piece of the document, or None.
        image: an encoded thumbnail, or None.
        media_type: of ``image`` (``image/png``, ``image/jpeg``).
        sound: some seconds of a recording, encoded, or None.
        sound_type: of ``sound`` (``audio/mpeg``, ``audio/ogg``).
        where: what part of the input it shows, in words.
    """

    text: str | None = None
    image: bytes | None = None
    media_type: str = "image/png"
    sound: bytes | None = None
    sound_type: str = "audio/mpeg"
    where: str = ""
